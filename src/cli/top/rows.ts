/** What `sidegate top` shows: one row for each counter that the operator has read last. Pure. */
import type { AIQuota } from "../../api/aiquota.ts";
import type { LimitSpec } from "../../api/aiquota-limit.ts";
import { maxOf } from "../../api/limit-max.ts";
import { nanosPerDollar } from "../../api/money.ts";
import { effectiveQuota, quotaAdjustments } from "../../api/quota-adjustments.ts";
import type { Entry } from "../../operator/cluster/projections.ts";
import { dollarText } from "../../operator/state/usage-rows.ts";
import { listAt, textAt } from "../check/members.ts";

/** How rows are ordered: the fullest first, the most used first, or by name. */
export const sortings = ["ratio", "used", "name"] as const;
/** One of them. */
export type Sorting = (typeof sortings)[number];

/** One counter. Amounts as the status has them: dollars for Cost; undefined: nothing was read yet. */
export interface TopRow {
  readonly namespace: string;
  readonly quota: string;
  readonly mode: AIQuota["spec"]["mode"];
  readonly limit: string;
  readonly resource: LimitSpec["resource"];
  /** Empty: the one shared counter. */
  readonly subject: string;
  /** Limit and burst, or the override that counts now. */
  readonly max: string;
  readonly isOverridden: boolean;
  readonly used?: string | undefined;
  readonly held?: string | undefined;
  readonly remaining?: string | undefined;
  /** Used and held of the limit; above 1 where a limit was lowered, or is not enforced. undefined: nothing was read. */
  readonly ratio?: number | undefined;
  readonly resetsAtMs?: number | undefined;
  readonly observedAtMs?: number | undefined;
}

/** The rows of all quotas, and what cannot be shown. */
export interface TopView {
  readonly rows: readonly TopRow[];
  readonly remarks: readonly string[];
}

/** From AIQuotas as the API server has them. */
export const topView = (entries: readonly Entry<AIQuota>[], sorting: Sorting, nowMs: number): TopView => {
  const unreadable = entries.filter(({ resource }) => resource === undefined);
  const rows = entries.flatMap(({ resource, status }) => (resource ? rowsOf(resource, status, nowMs) : []));
  return {
    rows: rows.toSorted(orders[sorting]),
    remarks: unreadable.map(
      ({ metadata }) => `AIQuota ${metadata.namespace}/${metadata.name} cannot be read; kubectl describe aiq says why`,
    ),
  };
};

const rowsOf = (quota: AIQuota, status: unknown, nowMs: number): readonly TopRow[] => {
  const { namespace, name } = quota.metadata;
  const now = effectiveQuota(quota, quotaAdjustments(quota, nowMs), nowMs);
  const usage = listAt(status, "usage");
  return now.spec.limits.flatMap((limit, index): TopRow[] => {
    const max = maxOf(limit);
    const base = {
      namespace,
      quota: name,
      mode: quota.spec.mode,
      limit: limit.name,
      resource: limit.resource,
      max: amountText(limit, max),
      isOverridden: limit !== quota.spec.limits[index],
    };
    const own = usage.filter((entry) => textAt(entry, "limit") === limit.name);
    if (own.length === 0) return [{ ...base, subject: quota.spec.per.length === 0 ? "" : "-" }];
    return own.map((entry) => ({ ...base, ...countsOf(limit, entry, max) }));
  });
};

const countsOf = (limit: LimitSpec, entry: unknown, max: number) => {
  const [used, held] = [textAt(entry, "used"), textAt(entry, "reserved") || "0"];
  const taken = unitsOf(limit, used) + unitsOf(limit, held);
  const [resetsAtMs, observedAtMs] = [timeAt(entry, "resetsAt"), timeAt(entry, "observedAt")];
  return {
    subject: textAt(entry, "subject"),
    used,
    held,
    remaining: amountText(limit, Math.max(0, max - taken)), // of the limit that counts now: the status may be older
    ratio: max === 0 ? (taken === 0 ? 1 : Number.POSITIVE_INFINITY) : taken / max,
    resetsAtMs,
    observedAtMs,
  };
};

const timeAt = (value: unknown, member: string): number | undefined => {
  const ms = Date.parse(textAt(value, member));
  return Number.isNaN(ms) ? undefined : ms;
};

const amountText = ({ resource }: LimitSpec, units: number): string =>
  resource === "Cost" ? dollarText(units) : String(units);

/** Of a text that the operator wrote; 0 for what is none. */
const unitsOf = ({ resource }: LimitSpec, text: string): number => {
  const amount = Number(text);
  if (!Number.isFinite(amount)) return 0;
  return resource === "Cost" ? Math.round(amount * nanosPerDollar) : amount;
};

const names = ({ namespace, quota, limit, subject }: TopRow): readonly string[] => [namespace, quota, limit, subject];
const byName = (a: TopRow, b: TopRow): number => {
  const theirs = names(b);
  for (const [index, own] of names(a).entries()) {
    const other = theirs[index] ?? "";
    if (own !== other) return own < other ? -1 : 1;
  }
  return 0;
};
const descending = (a: number, b: number): number => (a === b ? 0 : b - a);

const orders: Readonly<Record<Sorting, (a: TopRow, b: TopRow) => number>> = {
  name: byName,
  ratio: (a, b) => descending(a.ratio ?? -1, b.ratio ?? -1) || byName(a, b),
  used: (a, b) => descending(Number(a.used ?? -1), Number(b.used ?? -1)) || byName(a, b),
};
