/** A whole response object as the events that the same request with `stream` would have got, in OpenAI's order. */
import { type JsonRecord, listOf, recordOf } from "../openai/json-record.ts";
import { pieces } from "./stream-events.ts";

const terminalByStatus = new Map<unknown, string>([
  ["completed", "response.completed"],
  ["incomplete", "response.incomplete"],
  ["failed", "response.failed"],
]);

/** Adds an event to the stream and numbers it. */
type Emit = (type: string, fields: JsonRecord) => void;

/** The events of a `response`; undefined where it is none, or it has not ended. */
export function splitResponse(answer: JsonRecord): JsonRecord[] | undefined {
  const terminal = terminalByStatus.get(answer.status);
  if (terminal === undefined || !Array.isArray(answer.output)) return undefined;
  const events: JsonRecord[] = [];
  const emit: Emit = (type, fields) => {
    events.push({ type, sequence_number: events.length, ...fields });
  };
  const begun: JsonRecord = {
    ...answer,
    status: "in_progress",
    output: [],
    usage: null,
    error: null,
    incomplete_details: null,
  };
  if (answer.completed_at !== undefined) begun.completed_at = null;
  emit("response.created", { response: begun });
  emit("response.in_progress", { response: begun });
  for (const [index, element] of answer.output.entries()) {
    const item = recordOf(element);
    if (item === undefined) return undefined;
    emitItem(emit, item, index);
  }
  emit(terminal, { response: answer });
  return events;
}

function emitItem(emit: Emit, item: JsonRecord, outputIndex: number): void {
  const place = { item_id: item.id, output_index: outputIndex };
  emit("response.output_item.added", { output_index: outputIndex, item: begunItem(item) });
  if (item.type === "message") emitContent(emit, item, place);
  else if (item.type === "reasoning") {
    emitSummary(emit, item, place);
    emitContent(emit, item, place);
  } else if (item.type === "function_call") {
    const text = textOf(item.arguments);
    for (const delta of pieces(text)) emit("response.function_call_arguments.delta", { ...place, delta });
    emit("response.function_call_arguments.done", { ...place, name: item.name, arguments: text });
  } else if (item.type === "custom_tool_call") {
    const text = textOf(item.input);
    for (const delta of pieces(text)) emit("response.custom_tool_call_input.delta", { ...place, delta });
    emit("response.custom_tool_call_input.done", { ...place, input: text });
  }
  // other kinds (hosted tools) come whole: clients take the item from its `done` event
  emit("response.output_item.done", { output_index: outputIndex, item });
}

/** The item before its first delta. */
function begunItem(item: JsonRecord): JsonRecord {
  const begun = { ...item };
  if (item.status !== undefined) begun.status = "in_progress";
  if (item.type === "message" || item.type === "reasoning") {
    if (item.content !== undefined) begun.content = [];
    if (item.summary !== undefined) begun.summary = [];
  }
  if (item.type === "function_call") begun.arguments = "";
  if (item.type === "custom_tool_call") begun.input = "";
  return begun;
}

function emitContent(emit: Emit, item: JsonRecord, place: JsonRecord): void {
  for (const [index, element] of listOf(item.content).entries()) {
    const part = recordOf(element) ?? {};
    emitPart(emit, part, { ...place, content_index: index });
  }
}

function emitPart(emit: Emit, part: JsonRecord, place: JsonRecord): void {
  const text = textOf(part.text);
  if (part.type === "output_text") {
    const logprobs = listOf(part.logprobs);
    const emptied = part.logprobs === undefined ? {} : { logprobs: [] };
    emit("response.content_part.added", { ...place, part: { ...part, text: "", annotations: [], ...emptied } });
    for (const [i, delta] of pieces(text).entries()) {
      emit("response.output_text.delta", { ...place, delta, logprobs: i === 0 ? logprobs : [] });
    }
    for (const [annotation_index, annotation] of listOf(part.annotations).entries()) {
      emit("response.output_text.annotation.added", { ...place, annotation_index, annotation });
    }
    emit("response.output_text.done", { ...place, text, logprobs });
  } else if (part.type === "refusal") {
    const refusal = textOf(part.refusal);
    emit("response.content_part.added", { ...place, part: { ...part, refusal: "" } });
    for (const delta of pieces(refusal)) emit("response.refusal.delta", { ...place, delta });
    emit("response.refusal.done", { ...place, refusal });
  } else if (part.type === "reasoning_text") {
    emit("response.content_part.added", { ...place, part: { ...part, text: "" } });
    for (const delta of pieces(text)) emit("response.reasoning_text.delta", { ...place, delta });
    emit("response.reasoning_text.done", { ...place, text });
  } else {
    emit("response.content_part.added", { ...place, part });
  }
  emit("response.content_part.done", { ...place, part });
}

function emitSummary(emit: Emit, item: JsonRecord, itemPlace: JsonRecord): void {
  for (const [summary_index, element] of listOf(item.summary).entries()) {
    const part = recordOf(element) ?? {};
    const place = { ...itemPlace, summary_index };
    const text = textOf(part.text);
    emit("response.reasoning_summary_part.added", { ...place, part: { ...part, text: "" } });
    for (const delta of pieces(text)) emit("response.reasoning_summary_text.delta", { ...place, delta });
    emit("response.reasoning_summary_text.done", { ...place, text });
    emit("response.reasoning_summary_part.done", { ...place, part });
  }
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
