import type { JsonObject } from "./json-values.ts";

/** Log probabilities of words as chat reports them; always the same made-up ones. */
export const logprobsOf = (pieces: readonly string[]): JsonObject => ({
  content: pieces.map((token) => ({ token, logprob: -0.125, bytes: [...Buffer.from(token)], top_logprobs: [] })),
  refusal: null,
});
