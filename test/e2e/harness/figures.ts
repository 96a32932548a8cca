/** Durations, put into one line. */

/** The smallest value that at least this share (0 to 1) of the values do not exceed. Throws for no values. */
export const percentile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const found = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  if (found === undefined) throw new Error("no values");
  return found;
};

/** `n 100, p50 800 ms, p99 1200 ms, max 1300 ms`. */
export const inWords = (valuesMs: readonly number[]): string => {
  const ms = (share: number): string => `${Math.round(percentile(valuesMs, share))} ms`;
  return `n ${valuesMs.length}, p50 ${ms(0.5)}, p99 ${ms(0.99)}, max ${ms(1)}`;
};

/** One line for whoever reads the run. */
export const say = (line: string): void => {
  process.stdout.write(`  ${line}\n`);
};
