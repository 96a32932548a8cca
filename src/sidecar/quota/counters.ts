/** The counter and the window of a claim: what its config says, made once and not for each request. */
import { calendarBoundaries } from "../../base/calendar.ts";
import type { WindowSpec } from "../../base/window.ts";
import type { LimitConfig, QuotaConfig } from "../../config/quota.ts";
import { epochOf } from "../../redis/epoch.ts";
import { counterName } from "../../redis/keys.ts";

/** Subjects of one limit whose counters' names are kept; with one more all are made anew. */
const subjectsKept = 256;

/** A store tells by the object, and not only by what is in it, that nothing has changed. */
interface Kept {
  readonly quota: QuotaConfig;
  window: WindowSpec;
  readonly counters: Map<string, string>;
}
const keptOf = new WeakMap<LimitConfig, Kept>();

/** Name and window of the counter of one subject. The same objects from request to request, until a calendar's window has passed. */
export function counterOf(
  quota: QuotaConfig,
  limit: LimitConfig,
  subject: string,
  nowMs: number,
): { readonly counter: string; readonly window: WindowSpec } {
  let kept = keptOf.get(limit);
  if (kept?.quota !== quota) {
    kept = { quota, window: windowOf(limit, nowMs), counters: new Map() };
    keptOf.set(limit, kept);
  } else if (kept.window.type === "Calendar" && kept.window.boundariesMs !== boundariesOf(limit, nowMs)) {
    kept.window = windowOf(limit, nowMs);
  }
  let counter = kept.counters.get(subject);
  if (counter === undefined) {
    const { namespace, name } = quota;
    counter = counterName({
      namespace,
      quota: name,
      limit: limit.name,
      subject,
      epochMs: epochOf(limit.resets, subject),
    });
    if (kept.counters.size >= subjectsKept) kept.counters.clear();
    kept.counters.set(subject, counter);
  }
  return { counter, window: kept.window };
}

const windowOf = (limit: LimitConfig, nowMs: number): WindowSpec => {
  const { window } = limit;
  if (window === undefined) return { type: "Concurrency" };
  if (window.type === "Calendar") return { type: "Calendar", boundariesMs: boundariesOf(limit, nowMs) };
  return { type: window.type, durationMs: window.durationMs ?? 60_000 };
};

const boundariesOf = ({ window }: LimitConfig, nowMs: number): readonly number[] =>
  calendarBoundaries(window?.period ?? "Month", window?.timeZone ?? "UTC", nowMs);
