/** A whole chat or text completion as the chunks that the same request with `stream` would have got. */
import { type JsonRecord, listOf, recordOf } from "../openai/json-record.ts";
import { pieces } from "./stream-events.ts";

/** What a chunk repeats of the answer; the rest of the root goes into the first chunk. */
const repeatedFields = new Set(["id", "created", "model", "service_tier", "system_fingerprint"]);
const rootOnlyFields = new Set(["object", "choices", "usage", "prompt_filter_results"]);

/** The chunks of one choice, without what all chunks of the answer share. */
type ChoiceParts = (choice: JsonRecord, index: unknown) => JsonRecord[] | undefined;

/** The chunks of a `chat.completion`; undefined where it is none, or its content is not text. */
export function splitChat(answer: JsonRecord, options: { includeUsage: boolean }): JsonRecord[] | undefined {
  return splitAnswer(answer, { ...options, object: "chat.completion.chunk" }, chatParts);
}

/** The chunks of a `text_completion`; undefined where it is none. */
export function splitCompletion(answer: JsonRecord, options: { includeUsage: boolean }): JsonRecord[] | undefined {
  return splitAnswer(answer, { ...options, object: "text_completion" }, completionParts);
}

function splitAnswer(
  answer: JsonRecord,
  options: { includeUsage: boolean; object: string },
  partsOf: ChoiceParts,
): JsonRecord[] | undefined {
  const choices = listOf(answer.choices);
  if (choices.length === 0) return undefined;
  const entries = Object.entries(answer);
  const shared = Object.fromEntries(entries.filter(([key]) => repeatedFields.has(key)));
  const once = Object.fromEntries(entries.filter(([key]) => !repeatedFields.has(key) && !rootOnlyFields.has(key)));
  // with include_usage every chunk but the last says that its usage is null
  const noUsage = options.includeUsage ? { usage: null } : {};
  const chunks: JsonRecord[] = [];
  const filters = answer.prompt_filter_results;
  if (filters !== undefined && filters !== null) chunks.push(filterFrame(filters));
  let first: JsonRecord | undefined = once;
  for (const [position, element] of choices.entries()) {
    const choice = recordOf(element);
    const parts = choice === undefined ? undefined : partsOf(choice, choice.index ?? position);
    if (parts === undefined) return undefined;
    for (const part of parts) {
      chunks.push({ ...shared, object: options.object, ...first, choices: [part], ...noUsage });
      first = undefined;
    }
  }
  const usage = recordOf(answer.usage);
  if (options.includeUsage && usage) chunks.push({ ...shared, object: options.object, choices: [], usage });
  return chunks;
}

/** Azure's first frame. */
function filterFrame(filters: unknown): JsonRecord {
  return { choices: [], created: 0, id: "", model: "", object: "", prompt_filter_results: filters };
}

function chatParts(choice: JsonRecord, index: unknown): JsonRecord[] | undefined {
  const { message, finish_reason, logprobs = null, index: _, ...atEnd } = choice;
  const deltas = messageDeltas(recordOf(message));
  if (deltas === undefined) return undefined;
  const parts = deltas.map((delta): JsonRecord => ({ index, delta, logprobs: null, finish_reason: null }));
  // the token probabilities of the whole answer come with its first text: the SDKs collect them wherever they are
  const first = parts.find((part) => isText(recordOf(part.delta)));
  if (first) first.logprobs = logprobs;
  parts.push({ index, delta: {}, logprobs: first ? null : logprobs, finish_reason, ...atEnd });
  return parts;
}

const isText = (delta: JsonRecord | undefined): boolean =>
  delta !== undefined && delta.role === undefined && Boolean(delta.content || delta.refusal);

function messageDeltas(message: JsonRecord | undefined): JsonRecord[] | undefined {
  if (message === undefined) return undefined;
  const { role, content, refusal, tool_calls, function_call, ...rest } = message;
  if (![content, refusal].every((text) => text === undefined || text === null || typeof text === "string")) {
    return undefined;
  }
  const opening: JsonRecord = { role: role ?? "assistant" };
  if (content !== undefined) opening.content = content === null ? null : "";
  if (refusal !== undefined) opening.refusal = null;
  const deltas: JsonRecord[] = [{ ...opening, ...rest }];
  for (const piece of pieces(textOf(content))) deltas.push({ content: piece });
  for (const piece of pieces(textOf(refusal))) deltas.push({ refusal: piece });
  for (const [index, call] of listOf(tool_calls).entries()) deltas.push(...toolCallDeltas(recordOf(call) ?? {}, index));
  const legacy = recordOf(function_call);
  if (legacy) {
    deltas.push({ function_call: { ...legacy, arguments: "" } });
    for (const piece of pieces(textOf(legacy.arguments))) deltas.push({ function_call: { arguments: piece } });
  }
  return deltas;
}

/** First the call with its id and name, then its arguments in pieces; a kind of call that is not known comes whole. */
function toolCallDeltas(call: JsonRecord, index: number): JsonRecord[] {
  const [kind, member] = call.custom === undefined ? ["function", "arguments"] : ["custom", "input"];
  const body = recordOf(call[kind]);
  if (body === undefined) return [{ tool_calls: [{ index, ...call }] }];
  const opening = { index, ...call, [kind]: { ...body, [member]: "" } };
  const rest = pieces(textOf(body[member])).map((piece) => ({ tool_calls: [{ index, [kind]: { [member]: piece } }] }));
  return [{ tool_calls: [opening] }, ...rest];
}

function completionParts(choice: JsonRecord, index: unknown): JsonRecord[] | undefined {
  const { text, finish_reason, logprobs = null, index: _, ...atEnd } = choice;
  if (typeof text !== "string") return undefined;
  const parts = pieces(text).map((piece): JsonRecord => ({ text: piece, index, logprobs: null, finish_reason: null }));
  if (parts[0]) parts[0].logprobs = logprobs;
  parts.push({ text: "", index, logprobs: parts[0] ? null : logprobs, finish_reason, ...atEnd });
  return parts;
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
