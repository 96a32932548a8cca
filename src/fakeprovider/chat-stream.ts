import type { Call } from "./call.ts";
import type { ChatAnswer, ChatChoice } from "./chat-answer.ts";
import { systemFingerprint } from "./chat-answer.ts";
import { logprobsOf } from "./chat-logprobs.ts";
import type { ChatRequest } from "./chat-request.ts";
import { answerFilter, promptFilters } from "./content-filter.ts";
import type { Frame } from "./frame.ts";
import type { JsonObject } from "./json-values.ts";
import type { ToolCall } from "./tool-calls.ts";

const obfuscationNoise = "aK3xZ9mQ7pL2vR8tYc5nW1sD6fG4hJ0bEu";
const obfuscatedLength = 16;

/** The end of a stream that went well. */
export const doneFrame: Frame = { data: "[DONE]" };

/** Noise that makes frames of short words equally long. */
export const obfuscationFor = (delta: string): string => {
  const missing = obfuscatedLength - (delta.length % obfuscatedLength);
  return obfuscationNoise.slice(delta.length % 8, (delta.length % 8) + missing);
};

/** The changing part of a chunk: one choice's delta. */
interface Change {
  readonly index: number;
  readonly delta: JsonObject;
  readonly finish: string | null;
  readonly text: string;
}

const change = (index: number, delta: JsonObject, text = "", finish: string | null = null): Change => ({
  index,
  delta,
  finish,
  text,
});

const callDelta = (
  index: number,
  call: ToolCall,
  part: { head?: boolean; fragment: string; named: boolean },
): JsonObject => {
  const inner =
    call.kind === "custom"
      ? { ...(part.named ? { name: call.name } : {}), input: part.fragment }
      : { ...(part.named ? { name: call.name } : {}), arguments: part.fragment };
  return { index, ...(part.head ? { id: call.id, type: call.kind } : {}), [call.kind]: inner };
};

/** Deltas of one tool call: the head with id and name, then the arguments. */
function* callDeltas(position: number, call: ToolCall, isNameLate: boolean): Iterable<readonly [JsonObject, string]> {
  yield [callDelta(position, call, { head: true, fragment: "", named: !isNameLate }), ""];
  for (const [i, fragment] of call.fragments.entries()) {
    yield [callDelta(position, call, { fragment, named: isNameLate && i === 0 }), fragment];
  }
}

/** Takes from each in turn until all are spent. */
function* alternating<T>(sources: readonly Iterable<T>[]): Iterable<T> {
  const open = sources.map((source) => source[Symbol.iterator]());
  while (open.length > 0) {
    for (const iterator of [...open]) {
      const next = iterator.next();
      if (next.done) open.splice(open.indexOf(iterator), 1);
      else yield next.value;
    }
  }
}

function* oneAfterAnother<T>(sources: readonly Iterable<T>[]): Iterable<T> {
  for (const source of sources) yield* source;
}

function* toolChanges(call: Call, choice: ChatChoice): Iterable<Change> {
  const { behaviour } = call;
  const { index, toolCalls } = choice;
  const first = toolCalls[0];
  if (choice.isLegacyCall && first !== undefined) {
    const head = {
      role: "assistant",
      content: null,
      function_call: { name: first.name, arguments: "" },
      refusal: null,
    };
    yield change(index, head);
    for (const part of first.fragments) yield change(index, { function_call: { arguments: part } }, part);
    return;
  }
  const sources = toolCalls.map((toolCall, i) =>
    callDeltas(behaviour.dupindex ? 0 : i, toolCall, behaviour.latename === true),
  );
  let isFirst = true;
  for (const [delta, text] of behaviour.interleave ? alternating(sources) : oneAfterAnother(sources)) {
    const opening = isFirst ? { role: "assistant", content: null, refusal: null } : {};
    isFirst = false;
    yield change(index, { ...opening, tool_calls: [delta] }, text);
  }
}

function* choiceChanges(call: Call, choice: ChatChoice): Iterable<Change> {
  const { index } = choice;
  if (choice.toolCalls.length > 0) yield* toolChanges(call, choice);
  else {
    yield change(index, { role: "assistant", content: choice.isRefusal ? null : "", refusal: null });
    const field = choice.isRefusal ? "refusal" : "content";
    for (const piece of choice.pieces) yield change(index, { [field]: piece }, piece);
  }
  yield change(index, {}, "", choice.finish);
}

const azureOpening: JsonObject = {
  choices: [],
  created: 0,
  id: "",
  model: "",
  object: "",
  prompt_filter_results: promptFilters(),
};

const azureLateFilter = (call: Call, index: number): JsonObject => ({
  id: "",
  object: "",
  created: 0,
  model: "",
  choices: [
    {
      index,
      finish_reason: null,
      content_filter_results: answerFilter(call),
      content_filter_offsets: { check_offset: 0, start_offset: 0, end_offset: 44 },
    },
  ],
});

const frameOf = (value: JsonObject): Frame => ({ data: JSON.stringify(value) });

/** The chunks of a streamed chat answer, in the dialect's order, with `[DONE]`. */
export function* chatFrames(call: Call, request: ChatRequest, answer: ChatAnswer): Iterable<Frame> {
  const isAzure = call.dialect === "azure";
  const head = {
    id: answer.id,
    object: "chat.completion.chunk",
    created: answer.created,
    model: answer.model,
    ...(isAzure ? {} : { service_tier: answer.serviceTier }),
    system_fingerprint: systemFingerprint,
  };
  const noUsage = request.hasUsageChunk ? { usage: null } : {};
  if (isAzure) yield frameOf(azureOpening);
  for (const { index, delta, finish, text } of alternating(
    answer.choices.map((choice) => choiceChanges(call, choice)),
  )) {
    const choice = {
      index,
      delta,
      logprobs: request.hasLogprobs && text !== "" ? logprobsOf([text]) : null,
      finish_reason: finish,
      ...(isAzure ? { content_filter_results: text === "" ? {} : answerFilter(call) } : {}),
    };
    const noise = request.hasObfuscation ? { obfuscation: obfuscationFor(text) } : {};
    yield frameOf({ ...head, choices: [choice], ...noUsage, ...noise });
  }
  if (isAzure && call.behaviour.asyncfilter) yield frameOf(azureLateFilter(call, 0));
  if (request.hasUsageChunk && answer.usage !== undefined) {
    const noise = request.hasObfuscation ? { obfuscation: "" } : {};
    const totals = frameOf({ ...head, choices: [], usage: answer.usage, ...noise });
    yield totals;
    if (call.behaviour.usage === "twice") yield totals;
  }
  yield doneFrame;
}
