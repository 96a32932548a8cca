import type { Call } from "./call.ts";
import type { JsonObject } from "./json-values.ts";

const safe = { filtered: false, severity: "safe" };
const undetected = { filtered: false, detected: false };
const notRun = { error: { code: "content_filter_error", message: "The contents are not filtered" } };

/** Azure's verdict on a piece of an answer. */
export const answerFilter = (call: Call): JsonObject => {
  if (call.behaviour.filtererror === true) return notRun;
  if (call.behaviour.finish === "content_filter") {
    return { hate: safe, self_harm: safe, sexual: safe, violence: { filtered: true, severity: "medium" } };
  }
  return { hate: safe, self_harm: safe, sexual: safe, violence: safe };
};

/** Azure's verdict on a prompt. */
export const promptFilters = (): readonly JsonObject[] => [
  {
    prompt_index: 0,
    content_filter_results: { hate: safe, jailbreak: undetected, self_harm: safe, sexual: safe, violence: safe },
  },
];
