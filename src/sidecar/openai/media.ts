/** Parts of a prompt that are no text: what each can cost at most, by its own unit. */
import type { ModelConfig } from "../../config/contract.ts";
import type { JsonValue } from "../json/view.ts";

/** Audio is 10 tokens a second at most in the models that read it. */
export const audioTokensPerSecond = 10;
/** Nobody encodes speech below 1,000 bytes a second: see docs/quotas.md for what is smaller. */
export const audioBytesPerToken = 1000 / audioTokensPerSecond;

/** What was found so far. `bytes` of the request as it stands, without media. */
export interface Sum {
  readonly model: Pick<ModelConfig, "imageTokensMax">;
  bytes: number;
  /** Bytes of its texts alone. */
  textBytes: number;
  mediaTokens: number;
  messages: number;
  predictionTokens: number;
  unknown: string | undefined;
  hosted: string | undefined;
  unpriced: string | undefined;
}

/** Types of parts and items that are text or hold others: nothing in them is to be looked for. */
const plain: ReadonlySet<string> = new Set([
  ...["text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text", "message"],
  ...["function", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output"],
]);
const images: ReadonlySet<string | undefined> = new Set([
  "image_url",
  "input_image",
  "computer_screenshot",
  "image_file",
]);

/** Counts a part that is no text by its own measure: true when that was all. Servers differ in whether they ask for `type`. */
export function mediaOf(value: JsonValue, sum: Sum): boolean {
  const type = value.get("type")?.string();
  if (type !== undefined && plain.has(type)) return false;
  const url = value.get("image_url");
  if (url || images.has(type)) {
    addImage(url, sum);
    return true;
  }
  const audio = value.get("input_audio");
  if (audio) {
    const data = audio.get("data");
    withoutPayload(data, sum);
    // base64: 4 characters for 3 bytes
    sum.mediaTokens += Math.ceil(((data?.byteLength ?? 0) * 3) / 4 / audioBytesPerToken);
    return true;
  }
  return isOfUnknownSize(value, sum);
}

/** Files and films: a PDF of few bytes may unfold to many pages. A file of plain text is what it says. */
function isOfUnknownSize(value: JsonValue, sum: Sum): boolean {
  const film = value.get("video_url") ?? value.get("audio_url");
  if (film) {
    sum.unknown ??= "audio or video by URL";
    return true;
  }
  const inner = value.get("file");
  const file = inner?.kind === "object" ? inner : value;
  const data = file.get("file_data");
  if (data?.kind === "string") {
    if (startsWith(data, plainText)) return true;
    withoutPayload(data, sum);
    sum.unknown ??= "file_data";
    return true;
  }
  const name = file.get("file_id") ? "file_id" : "file_url";
  if (name === "file_url" && !file.get(name)) return false;
  sum.unknown ??= name;
  return true;
}

const dataUrl = Buffer.from('"data:');
const plainText = Buffer.from('"data:text/');

/** One image. Where its URL (bare, or `{url}`) is the image itself, the URL's bytes do not count. */
export function addImage(where: JsonValue | undefined, sum: Sum): void {
  const url = where?.kind === "object" ? where.get("url") : where;
  if (url && startsWith(url, dataUrl)) withoutPayload(url, sum);
  sum.mediaTokens += sum.model.imageTokensMax;
}

/** Takes the bytes of what is no text out of the sum. */
export function withoutPayload(payload: JsonValue | undefined, sum: Sum): void {
  if (payload?.kind === "string") sum.bytes -= payload.byteLength;
}

const startsWith = ({ document: { bytes }, start, end }: JsonValue, head: Buffer): boolean =>
  end - start >= head.length && bytes.compare(head, 0, head.length, start, start + head.length) === 0;
