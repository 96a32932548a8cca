/**
 * What is known of OpenAI's models without asking anybody. A route's `models` come first; a model in neither has no price and
 * the figures of `unknownModel`.
 *
 * Prices are those of OpenAI's public price list for standard processing, in dollars for a million tokens, written down as of
 * `pricesAsOf`. A row has a price only where one flat price bounds every call. Left out on purpose: models that charge
 * long inputs or cache writes higher (gpt-5.4 and later), audio, images and searches, where tokens of several prices mix or a
 * fee comes on top, and models that are not sold by the token. Such a model needs a price in the route before a Cost limit
 * can count it.
 */
import { nanoDollars } from "../api/money.ts";
import type { ModelConfig } from "../config/contract.ts";
import { unknownModel } from "../config/model-defaults.ts";
import { image, window } from "./model-figures.ts";

/** Year and month in which the prices were last compared with the public list. */
export const pricesAsOf = "2026-04";

interface Row {
  readonly names: readonly string[];
  /** Input, cached input (absent: no discount) and output. */
  readonly price?: readonly [input: string, cachedInput: string | undefined, output: string];
  readonly outputTokensMax: number;
  /** Absent: that of an unknown model. 0: takes no images. */
  readonly imageTokensMax?: number;
  /** Its context window, all of which may be input. Absent: unknown. */
  readonly inputTokensMax?: number;
}

