/** What a provider says a call used, read from every shape it says it in. */
import { recordOf } from "./json-record.ts";

/** Largest believable count in one answer, in tokens (and seconds). A larger one is refused: it would poison a budget. */
export const usageCountMax = 1_000_000_000;

/** Usage of one call. Token counts are integers from 0 to `usageCountMax`. */
export interface Usage {
  /** All input tokens, cached ones included. */
  inputTokens: number;
  /** Part of the input, at most all of it. */
  cachedInputTokens: number;
  /** All output tokens, reasoning included. */
  outputTokens: number;
  /** Part of the output, at most all of it. */
  reasoningTokens: number;
  /** Always input + output. */
  totalTokens: number;
  /** Audio that was transcribed, in seconds, where that is what is billed (then all token counts are 0). */
  seconds?: number;
  /** Images made, where the meter has counted them. */
  images?: number;
}

/**
 * Reads a `usage` object: chat and completions (prompt_tokens, completion_tokens), Responses and images (input_tokens,
 * output_tokens), embeddings (no output), transcription (type tokens or duration).
 *
 * Undefined: not an object, no count in it, or a count that is negative, not an integer or above `usageCountMax`.
 * A `total_tokens` above input + output means output that the parts leave out (some servers count reasoning so): the excess
 * is output, so nothing is undercharged. A smaller or absent total is recomputed.
 */
export function usageOf(value: unknown): Usage | undefined {
  const usage = recordOf(value);
  if (usage === undefined) return undefined;
  if (usage.type === "duration") return durationUsage(usage.seconds);
  const input = usage.prompt_tokens ?? usage.input_tokens;
  const output = usage.completion_tokens ?? usage.output_tokens;
  if (!isPresent(input) && !isPresent(output) && !isPresent(usage.total_tokens)) return undefined;

  const total = countOf(usage.total_tokens);
  // a server that gives the total alone has metered input alone: embeddings, reranking
  const inputTokens = isPresent(input) || isPresent(output) ? countOf(input) : total;
  const outputTokens = Math.max(countOf(output), total - inputTokens);
  const cached = countOf(recordOf(usage.prompt_tokens_details ?? usage.input_tokens_details)?.cached_tokens);
  const reasoning = countOf(recordOf(usage.completion_tokens_details ?? usage.output_tokens_details)?.reasoning_tokens);
  if (Number.isNaN(inputTokens + outputTokens + cached + reasoning)) return undefined;
  return {
    inputTokens,
    cachedInputTokens: Math.min(cached, inputTokens),
    outputTokens,
    reasoningTokens: Math.min(reasoning, outputTokens),
    totalTokens: inputTokens + outputTokens,
  };
}

function durationUsage(seconds: unknown): Usage | undefined {
  if (typeof seconds !== "number" || !(seconds >= 0 && seconds <= usageCountMax)) return undefined;
  return { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, reasoningTokens: 0, totalTokens: 0, seconds };
}

const isPresent = (value: unknown): boolean => value !== undefined && value !== null;

/** A token count; 0 where absent, NaN where it is not one: NaN spreads through the sums and is caught once. */
function countOf(value: unknown): number {
  if (!isPresent(value)) return 0;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > usageCountMax) return Number.NaN;
  return value;
}
