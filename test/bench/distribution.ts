/** Percentiles of a sample; its own unit. */
export interface Distribution {
  readonly n: number;
  readonly p50: number;
  readonly p99: number;
}

/** Of an empty sample all are NaN. */
export function distributionOf(sample: readonly number[]): Distribution {
  const sorted = Float64Array.from(sample).sort();
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { n: sorted.length, p50: at(0.5), p99: at(0.99) };
}

/** The middle of some runs' values. */
export const medianOf = (values: readonly number[]): number => distributionOf(values).p50;
