/** What of a claim stays the same from request to request: counter and window, which its config says, and mostly all of it. */
import { calendarBoundaries } from "../../base/calendar.ts";
import type { WindowSpec } from "../../base/window.ts";
import type { LimitConfig, QuotaConfig } from "../../config/quota.ts";
import { epochOf } from "../../redis/epoch.ts";
import { counterName } from "../../redis/keys.ts";
import type { Claim } from "../ports/quota-store.ts";

/** One claim with what is needed to word a refusal and to settle. It is shared by requests: nobody changes it. */
export interface PlannedClaim {
  readonly claim: Claim;
  readonly quota: QuotaConfig;
  readonly limit: LimitConfig;
  readonly subject: string;
  /** Tokens of output that are held whatever is granted: what was learned. Absent: what is granted. */
  readonly outputHeld?: number;
}

/** The counter of one subject of a limit. */
export interface SubjectCounter {
  readonly counter: string;
  readonly window: WindowSpec;
  /** The claim on it that was planned last; undefined: none was. */
  last: PlannedClaim | undefined;
}

/** Subjects of one limit whose counters are kept; with one more all are made anew. */
const subjectsKept = 256;

/** A store tells by the object, and not only by what is in it, that nothing has changed. */
interface Kept {
  readonly quota: QuotaConfig;
  readonly window: WindowSpec;
  readonly counters: Map<string, SubjectCounter>;
}
const keptOf = new WeakMap<LimitConfig, Kept>();

/** The counter of one subject. The same object from request to request, until a calendar's window has passed. */
export function counterOf(quota: QuotaConfig, limit: LimitConfig, subject: string, nowMs: number): SubjectCounter {
  let kept = keptOf.get(limit);
  if (kept?.quota !== quota || !isNow(kept.window, nowMs)) {
    kept = { quota, window: windowOf(limit, nowMs), counters: new Map() };
    keptOf.set(limit, kept);
  }
  const known = kept.counters.get(subject);
  if (known !== undefined) return known;
  const { namespace, name } = quota;
  const epochMs = epochOf(limit.resets, subject);
  const counter = counterName({ namespace, quota: name, limit: limit.name, subject, epochMs });
  const made = { counter, window: kept.window, last: undefined };
  if (kept.counters.size >= subjectsKept) kept.counters.clear();
  kept.counters.set(subject, made);
  return made;
}

/** Of the starts that a calendar's window names, the second is that of the current one. */
const isNow = (window: WindowSpec, nowMs: number): boolean => {
  if (window.type !== "Calendar") return true;
  const [, start = 0, end = 0] = window.boundariesMs;
  return nowMs >= start && nowMs < end;
};

const windowOf = (limit: LimitConfig, nowMs: number): WindowSpec => {
  const { window } = limit;
  if (window === undefined) return { type: "Concurrency" };
  if (window.type === "Calendar") {
    const { period = "Month", timeZone = "UTC" } = window;
    return { type: "Calendar", boundariesMs: calendarBoundaries(period, timeZone, nowMs) };
  }
  return { type: window.type, durationMs: window.durationMs ?? 60_000 };
};
