import type { ModelConfig, RouteConfig } from "./contract.ts";

/** Figures of a model that nobody described: no price, 16,384 output tokens a choice, 50,000 tokens an image. */
export const unknownModel: ModelConfig = { outputTokensMax: 16_384, imageTokensMax: 50_000 };

/** The route's figures of a model; undefined: it tells none. Clients choose the name, so `constructor` is as unknown as any other. */
export const modelOf = (models: RouteConfig["models"], name: string): ModelConfig | undefined =>
  Object.hasOwn(models, name) ? models[name] : undefined;
