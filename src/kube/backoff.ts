/** How long to wait before the next try. */

/** The bounds of a backoff. */
export interface BackoffOptions {
  /** The first delay, ms. */
  readonly delayMsMin: number;
  /** The longest delay, ms. */
  readonly delayMsMax: number;
  /** 0 to below 1; Math.random outside of tests. */
  readonly random: () => number;
}

const doublingsMax = 40; // 2^40 times any minimum is beyond any maximum

/** The delay before try `failures + 1` after `failures` (>= 1) in a row: doubled each time, then 50 to 100 % of that. */
export const backoffMs = (failures: number, { delayMsMin, delayMsMax, random }: BackoffOptions): number => {
  const fullMs = Math.min(delayMsMax, delayMsMin * 2 ** Math.min(doublingsMax, Math.max(0, failures - 1)));
  return fullMs * (0.5 + random() / 2);
};
