/**
 * How many tokens a request can cost at most, before it is sent. Byte-level BPE never makes more tokens than a text has
 * UTF-8 bytes, so bytes are the safe bound of text; images, audio and files are bounded by their own units.
 */
import type { ModelConfig } from "../../config/contract.ts";
import type { RequestBody } from "../exchange.ts";
import type { JsonValue } from "../json/view.ts";

/** Tokens around one message (role, separators); OpenAI's cookbook counts 3 to 4. */
export const messageTokens = 8;
/** Audio is 10 tokens a second at most in the transcription models; nobody encodes speech below 1,000 bytes a second. */
export const audioBytesPerToken = 100;
/** Text bytes that make one token on average, rounded down on purpose (English is near 4, code 3, CJK 3). */
export const textBytesPerToken = 3;

/** What the input can cost. */
export interface InputEstimate {
  /** Never less than what the provider will count. */
  readonly upperTokens: number;
  /** What it will probably be; for limits on the length, where a bound four times too high would refuse too much. */
  readonly likelyTokens: number;
}

interface Sum {
  readonly model: ModelConfig;
  textBytes: number;
  mediaTokens: number;
  messages: number;
  /** Depth of the value that is looked at. */
  depth: number;
}

/** Members of a request that become part of the prompt. */
const promptMembers = ["messages", "input", "prompt", "instructions", "query"] as const;
/** Members that are rendered into the prompt as they stand. */
const renderedMembers = ["tools", "functions", "response_format", "text", "prediction"] as const;

/** Estimates the input of a body; `extraText` is what we add to it (system prompt). */
export function estimateInput(body: RequestBody, model: ModelConfig, extraText: string): InputEstimate {
  const sum: Sum = {
    model,
    textBytes: Buffer.byteLength(extraText),
    mediaTokens: 0,
    messages: extraText === "" ? 0 : 1,
    depth: 0,
  };
  if (body.kind === "json") {
    const root = body.document.root;
    for (const name of promptMembers) {
      const value = root.get(name);
      if (value) addPrompt(value, sum);
    }
    for (const name of renderedMembers) sum.textBytes += root.get(name)?.byteLength ?? 0;
  }
  if (body.kind === "multipart") {
    for (const part of body.scan.parts) {
      const bytes = part.end - part.start;
      if (part.filename === undefined) sum.textBytes += part.name === "prompt" ? bytes : 0;
      else if (part.name.startsWith("image") || part.name === "mask") sum.mediaTokens += model.imageTokensMax;
      else sum.mediaTokens += Math.ceil(bytes / audioBytesPerToken);
    }
  }
  const fixed = sum.mediaTokens + sum.messages * messageTokens;
  return { upperTokens: sum.textBytes + fixed, likelyTokens: Math.ceil(sum.textBytes / textBytesPerToken) + fixed };
}

/** Depth to which content is looked into: message, content list, part, media object. Deeper text counts as it stands. */
const promptDepthMax = 6;

function addPrompt(value: JsonValue, sum: Sum): void {
  const { kind } = value;
  if (kind === "string") {
    sum.textBytes += value.byteLength - 2;
    return;
  }
  if ((kind !== "array" && kind !== "object") || sum.depth >= promptDepthMax) {
    // an embeddings input may be a list of token numbers: each number is one token, and its text is at least a byte
    sum.textBytes += value.byteLength;
    return;
  }
  if (kind === "object" && isMedia(value, sum)) return;
  sum.depth++;
  value.eachChild(addPrompt, sum);
  sum.depth--;
}

/** Counts a message; and a part that is no text by its own measure: true when that was all. */
function isMedia(value: JsonValue, sum: Sum): boolean {
  if (value.get("role")) sum.messages++;
  const type = value.get("type")?.string();
  if (type === "image_url" || type === "input_image") {
    sum.mediaTokens += sum.model.imageTokensMax;
    return true;
  }
  if (type !== "input_audio" && type !== "file" && type !== "input_file") return false;
  // base64: 4 characters for 3 bytes; a file's text is at most its bytes
  sum.mediaTokens +=
    type === "input_audio" ? Math.ceil((value.byteLength * 3) / 4 / audioBytesPerToken) : value.byteLength;
  return true;
}
