/**
 * How many tokens a request can cost at most, before it is sent. Byte-level BPE never makes more tokens than a text has
 * UTF-8 bytes, so the bytes of the request are the safe bound: whatever it says, known member or not. Media are bounded by their own
 * units, and what only names its content (a file, an earlier response) by the model's window.
 */
import type { ModelConfig } from "../../config/contract.ts";
import type { RequestBody } from "../exchange.ts";
import type { JsonValue } from "../json/view.ts";
import { itemOf } from "./items.ts";
import { addImage, audioBytesPerToken, mediaOf, type Sum } from "./media.ts";
import { hostedToolOf, lessBounded, promptTemplate } from "./tools.ts";

/** Tokens around one message (role, separators); OpenAI's cookbook counts 3 to 4, and 3 more before the answer. */
export const messageTokens = 8;
/** Text bytes that make one token on average, rounded down on purpose (English is near 4, code 3, CJK 3). */
export const textBytesPerToken = 3;

/** What the input can cost. */
export interface InputEstimate {
  /** Never less than what the provider will count, but for what `unknown` and `hosted` name. */
  readonly upperTokens: number;
  /** What it will probably be; for limits on the length, where a bound four times too high would refuse too much. */
  readonly likelyTokens: number;
  /** Output that no maximum keeps down: tokens of a prediction, billed where they are rejected. */
  readonly predictionTokens: number;
  /** What the request names without saying how large it is, such as `file_id`. Absent: nothing. */
  readonly unknown?: string;
  /** A tool that the provider runs: its results are input of further turns. Absent: none. */
  readonly hosted?: string;
  /** What costs otherwise than the model's price says. Absent: nothing. */
  readonly unpriced?: string;
}

/** Estimates the input of a body. `extraText`: what we add to it (system prompt); `replaced`: members that are not sent as they came. */
export function estimateInput(
  body: RequestBody,
  model: Pick<ModelConfig, "imageTokensMax">,
  {
    extraText = "",
    replaced = {},
  }: { readonly extraText?: string; readonly replaced?: Readonly<Record<string, unknown>> } = {},
): InputEstimate {
  const extraBytes = extraText === "" ? 0 : Buffer.byteLength(extraText);
  const sum: Sum = {
    model,
    bytes: extraBytes + (extraText === "" ? 0 : messageTokens),
    textBytes: extraBytes,
    mediaTokens: 0,
    messages: extraText === "" ? 0 : 1,
    predictionTokens: 0,
    unknown: undefined,
    hosted: undefined,
    unpriced: undefined,
  };
  if (body.kind === "json") {
    for (const [key, value] of body.document.root.entries())
      if (!Object.hasOwn(replaced, key)) addMember(key, value, sum);
  }
  if (body.kind === "multipart") addForm(body, sum);
  const { predictionTokens, unknown, hosted, unpriced } = sum;
  return {
    upperTokens: sum.bytes + sum.mediaTokens,
    likelyTokens: Math.ceil(sum.textBytes / textBytesPerToken) + sum.mediaTokens + sum.messages * messageTokens,
    predictionTokens,
    ...(unknown !== undefined && { unknown }),
    ...(hosted !== undefined && { hosted }),
    ...(unpriced !== undefined && { unpriced }),
  };
}

/** Members that no model reads, and that may be long or stand in every request. All others count as they stand. */
const unread: ReadonlySet<string> = new Set([
  ...["model", "metadata", "logit_bias", "stream_options", "user", "safety_identifier", "prompt_cache_key"],
  ...["include", "encoding_format", "stop"],
]);
/** Service tiers that cost what the price list says, or less. `auto` is what the project's administrator chose. */
const listedTiers: ReadonlySet<string | undefined> = new Set(["auto", "default", "flex"]);

