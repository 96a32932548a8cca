/** What a quota of precision Leased may count. */
import type { LimitSpec } from "./aiquota-limit.ts";
import { durationMs } from "./duration.ts";
import type { CrossFieldRule } from "./rules.ts";

/** Shortest Sliding or Fixed window that is leased, in ms: its sixteenth, in which slices are used up, is longer than a slice lasts. */
const windowMsMin = 60_000;

interface Leasable {
  readonly precision: "Exact" | "Leased";
  readonly limits: readonly Pick<LimitSpec, "resource" | "window">[];
}

/** Rules of a spec. */
export const precisionRules: readonly CrossFieldRule<Leasable>[] = [
  {
    cel: "self.precision != 'Leased' || self.limits.all(l, l.resource != 'Concurrency')",
    message: "Leased cannot count Concurrency; put that limit in an AIQuota of its own, with precision Exact",
    path: "precision",
    check: ({ precision, limits }) =>
      precision !== "Leased" || limits.every(({ resource }) => resource !== "Concurrency"),
  },
  {
    cel: "self.precision != 'Leased' || self.limits.all(l, !has(l.window) || !has(l.window.duration) || duration(l.window.duration) >= duration('1m'))",
    message: "Leased needs windows of 1m or longer; put shorter ones in an AIQuota of their own, with precision Exact",
    path: "precision",
    check: ({ precision, limits }) =>
      precision !== "Leased" ||
      limits.every(({ window }) => window?.duration === undefined || durationMs(window.duration) >= windowMsMin),
  },
];
