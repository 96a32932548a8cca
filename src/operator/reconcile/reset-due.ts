/** When the config of a workload is another one although nothing was written: a reset that lay ahead counts from then on. */
import type { AIQuota } from "../../api/aiquota.ts";
import { nextResetMs } from "../../api/quota-adjustments.ts";

/** Longest time until the next look, ms: timers cannot hold any time. */
const lookMsMax = 600_000;

/** In how many ms to look again, at most 10 minutes; undefined: no reset lies ahead. `nowMs` since the epoch. */
export const resetDueMs = (quotas: readonly AIQuota[], nowMs: number): number | undefined =>
  soonestMs(
    ...quotas.map((quota) => {
      const dueMs = nextResetMs(quota, nowMs);
      return dueMs === undefined ? undefined : Math.min(dueMs - nowMs, lookMsMax);
    }),
  );

/** The least of those that are known; undefined: none is. */
export const soonestMs = (...times: readonly (number | undefined)[]): number | undefined => {
  const known = times.filter((ms) => ms !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
};
