import type { Call } from "./call.ts";
import { obfuscationFor } from "./chat-stream.ts";
import type { Frame } from "./frame.ts";
import type { JsonObject } from "./json-values.ts";
import { listOf, objectOf, textOf } from "./json-values.ts";
import type { OutputItem, ResponsesAnswer } from "./responses-answer.ts";
import { unfinished } from "./responses-answer.ts";

type Event = JsonObject & { readonly type: string };

const terminalOf = (status: unknown): string => {
  if (status === "failed") return "response.failed";
  return status === "incomplete" ? "response.incomplete" : "response.completed";
};

function* messageEvents({ item, pieces }: OutputItem, place: JsonObject, hasNoise: boolean): Iterable<Event> {
  const part = objectOf(listOf(item.content)[0]);
  const isRefusal = part.type === "refusal";
  const at = { content_index: 0, item_id: item.id, ...place };
  const emptyPart = isRefusal ? { ...part, refusal: "" } : { ...part, text: "" };
  yield { type: "response.content_part.added", ...at, part: emptyPart };
  for (const delta of pieces) {
    const noise = hasNoise ? { obfuscation: obfuscationFor(delta) } : {};
    if (isRefusal) yield { type: "response.refusal.delta", ...at, delta };
    else yield { type: "response.output_text.delta", ...at, delta, logprobs: [], ...noise };
  }
  if (isRefusal) yield { type: "response.refusal.done", ...at, refusal: part.refusal };
  else yield { type: "response.output_text.done", ...at, text: part.text, logprobs: [] };
  yield { type: "response.content_part.done", ...at, part };
}

function* callEvents({ item, pieces }: OutputItem, place: JsonObject, hasNoise: boolean): Iterable<Event> {
  const at = { item_id: item.id, ...place };
  const isCustom = item.type === "custom_tool_call";
  const name = isCustom ? "response.custom_tool_call_input" : "response.function_call_arguments";
  for (const delta of pieces) {
    yield { type: `${name}.delta`, ...at, delta, ...(hasNoise ? { obfuscation: obfuscationFor(delta) } : {}) };
  }
  yield {
    type: `${name}.done`,
    ...at,
    ...(isCustom ? { input: item.input } : { arguments: item.arguments, name: item.name }),
  };
}

const openedItem = ({ item }: OutputItem): JsonObject => {
  if (item.type === "message") return { ...item, status: "in_progress", content: [] };
  if (item.type === "reasoning") return item;
  return { ...item, status: "in_progress", ...(item.type === "function_call" ? { arguments: "" } : { input: "" }) };
};

function* itemEvents(output: OutputItem, index: number, hasNoise: boolean): Iterable<Event> {
  const place = { output_index: index };
  yield { type: "response.output_item.added", ...place, item: openedItem(output) };
  if (output.item.type === "message") yield* messageEvents(output, place, hasNoise);
  else if (output.item.type !== "reasoning") yield* callEvents(output, place, hasNoise);
  yield { type: "response.output_item.done", ...place, item: output.item };
}

function* events(call: Call, { response, output }: ResponsesAnswer): Iterable<Event> {
  const isQueued = response.background === true;
  const hasNoise = call.dialect === "openai" && objectOf(call.json.stream_options).include_obfuscation !== false;
  const early = call.behaviour.usage === "twice" ? { usage: response.usage } : {};
  yield { type: "response.created", response: unfinished(response, isQueued ? "queued" : "in_progress") };
  if (isQueued) yield { type: "response.queued", response: unfinished(response, "queued") };
  yield { type: "response.in_progress", response: { ...unfinished(response, "in_progress"), ...early } };
  for (const [index, item] of output.entries()) yield* itemEvents(item, index, hasNoise);
  yield { type: terminalOf(response.status), response };
}

/** The events of a streamed response after number `after`, in the provider's order and numbered from 0. */
export function* responseFrames(call: Call, answer: ResponsesAnswer, after = -1): Iterable<Frame> {
  let sequence = 0;
  for (const { type, ...rest } of events(call, answer)) {
    if (sequence > after) {
      yield { event: type, data: JSON.stringify({ type, sequence_number: sequence, ...rest }) };
    }
    sequence += 1;
  }
}

/** The event with which the provider reports an error in the middle of a stream. */
export const responseErrorFrame = (error: JsonObject, sequence: number): Frame => ({
  event: "error",
  data: JSON.stringify({
    type: "error",
    sequence_number: sequence,
    code: textOf(error.code) ?? "server_error",
    message: error.message,
    param: null,
  }),
});

/** The event with which the provider says that the response has failed. */
export const responseFailedFrame = ({ response }: ResponsesAnswer, sequence: number): Frame => {
  const error = { code: "server_error", message: "The model failed to generate a response." };
  const failed = { ...unfinished(response, "in_progress"), status: "failed", error };
  const type = "response.failed";
  return { event: type, data: JSON.stringify({ type, sequence_number: sequence, response: failed }) };
};
