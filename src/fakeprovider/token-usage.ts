import type { JsonObject } from "./json-values.ts";
import type { Behaviour } from "./knobs.ts";

/** Tokens an image in the input counts. */
export const imageTokens = 100;

const absurdTokens = 9_000_000_000_000;

/** Applies the `usage` knob to a count. */
const bent = (count: number, behaviour: Behaviour): number => {
  if (behaviour.usage === "negative") return -Math.abs(count) - 1;
  return behaviour.usage === "huge" ? absurdTokens : count;
};

interface Counts {
  readonly input: number;
  readonly output: number;
  readonly behaviour: Behaviour;
}

const countsOf = ({ input, output, behaviour }: Counts) => {
  const asked = bent(input, behaviour);
  const written = bent(output + (behaviour.reasoning ?? 0), behaviour);
  return { input: asked, output: written, total: asked + written };
};

/** Usage as chat and legacy completions report it; absent when the behaviour leaves it out. */
export function chatUsage(counts: Counts): JsonObject | undefined {
  if (counts.behaviour.usage === "none") return undefined;
  const { input, output, total } = countsOf(counts);
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: total,
    prompt_tokens_details: { cached_tokens: counts.behaviour.cached ?? 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: counts.behaviour.reasoning ?? 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

/** Usage as Responses report it; null when the behaviour leaves it out. */
export function responseUsage(counts: Counts): JsonObject | null {
  if (counts.behaviour.usage === "none") return null;
  const { input, output, total } = countsOf(counts);
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: counts.behaviour.cached ?? 0, cache_write_tokens: 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: counts.behaviour.reasoning ?? 0 },
    total_tokens: total,
  };
}

/** Usage as embeddings report it; absent when the behaviour leaves it out. */
export function embeddingUsage(input: number, behaviour: Behaviour): JsonObject | undefined {
  if (behaviour.usage === "none") return undefined;
  const tokens = bent(input, behaviour);
  return { prompt_tokens: tokens, total_tokens: tokens };
}

/** Usage as images report it; absent when the behaviour leaves it out. */
export function imageUsage(counts: Counts & { inputImages: number }): JsonObject | undefined {
  if (counts.behaviour.usage === "none") return undefined;
  const { input, output, total } = countsOf({ ...counts, input: counts.input + counts.inputImages * imageTokens });
  return {
    input_tokens: input,
    output_tokens: output,
    total_tokens: total,
    input_tokens_details: { text_tokens: counts.input, image_tokens: counts.inputImages * imageTokens },
    output_tokens_details: { text_tokens: 0, image_tokens: output },
  };
}

/** Usage as token-metered transcription reports it; absent when the behaviour leaves it out. */
export function transcriptionUsage(counts: Counts): JsonObject | undefined {
  if (counts.behaviour.usage === "none") return undefined;
  const { input, output, total } = countsOf(counts);
  return {
    type: "tokens",
    input_tokens: input,
    output_tokens: output,
    total_tokens: total,
    input_token_details: { text_tokens: 0, audio_tokens: input },
  };
}
