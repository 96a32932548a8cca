/** Which thresholds were told of already: once for each limit as it stands, window, subject and threshold, whatever restarts. Pure. */
import { type WarningStatus, warningStatusSchema, warningsMax } from "../../api/aiquota-status.ts";
import { type QuotaReset, resetsOfLimit } from "../../api/quota-adjustments.ts";
import { epochOf } from "../../redis/epoch.ts";
import { sharedSubject } from "../../redis/keys.ts";
import type { Crossing } from "./quota-budget.ts";
import { timeText } from "./transitions.ts";

/** What is told now. */
export interface Warnings {
  /** For the status: what was told of, in windows that last. */
  readonly told: readonly WarningStatus[];
  /** Of these, what is new. */
  readonly fresh: readonly { readonly crossing: Crossing; readonly warning: WarningStatus }[];
  /** Crossings for which the status has no room; they stand in the condition and the metric. */
  readonly untold: number;
}

/** What the status remembers, whatever another release wrote there. */
export const storedWarnings = (stored: readonly unknown[]): readonly WarningStatus[] =>
  stored.flatMap((entry) => {
    const parsed = warningStatusSchema.safeParse(entry);
    return parsed.success ? [parsed.data] : [];
  });

/** Merges who is at a threshold now into what was told of. A threshold below one that was told of is old news. */
export const warningsOf = (
  before: readonly WarningStatus[],
  crossings: readonly Crossing[],
  {
    nowMs,
    resets,
    notifies,
  }: { readonly nowMs: number; readonly resets: readonly QuotaReset[]; readonly notifies: boolean },
): Warnings => {
  const sinceOf = (limit: string, subject: string) => countedSince(resets, limit, subject);
  // After a reset it is another counter that is counted: what was told of the old one says nothing of it.
  const isStanding = (warning: WarningStatus): boolean =>
    nowMs < Date.parse(warning.until) && sinceOf(warning.limit, warning.subject).countedSince === warning.countedSince;
  const told = before.filter(isStanding);
  const fresh: { crossing: Crossing; warning: WarningStatus }[] = [];
  let untold = 0;
  for (const crossing of crossings) {
    const at = told.findIndex(({ limit, subject }) => limit === crossing.limit.name && subject === crossing.subject);
    const known = told[at];
    if (known && known.threshold >= crossing.threshold && isOfToday(known, crossing)) continue;
    if (!known && told.length >= warningsMax) {
      untold++;
      continue;
    }
    const warning = {
      ...warningOf(crossing, { nowMs, notifies }),
      ...sinceOf(crossing.limit.name, crossing.subject),
    };
    if (known) told[at] = warning;
    else told.push(warning);
    fresh.push({ crossing, warning });
  }
  return { told, fresh, untold };
};

/** Whether it was told of the limit and the window as they are now: of a limit that was raised, or a window that was made shorter, it was not. */
const isOfToday = ({ whole, until }: WarningStatus, crossing: Crossing): boolean =>
  (whole === undefined || whole === crossing.whole) && Date.parse(until) <= crossing.untilMs;

const warningOf = (
  { limit, subject, threshold, whole, untilMs }: Crossing,
  { nowMs, notifies }: { readonly nowMs: number; readonly notifies: boolean },
): WarningStatus => ({
  limit: limit.name,
  subject: subject.slice(0, 1024),
  threshold,
  whole,
  at: new Date(nowMs).toISOString(),
  until: timeText(untilMs),
  ...(notifies && { notified: "Pending" as const }),
});

/** The reset from which on a subject's counter counts. */
const countedSince = (resets: readonly QuotaReset[], limit: string, subject: string): { countedSince?: string } => {
  const epochMs = epochOf(resetsOfLimit(resets, limit), subject === "" ? sharedSubject : subject);
  return epochMs === undefined ? {} : { countedSince: new Date(epochMs).toISOString() };
};

/** The same threshold as it was told of: the name of its notification. */
export const warningId = (namespace: string, quota: string, { limit, subject, threshold, at }: WarningStatus): string =>
  [namespace, quota, limit, subject, threshold, at].join("/");
