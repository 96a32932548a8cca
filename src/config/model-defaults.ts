import type { ModelConfig } from "./contract.ts";

/** Figures of a model that nobody described: no price, 16,384 output tokens a choice, 50,000 tokens an image. */
export const unknownModel: ModelConfig = { outputTokensMax: 16_384, imageTokensMax: 50_000 };