function addMember(key: string, value: JsonValue, sum: Sum): void {
  const { kind } = value;
  if (kind === "number" || kind === "true" || kind === "false" || kind === "null" || unread.has(key)) return;
  switch (key) {
    case "messages":
    case "input":
    case "query":
    case "instructions":
      addPrompt(value, sum);
      return;
    case "prompt":
      if (value.get("id")) sum.hosted = lessBounded(sum.hosted, promptTemplate); // Responses
      addPrompt(value, sum);
      return;
    case "image":
    case "images":
    case "mask":
    case "markup":
      addImages(value, sum);
      return;
    case "previous_response_id":
    case "conversation":
      sum.unknown ??= key;
      return;
    case "tools":
      sum.hosted = lessBounded(sum.hosted, hostedToolOf(value));
      break;
    case "web_search_options":
      if (kind === "object") sum.hosted ??= key;
      break;
    case "data_sources": // Azure: what is found there is input of a second call of the model
      if (value.length > 0) sum.hosted ??= key;
      break;
    case "service_tier":
      if (!listedTiers.has(value.string())) sum.unpriced ??= "service_tier";
      return;
    case "prediction":
      sum.predictionTokens += value.byteLength;
      break;
  }
  sum.bytes += value.byteLength;
  sum.textBytes += value.byteLength;
}

/** A prompt counts by its bytes and, where it is bare text, as the message that it becomes. */
function addPrompt(value: JsonValue, sum: Sum): void {
  sum.bytes += value.byteLength;
  if (value.kind === "string") sum.bytes += messageTokens;
  if (value.kind === "array" && value.item(0)?.kind !== "number") value.eachChild(visitItem, sum);
  else visit(value, sum);
}

/** A message, another item of an input, or one text of many. */
function visitItem(item: JsonValue, sum: Sum): void {
  if (item.kind !== "object") {
    visit(item, sum);
    return;
  }
  const type = item.get("type")?.string();
  const hasRole = (item.get("role")?.kind ?? "null") !== "null";
  if (hasRole) sum.messages++;
  if (hasRole && (type === undefined || type === "message")) {
    // the assistant's own speech of before, by its id
    if (item.get("audio")?.get("id")) sum.unknown ??= "messages[].audio";
    item.eachChild(visit, sum);
  } else if (!itemOf(item, type, sum)) visit(item, sum);
}

/** Looks for media, counts texts. The brackets, keys and quotes of a message are more bytes than it has tokens around it. */
function visit(value: JsonValue, sum: Sum): void {
  const { kind } = value;
  if (kind === "string") {
    sum.textBytes += value.byteLength - 2;
    return;
  }
  if (kind === "array" && value.item(0)?.kind === "number") {
    addNumbers(value, sum);
    return;
  }
  if (kind === "object" && mediaOf(value, sum)) return;
  if (kind === "array" || kind === "object") value.eachChild(visit, sum);
  else sum.textBytes += value.byteLength;
}

/** Images of an edit that came as JSON, by URL or by file: each is one. */
function addImages(value: JsonValue, sum: Sum): void {
  sum.bytes += value.byteLength;
  const one = (image: JsonValue): void => addImage(image.get("image_url"), sum);
  if (value.kind === "array") value.eachChild(one, sum);
  else one(value);
}

/** A list of token numbers (embeddings, completions): each is one token. What else stands in it counts as it is written. */
function addNumbers(list: JsonValue, sum: Sum): void {
  let others = 0;
  for (const item of list.items()) if (item.kind !== "number") others += item.byteLength;
  if (others === 0) sum.bytes -= list.byteLength - list.length;
  sum.textBytes += (others === 0 ? list.length : list.byteLength) * textBytesPerToken;
}

/** Fields of a form count by their bytes; images by theirs, and what is to be heard by its length. */
function addForm({ scan }: Extract<RequestBody, { kind: "multipart" }>, sum: Sum): void {
  for (const { name, filename, start, end } of scan.parts) {
    const bytes = end - start;
    if (filename !== undefined && (name.startsWith("image") || name === "mask" || name === "markup"))
      sum.mediaTokens += sum.model.imageTokensMax;
    else if (filename !== undefined && name === "file") sum.mediaTokens += Math.ceil(bytes / audioBytesPerToken);
    else if (name !== "model") {
      sum.bytes += bytes + messageTokens;
      sum.textBytes += name === "prompt" ? bytes : 0;
    }
  }
}
