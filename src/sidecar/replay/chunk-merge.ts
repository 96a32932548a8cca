/** A stream of chat or completion chunks as the one answer that the same request without `stream` would have got. */
import { type JsonRecord, listOf, recordOf } from "../openai/json-record.ts";
import { appendLists, draft, mergeDelta, mergeFilter } from "./delta-merge.ts";

/** Choices of one answer; the API allows 128. A stream with more is not merged. */
const choicesMax = 128;

/** Merges one chunk's choice into the choice so far, its own fields aside. */
type ChoiceMerge = (choice: JsonRecord, part: JsonRecord) => void;

/** A `chat.completion`; undefined where a choice has no end, or there is no choice. */
export function mergeChatChunks(chunks: readonly JsonRecord[]): JsonRecord | undefined {
  const choices = mergeChoices(chunks, (choice, part) => {
    const message =
      recordOf(choice.message) ?? Object.assign(draft(), { role: "assistant", content: null, refusal: null });
    const { delta } = part;
    mergeDelta(message, recordOf(delta) ?? {});
    choice.message = message;
  });
  choices?.forEach((choice) => {
    finishMessage(recordOf(choice.message) ?? {});
  });
  return choices === undefined ? undefined : mergeRoot(chunks, choices, "chat.completion");
}

/** A `text_completion`; undefined where a choice has no end, or there is no choice. */
export function mergeCompletionChunks(chunks: readonly JsonRecord[]): JsonRecord | undefined {
  const choices = mergeChoices(chunks, (choice, part) => {
    const { text } = part;
    choice.text = `${choice.text ?? ""}${typeof text === "string" ? text : ""}`;
  });
  return choices === undefined ? undefined : mergeRoot(chunks, choices, "text_completion");
}

/** The choices in the order of their index; offsets that only make sense in a stream are left out. */
function mergeChoices(chunks: readonly JsonRecord[], merge: ChoiceMerge): JsonRecord[] | undefined {
  const byIndex = new Map<number, JsonRecord>();
  for (const chunk of chunks) {
    for (const element of listOf(chunk.choices)) {
      const part = recordOf(element);
      const index = part?.index ?? 0;
      if (part === undefined || typeof index !== "number" || byIndex.size > choicesMax) return undefined;
      const choice = byIndex.get(index) ?? Object.assign(draft(), { index, logprobs: null, finish_reason: null });
      byIndex.set(index, choice);
      merge(choice, part);
      mergeChoiceFields(choice, part);
    }
  }
  const choices = [...byIndex.values()].sort((a, b) => Number(a.index) - Number(b.index));
  const isWhole = choices.length > 0 && choices.every((choice) => typeof choice.finish_reason === "string");
  return isWhole ? choices : undefined;
}

const streamOnlyFields = new Set(["index", "delta", "text", "content_filter_offsets"]);

function mergeChoiceFields(choice: JsonRecord, part: JsonRecord): void {
  for (const [key, value] of Object.entries(part)) {
    if (streamOnlyFields.has(key)) continue;
    const record = recordOf(value);
    const old = recordOf(choice[key]);
    if (key === "logprobs" && record && old) appendLists(old, record);
    else if (key === "content_filter_results" && record && old) mergeFilter(old, record);
    else if (value !== null || choice[key] === undefined) choice[key] = value;
  }
}

/** What a whole message has differently from the sum of its deltas. */
function finishMessage(message: JsonRecord): void {
  const calls = listOf(message.tool_calls);
  if (calls.length > 0) {
    const ordered = [...calls].sort((a, b) => Number(recordOf(a)?.index ?? 0) - Number(recordOf(b)?.index ?? 0));
    message.tool_calls = ordered.map((call) => {
      const { index: _, ...rest } = recordOf(call) ?? {};
      return rest;
    });
  }
  const hasOther = calls.length > 0 || Boolean(message.refusal) || Boolean(message.function_call);
  if (message.content === "" && hasOther) message.content = null;
}

const firstWins = new Set(["id", "created", "model"]);

/** The fields around the choices. Azure's first frame has them empty, so an empty value never counts. */
function mergeRoot(chunks: readonly JsonRecord[], choices: JsonRecord[], object: string): JsonRecord {
  const root = Object.assign(draft(), { id: "", object, created: 0, model: "", choices });
  for (const chunk of chunks) {
    for (const [key, value] of Object.entries(chunk)) {
      if (key === "choices" || key === "object" || key === "obfuscation") continue;
      const isEmpty = value === null || value === "" || value === 0 || (Array.isArray(value) && value.length === 0);
      if (isEmpty || (firstWins.has(key) && root[key])) continue;
      root[key] = value;
    }
  }
  return root;
}