const rows: readonly Row[] = [
  {
    names: ["gpt-5.4-mini", "gpt-5.4-mini-2026-03-17"],
    price: ["0.75", "0.075", "4.50"],
    outputTokensMax: 128_000,
    inputTokensMax: window.k400,
  },
  {
    names: ["gpt-5.4-nano", "gpt-5.4-nano-2026-03-17"],
    price: ["0.20", "0.02", "1.25"],
    outputTokensMax: 128_000,
    inputTokensMax: window.k400,
  },
  { names: ["gpt-5.4", "gpt-5.5", "gpt-5.5-2026-04-23"], outputTokensMax: 128_000 },
  {
    names: ["gpt-5.2", "gpt-5.2-2025-12-11"],
    price: ["1.75", "0.175", "14"],
    outputTokensMax: 128_000,
    inputTokensMax: window.k400,
  },
  {
    names: ["gpt-5.2-chat-latest"],
    price: ["1.75", "0.175", "14"],
    outputTokensMax: 16_384,
    inputTokensMax: window.k128,
  },
  {
    names: ["gpt-5.2-pro", "gpt-5.2-pro-2025-12-11"],
    price: ["21", undefined, "168"],
    outputTokensMax: 128_000,
    inputTokensMax: window.k400,
  },
  {
    names: ["gpt-5.1", "gpt-5.1-2025-11-13", "gpt-5.1-codex", "gpt-5.1-codex-max"],
    price: ["1.25", "0.125", "10"],
    outputTokensMax: 128_000,
    inputTokensMax: window.k400,
  },
  {
    names: ["gpt-5.1-chat-latest"],
    price: ["1.25", "0.125", "10"],
    outputTokensMax: 16_384,
    inputTokensMax: window.k128,
  },
  {
    names: ["gpt-5", "gpt-5-2025-08-07", "gpt-5-codex"],
    price: ["1.25", "0.125", "10"],
    outputTokensMax: 128_000,
    inputTokensMax: window.k400,
    imageTokensMax: image.gpt5,
  },
  {
    names: ["gpt-5-chat-latest"],
    price: ["1.25", "0.125", "10"],
    outputTokensMax: 16_384,
    inputTokensMax: window.k128,
    imageTokensMax: image.gpt5,
  },
  {
    names: ["gpt-5-mini", "gpt-5-mini-2025-08-07"],
    price: ["0.25", "0.025", "2"],
    outputTokensMax: 128_000,
    inputTokensMax: window.k400,
    imageTokensMax: image.mini,
  },
  {
    names: ["gpt-5-nano", "gpt-5-nano-2025-08-07"],
    price: ["0.05", "0.005", "0.40"],
    outputTokensMax: 128_000,
    inputTokensMax: window.k400,
    imageTokensMax: image.nano,
  },
  {
    names: ["gpt-5-pro", "gpt-5-pro-2025-10-06"],
    price: ["15", undefined, "120"],
    outputTokensMax: 272_000,
    inputTokensMax: window.k400,
    imageTokensMax: image.gpt5,
  },
  {
    names: ["gpt-4.1", "gpt-4.1-2025-04-14"],
    price: ["2", "0.50", "8"],
    outputTokensMax: 32_768,
    inputTokensMax: window.gpt41,
    imageTokensMax: image.gpt41,
  },
  {
    names: ["gpt-4.1-mini", "gpt-4.1-mini-2025-04-14"],
    price: ["0.40", "0.10", "1.60"],
    outputTokensMax: 32_768,
    inputTokensMax: window.gpt41,
    imageTokensMax: image.mini,
  },
  {
    names: ["gpt-4.1-nano", "gpt-4.1-nano-2025-04-14"],
    price: ["0.10", "0.025", "0.40"],
    outputTokensMax: 32_768,
    inputTokensMax: window.gpt41,
    imageTokensMax: image.nano,
  },
  {
    names: ["gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20"],
    price: ["2.50", "1.25", "10"],
    outputTokensMax: 16_384,
    inputTokensMax: window.k128,
    imageTokensMax: image.gpt4o,
  },
  {
    names: ["gpt-4o-2024-05-13"],
    price: ["5", undefined, "15"],
    outputTokensMax: 4096,
    inputTokensMax: window.k128,
    imageTokensMax: image.gpt4o,
  },
  {
    names: ["chatgpt-4o-latest"],
    price: ["5", undefined, "15"],
    outputTokensMax: 16_384,
    inputTokensMax: window.k128,
    imageTokensMax: image.gpt4o,
  },
  {
    names: ["gpt-4o-mini", "gpt-4o-mini-2024-07-18"],
    price: ["0.15", "0.075", "0.60"],
    outputTokensMax: 16_384,
    inputTokensMax: window.k128,
    imageTokensMax: image.gpt4oMini,
  },
  {
    names: ["gpt-4-turbo", "gpt-4-turbo-2024-04-09"],
    price: ["10", undefined, "30"],
    outputTokensMax: 4096,
    inputTokensMax: window.k128,
    imageTokensMax: image.gpt4o,
  },
  {
    names: ["gpt-4", "gpt-4-0613"],
    price: ["30", undefined, "60"],
    outputTokensMax: 8192,
    inputTokensMax: 8192,
    imageTokensMax: image.none,
  },
  {
    names: ["gpt-3.5-turbo", "gpt-3.5-turbo-0125"],
    price: ["0.50", undefined, "1.50"],
    outputTokensMax: 4096,
    inputTokensMax: 16_385,
    imageTokensMax: image.none,
  },
  {
    names: ["gpt-3.5-turbo-instruct"],
    price: ["1.50", undefined, "2"],
    outputTokensMax: 4096,
    inputTokensMax: 4096,
    imageTokensMax: image.none,
  },
  {
    names: ["o1", "o1-2024-12-17"],
    price: ["15", "7.50", "60"],
    outputTokensMax: 100_000,
    inputTokensMax: window.k200,
    imageTokensMax: image.oSeries,
  },
  {
    names: ["o1-pro", "o1-pro-2025-03-19"],
    price: ["150", undefined, "600"],
    outputTokensMax: 100_000,
    inputTokensMax: window.k200,
    imageTokensMax: image.oSeries,
  },
  {
    names: ["o1-mini", "o1-mini-2024-09-12"],
    price: ["1.10", "0.55", "4.40"],
    outputTokensMax: 65_536,
    inputTokensMax: window.k128,
    imageTokensMax: image.none,
  },
  {
    names: ["o3", "o3-2025-04-16"],
    price: ["2", "0.50", "8"],
    outputTokensMax: 100_000,
    inputTokensMax: window.k200,
    imageTokensMax: image.oSeries,
  },
  {
    names: ["o3-pro", "o3-pro-2025-06-10"],
    price: ["20", undefined, "80"],
    outputTokensMax: 100_000,
    inputTokensMax: window.k200,
    imageTokensMax: image.oSeries,
  },
  {
    names: ["o3-mini", "o3-mini-2025-01-31"],
    price: ["1.10", "0.55", "4.40"],
    outputTokensMax: 100_000,
    inputTokensMax: window.k200,
    imageTokensMax: image.none,
  },
  {
    names: ["o4-mini", "o4-mini-2025-04-16"],
    price: ["1.10", "0.275", "4.40"],
    outputTokensMax: 100_000,
    inputTokensMax: window.k200,
    imageTokensMax: image.o4Mini,
  },
  {
    names: ["text-embedding-3-small"],
    price: ["0.02", undefined, "0"],
    outputTokensMax: 0,
    imageTokensMax: image.none,
  },
  {
    names: ["text-embedding-3-large"],
    price: ["0.13", undefined, "0"],
    outputTokensMax: 0,
    imageTokensMax: image.none,
  },
  {
    names: ["text-embedding-ada-002"],
    price: ["0.10", undefined, "0"],
    outputTokensMax: 0,
    imageTokensMax: image.none,
  },
  { names: ["omni-moderation-latest", "omni-moderation-2024-09-26"], price: ["0", undefined, "0"], outputTokensMax: 0 },
  {
    names: ["text-moderation-latest", "text-moderation-stable"],
    price: ["0", undefined, "0"],
    outputTokensMax: 0,
    imageTokensMax: image.none,
  },
  {
    names: ["gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize"],
    outputTokensMax: 2000,
    inputTokensMax: 16_000,
    imageTokensMax: image.none,
  },
  { names: ["whisper-1", "tts-1", "tts-1-hd"], outputTokensMax: 4096, imageTokensMax: image.none },
  // 2,000 tokens of text, spoken slowly, are some 13 minutes at 21 tokens a second
  { names: ["gpt-4o-mini-tts"], outputTokensMax: 16_384, imageTokensMax: image.none },
  {
    names: ["gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5", "gpt-image-2", "dall-e-2", "dall-e-3"],
    outputTokensMax: 16_384,
  },
];

const toConfig = ({ price, outputTokensMax, inputTokensMax, ...row }: Row): ModelConfig => {
  const imageTokensMax = row.imageTokensMax ?? unknownModel.imageTokensMax;
  const figures = { outputTokensMax, imageTokensMax, ...(inputTokensMax !== undefined && { inputTokensMax }) };
  if (!price) return figures;
  const [input, cachedInput = input, output] = price;
  const pricing = {
    inputPerMTok: nanoDollars(input),
    cachedInputPerMTok: nanoDollars(cachedInput),
    outputPerMTok: nanoDollars(output),
  };
  return { pricing, ...figures };
};

/** The table by name; dated names stand for themselves, because prices differ between dates. */
export const builtinModels: ReadonlyMap<string, ModelConfig> = new Map(
  rows.flatMap((row) => row.names.map((name) => [name, toConfig(row)] as const)),
);
