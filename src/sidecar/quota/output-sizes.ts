/**
 * How large outputs are, learned from those that providers reported: one histogram for each model and endpoint. Its buckets grow by a
 * fourth of an octave, so a percentile is never below the true one and at most 19 % above it.
 */
import type { Shaped } from "../exchange.ts";

/** Outputs that must have been seen before a percentile is told: below it the hundredth largest is mere chance. */
export const samplesMin = 200;
/** Models and endpoints that are told apart; the one that was used least lately is forgotten first. 0.5 KiB each. */
export const sizesMax = 256;
/** At so many samples all counts are halved, so that what was seen lately weighs more. */
const samplesMax = 8192;
const bucketsPerOctave = 4;
/** Up to 2^30 tokens; larger ones count as that. */
const buckets = 30 * bucketsPerOctave + 1;
const share = 0.99;

interface Histogram {
  readonly counts: Uint32Array;
  total: number;
}

/** Sizes of outputs by model and endpoint. Lives as long as the sidecar, over all its configs. */
export class OutputSizes {
  readonly #histograms = new Map<string, Histogram>();

  /** Takes note of one choice's output, in tokens. */
  record(model: string, endpoint: string, tokens: number): void {
    const key = `${endpoint} ${model}`;
    const histogram = this.#histograms.get(key) ?? { counts: new Uint32Array(buckets), total: 0 };
    this.#histograms.delete(key);
    this.#histograms.set(key, histogram); // last is newest
    if (this.#histograms.size > sizesMax) {
      const [oldest] = this.#histograms.keys();
      if (oldest !== undefined) this.#histograms.delete(oldest);
    }
    const bucket = bucketOf(tokens);
    histogram.counts[bucket] = (histogram.counts[bucket] ?? 0) + 1;
    histogram.total++;
    if (histogram.total >= samplesMax) halve(histogram);
  }

  /** Tokens that 99 of 100 outputs stayed within; undefined: too few were seen. */
  p99(model: string, endpoint: string): number | undefined {
    const histogram = this.#histograms.get(`${endpoint} ${model}`);
    if (histogram === undefined || histogram.total < samplesMin) return undefined;
    let above = Math.floor(histogram.total * (1 - share));
    for (let bucket = buckets - 1; bucket > 0; bucket--) {
      above -= histogram.counts[bucket] ?? 0;
      if (above < 0) return upperOf(bucket);
    }
    return upperOf(0);
  }
}

/** Records what the provider reports at the end of a request; nothing of answers from the cache. */
export function learnOutput(sizes: OutputSizes, exchange: Shaped): void {
  const { model, match, estimate } = exchange;
  if (match.endpoint.metered !== "usage") return;
  exchange.onEnd(({ outcome, usage }) => {
    if (usage === undefined || outcome === "hit") return;
    sizes.record(model, match.endpoint.name, Math.ceil(usage.outputTokens / estimate.choices));
  });
}

/** Bucket 0 holds 0 and 1. */
const bucketOf = (tokens: number): number =>
  tokens <= 1 ? 0 : Math.min(buckets - 1, Math.ceil(Math.log2(tokens) * bucketsPerOctave));
const upperOf = (bucket: number): number => Math.ceil(2 ** (bucket / bucketsPerOctave));

function halve(histogram: Histogram): void {
  let total = 0;
  for (const [bucket, count] of histogram.counts.entries()) {
    histogram.counts[bucket] = count >> 1;
    total += count >> 1;
  }
  histogram.total = total;
}
