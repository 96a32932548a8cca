import type { Call, Handler } from "./call.ts";
import { jsonReply } from "./call.ts";
import { systemFingerprint } from "./chat-answer.ts";
import { doneFrame } from "./chat-stream.ts";
import { answerFilter, promptFilters } from "./content-filter.ts";
import { errorBodyFor } from "./failure-catalogue.ts";
import { missingParameter, wrongType } from "./failures.ts";
import { checkRange } from "./field-types.ts";
import type { Frame } from "./frame.ts";
import type { JsonObject } from "./json-values.ts";
import { numberOf, objectOf } from "./json-values.ts";
import { answeringModel, askedModel } from "./models.ts";
import type { Route } from "./router.ts";
import { chatUsage } from "./token-usage.ts";
import type { Answer } from "./words.ts";
import { composeAnswer, inputTokensOf } from "./words.ts";

const tokensMaxDefault = 16;

/** Prompts of a request: one text, a list of texts, or token numbers. */
const promptsOf = (prompt: unknown): { count: number; tokens: number } => {
  if (prompt === undefined) throw missingParameter("prompt");
  if (typeof prompt === "string") return { count: 1, tokens: inputTokensOf(prompt.length) };
  if (!Array.isArray(prompt)) throw wrongType("prompt", "one of a string, array of strings or array of tokens", prompt);
  if (prompt.every((part) => typeof part === "number")) return { count: 1, tokens: prompt.length };
  const sizes = prompt.map((part): number => {
    if (typeof part === "string") return part.length;
    if (Array.isArray(part)) return part.length * 4;
    throw wrongType("prompt", "an array of strings", part);
  });
  return { count: sizes.length, tokens: inputTokensOf(sizes.reduce((sum, size) => sum + size, 0)) };
};

interface Completion {
  readonly head: JsonObject;
  readonly answers: readonly Answer[];
  readonly usage: JsonObject | undefined;
}

const finishOf = (call: Call, answer: Answer): string => call.behaviour.finish ?? (answer.isCut ? "length" : "stop");

const choiceOf = (call: Call, index: number, text: string, finish: string | null): JsonObject => ({
  text,
  index,
  logprobs: null,
  finish_reason: finish,
  ...(call.dialect === "azure" ? { content_filter_results: text === "" ? {} : answerFilter(call) } : {}),
});

function* frames(call: Call, { head, answers, usage }: Completion): Iterable<Frame> {
  const hasUsage = objectOf(call.json.stream_options).include_usage === true;
  const noUsage = hasUsage ? { usage: null } : {};
  const chunk = (choices: readonly JsonObject[], rest: JsonObject): Frame => ({
    data: JSON.stringify({ ...head, choices, ...rest }),
  });
  if (call.dialect === "azure") {
    const empty = { id: "", object: "", created: 0, model: "", choices: [], prompt_filter_results: promptFilters() };
    yield { data: JSON.stringify(empty) };
  }
  for (const [index, answer] of answers.entries()) {
    for (const piece of answer.pieces) yield chunk([choiceOf(call, index, piece, null)], noUsage);
    yield chunk([choiceOf(call, index, "", finishOf(call, answer))], noUsage);
  }
  if (hasUsage && usage !== undefined) {
    yield chunk([], { usage });
    if (call.behaviour.usage === "twice") yield chunk([], { usage });
  }
  yield doneFrame;
}

const create: Handler = (call) => {
  const { json, behaviour } = call;
  const model = askedModel(call);
  const prompts = promptsOf(json.prompt);
  checkRange(json, "n", [1, 128]);
  checkRange(json, "max_tokens", [0, Number.MAX_SAFE_INTEGER]);
  checkRange(json, "temperature", [0, 2]);
  const answers = Array.from({ length: prompts.count * (numberOf(json.n) ?? 1) }, (_, i) =>
    composeAnswer(behaviour, {
      seed: call.state.seed + call.ordinal * 131 + i,
      tokensMax: numberOf(json.max_tokens) ?? (behaviour.tokens === undefined ? tokensMaxDefault : undefined),
    }),
  );
  const output = answers.reduce((sum, answer) => sum + answer.tokens, 0);
  const head = {
    id: call.newId("cmpl-"),
    object: "text_completion",
    created: call.createdSeconds,
    model: answeringModel(call, model),
    system_fingerprint: systemFingerprint,
  };
  const completion = { head, answers, usage: chatUsage({ input: prompts.tokens, output, behaviour }) };
  if (json.stream === true) {
    return {
      kind: "stream",
      frames: frames(call, completion),
      errorFrame: () => ({ data: JSON.stringify({ error: errorBodyFor(500, behaviour.code, model) }) }),
    };
  }
  const choices = answers.map((answer, i) => choiceOf(call, i, answer.text, finishOf(call, answer)));
  const verdict = call.dialect === "azure" ? { prompt_filter_results: promptFilters() } : {};
  return jsonReply({ ...head, choices, usage: completion.usage, ...verdict });
};

/** Endpoint of the completions of old. */
export const completionRoutes: readonly Route[] = [["POST /completions", create]];
