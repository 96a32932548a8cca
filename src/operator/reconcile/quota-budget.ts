/** From what was used to what is to be told: thresholds that were reached, budgets that are spent. Pure. */
import type { AIQuota } from "../../api/aiquota.ts";
import type { LimitSpec } from "../../api/aiquota-limit.ts";
import { durationMs } from "../../api/duration.ts";
import { maxOf } from "../../api/limit-max.ts";
import { sumOfNanos } from "../../api/money.ts";
import type { UsageRow } from "../ports.ts";
import { timeText } from "./transitions.ts";

/** A budget is a limit whose window lasts longer than this, ms, or that counts cost; what is shorter is a rate, which comes back by itself. */
const rateWindowMsMax = 60_000;
/** In percent: the whole. */
export const spentPercent = 100;
/**
 * Tokens and cost are spent when less than one part in this many is left: a request holds its upper bound, so the last units are seldom
 * of use to anybody. Requests are spent when none is left.
 */
const leftShareMin = 1_000n;

/** A subject that is at a threshold of a limit. */
export interface Crossing {
  readonly limit: LimitSpec;
  readonly subject: string;
  /** The highest that was reached, percent; 100: spent. */
  readonly threshold: number;
  /** Charged and held, and the whole, as people write them. */
  readonly used: string;
  readonly whole: string;
  readonly remaining: string;
  /** When the window ends, ms; of a Sliding one when its duration is over. */
  readonly untilMs: number;
}

/** Whether anything is told of a limit: it names thresholds, or it is a budget. */
export const isWatched = (limit: LimitSpec): boolean => limit.warnAt !== undefined || isBudget(limit);

const isBudget = ({ resource, window }: LimitSpec): boolean => {
  if (window === undefined) return false;
  if (resource === "Cost" || window.type === "Calendar") return true;
  return window.type === "Fixed" && durationMs(window.duration ?? "1m") > rateWindowMsMax;
};

/** Who is at a threshold now, limit by limit. `quota`: with the limits that count now. */
export const crossingsOf = ({ spec }: AIQuota, rows: readonly UsageRow[], nowMs: number): readonly Crossing[] =>
  spec.limits.filter(isWatched).flatMap((limit) =>
    rows
      .filter((row) => row.limit === limit.name)
      .flatMap((row): Crossing[] => {
        const threshold = thresholdOf(limit, row);
        if (threshold === undefined) return [];
        const { subject, remaining } = row;
        const { used, whole } = amountsOf(limit, row);
        return [{ limit, subject, threshold, used, whole, remaining, untilMs: untilMsOf(limit, row, nowMs) }];
      }),
  );

/** In whole numbers, as sidecars decide: a share of 2^53 has no exact double. */
const thresholdOf = (limit: LimitSpec, row: UsageRow): number | undefined => {
  const [taken, left] = [unitsOf(limit, row.used) + unitsOf(limit, row.reserved), unitsOf(limit, row.remaining)];
  const whole = wholeOf(limit, taken, left);
  if (limit.resource === "Requests" ? left === 0n : left * leftShareMin < whole || left === 0n) return spentPercent;
  const reached = (limit.warnAt ?? []).filter((percent) => taken * 100n >= BigInt(percent) * whole);
  return reached.length > 0 ? Math.max(...reached) : undefined;
};

/** More than the whole may have been used: a limit was lowered. */
const wholeOf = (limit: LimitSpec, taken: bigint, left: bigint): bigint =>
  left > 0n ? taken + left : BigInt(maxOf(limit));

const unitsOf = ({ resource }: LimitSpec, text: string): bigint =>
  resource === "Cost" ? sumOfNanos(text) : BigInt(text);

const amountsOf = (limit: LimitSpec, { used, reserved, remaining }: UsageRow) => {
  const taken = unitsOf(limit, used) + unitsOf(limit, reserved);
  return {
    used: amountText(limit, taken),
    whole: amountText(limit, wholeOf(limit, taken, unitsOf(limit, remaining))),
  };
};

const amountText = ({ resource }: LimitSpec, units: bigint): string =>
  resource === "Cost" ? dollarsOf(units) : String(units);

const dollarsOf = (nanos: bigint): string => {
  const fraction = String(nanos % 1_000_000_000n).padStart(9, "0");
  return `${nanos / 1_000_000_000n}.${fraction.slice(0, 2)}${fraction.slice(2).replace(/0+$/, "")}`;
};

const untilMsOf = ({ window }: LimitSpec, { resetsAt }: UsageRow, nowMs: number): number => {
  if (window?.type === "Sliding" || resetsAt === undefined) return nowMs + durationMs(window?.duration ?? "1m");
  return Date.parse(resetsAt);
};

const unitNames: Record<LimitSpec["resource"], string> = {
  Requests: "requests",
  InputTokens: "input tokens",
  OutputTokens: "output tokens",
  TotalTokens: "tokens",
  Cost: "USD",
  Concurrency: "requests at once",
};

/** What happened, in a sentence: for Events, conditions and notifications alike. */
export const crossingText = ({ limit, subject, threshold, used, whole, untilMs }: Crossing, mode: string): string => {
  const who = subject === "" ? "" : ` by ${subject}`;
  const head = `limit ${limit.name}: ${used} of ${whole} ${unitNames[limit.resource]} used${who}`;
  if (threshold < spentPercent) return `${head}, over ${threshold} %`;
  const verb = mode === "Audit" ? "would be refused in mode Enforce" : refusedVerb(limit);
  return limit.window?.type === "Sliding"
    ? `${head}; requests ${verb} until some of it comes back`
    : `${head}; requests ${verb} until ${timeText(untilMs)}`;
};

const refusedVerb = ({ onExceeded }: LimitSpec): string =>
  onExceeded?.model === undefined ? "are refused" : `go to ${onExceeded.model}`;
