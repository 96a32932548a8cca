/** From counters to what a quota's status shows. Pure. */
import type { AIQuota } from "../../api/aiquota.ts";
import type { LimitSpec } from "../../api/aiquota-limit.ts";
import { durationMs } from "../../api/duration.ts";
import { maxOf } from "../../api/limit-max.ts";
import { nanosPerDollar } from "../../api/money.ts";
import { calendarBoundaries, isTimeZone } from "../../base/calendar.ts";
import type { WindowSpec } from "../../base/window.ts";
import { sharedSubject } from "../../redis/keys.ts";
import { subjectText } from "../../redis/subject-text.ts";
import type { UsageRow } from "../ports.ts";

/** Subjects of one limit that a status shows: those that used most. */
export const usageSubjectsMax = 20;

/** One counter as it stands. */
export interface CounterState {
  readonly limit: LimitSpec;
  /** As the key of the counter says. */
  readonly subject: string;
  /** Charged and held, in units; nano-dollars for Cost. */
  readonly used: number;
  /** Of that held by calls that have not ended. */
  readonly held: number;
  /** Until the window ends; Concurrency: 0. */
  readonly resetMs: number;
}

/** The window of a limit around `nowMs`; undefined where its time zone is none. */
export const windowOfLimit = ({ window }: LimitSpec, nowMs: number): WindowSpec | undefined => {
  if (window === undefined) return { type: "Concurrency" };
  if (window.type !== "Calendar") return { type: window.type, durationMs: durationMs(window.duration ?? "1m") };
  const { period = "Month", timeZone = "UTC" } = window;
  try {
    return { type: "Calendar", boundariesMs: calendarBoundaries(period, timeZone, nowMs) };
  } catch (fault) {
    if (isTimeZone(timeZone)) throw fault;
    return undefined; // the quota's own condition says so
  }
};

/** Subjects that are known without a look at Redis; undefined: they have to be searched for. */
export const knownSubjects = ({ metadata, spec }: AIQuota, isCluster = false): readonly string[] | undefined => {
  if (spec.per.length === 0) return [sharedSubject];
  if (isCluster) return undefined;
  const [part, ...others] = spec.per;
  return part === "Namespace" && others.length === 0 ? [`ns=${metadata.namespace}`] : undefined;
};

/**
 * The rows of a status: for each limit, in the quota's order, the subjects that used most. What the response headers call used is
 * here `used` and `reserved` together, so that `remaining` is what a caller is told. Concurrency: `used` is what runs.
 */
export const usageRows = (counters: readonly CounterState[], nowMs: number): readonly UsageRow[] => {
  const byLimit = new Map<LimitSpec, CounterState[]>();
  for (const counter of counters) {
    const known = byLimit.get(counter.limit);
    if (known) known.push(counter);
    else byLimit.set(counter.limit, [counter]);
  }
  return [...byLimit.values()].flatMap((those) =>
    those
      .toSorted((one, other) => other.used - one.used || (one.subject < other.subject ? -1 : 1))
      .slice(0, usageSubjectsMax)
      .map((counter) => rowOf(counter, nowMs)),
  );
};

const rowOf = ({ limit, subject, used, held, resetMs }: CounterState, nowMs: number): UsageRow => {
  const text = limit.resource === "Cost" ? dollarText : String;
  const reserved = limit.resource === "Concurrency" ? 0 : Math.min(held, used);
  return {
    limit: limit.name,
    subject: subject === sharedSubject ? "" : subjectText(subject),
    used: text(used - reserved),
    reserved: text(reserved),
    remaining: text(Math.max(0, maxOf(limit) - used)),
    ...(limit.resource !== "Concurrency" && { resetsAt: new Date(nowMs + resetMs).toISOString() }),
    observedAt: new Date(nowMs).toISOString(),
  };
};

/** Nano-dollars as exact decimal dollars, two decimals at least: `12.50`, `0.000000001`. */
export const dollarText = (nanos: number): string => {
  const whole = Math.floor(nanos / nanosPerDollar);
  const fraction = String(nanos % nanosPerDollar).padStart(9, "0");
  return `${whole}.${fraction.slice(0, 2)}${fraction.slice(2).replace(/0+$/, "")}`;
};
