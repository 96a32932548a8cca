/** Rows as lines of text, and as JSON. */
import { momentText, spanText } from "../key/moment.ts";
import { columnsText, safeText } from "../terminal-text.ts";
import type { TopRow, TopView } from "./rows.ts";

const titles = ["QUOTA", "LIMIT", "SUBJECT", "USED", "HELD", "REMAINING", "OF", "FULL", "RESETS"] as const;
const isNumber = (column: number): boolean => column >= 3 && column <= 7;

/** What stands above the table: how many, and when the operator last wrote any of it; it writes what has changed alone. */
export const headLine = ({ rows }: TopView, nowMs: number): string => {
  const quotas = new Set(rows.map(({ namespace, quota }) => `${namespace}/${quota}`)).size;
  const read = rows.flatMap(({ observedAtMs }) => observedAtMs ?? []);
  const age = read.length === 0 ? "nothing read yet" : `last change ${agoText(nowMs - Math.max(...read))}`;
  return `${momentText(nowMs)}  ${counted(quotas, "quota")}, ${counted(rows.length, "counter")}, ${age}`;
};

/** The lines of the table, titles first; every text is safe for a terminal. */
export const tableLines = (
  view: TopView,
  at: { readonly nowMs: number; readonly withNamespace: boolean },
): string[] => {
  const lines = view.rows.map((row) => cellsOf(row, at));
  return [
    ...columnsText(
      [titles, ...lines].map((cells) => cells.map(safeText)),
      isNumber,
    ),
    ...view.remarks.map(safeText),
  ];
};

const cellsOf = (row: TopRow, { nowMs, withNamespace }: { nowMs: number; withNamespace: boolean }): string[] => {
  const { namespace, quota, limit, subject, max, mode, isOverridden, ratio, resetsAtMs } = row;
  const marks = [...(mode === "Audit" ? ["audit"] : []), ...(isOverridden ? ["override"] : [])];
  const resets = resetsAtMs === undefined ? "-" : resetsAtMs <= nowMs ? "now" : `in ${spanText(resetsAtMs - nowMs)}`;
  return [
    withNamespace ? `${namespace}/${quota}` : quota,
    limit,
    subject === "" ? "(all)" : subject,
    row.used ?? "-",
    row.held ?? "-",
    row.remaining ?? "-",
    max,
    ratio === undefined ? "-" : percent(ratio),
    marks.length === 0 ? resets : `${resets} (${marks.join(", ")})`,
  ];
};

/** Rounded down, so that 100 % is full. */
const percent = (ratio: number): string => (ratio < 10 ? `${Math.floor(ratio * 100)}%` : ">999%");

const agoText = (ms: number): string => `${spanText(Math.max(0, ms))} ago`;
const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;

/** The same for scripts. */
export const viewJson = ({ rows, remarks }: TopView, nowMs: number): string => {
  const time = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());
  const counters = rows.map(({ resetsAtMs, observedAtMs, ratio, used, held, remaining, ...row }) => ({
    ...row,
    used: used ?? null,
    held: held ?? null,
    remaining: remaining ?? null,
    ratio: ratio === undefined || !Number.isFinite(ratio) ? null : Math.round(ratio * 10_000) / 10_000,
    resetsAt: time(resetsAtMs),
    observedAt: time(observedAtMs),
  }));
  return `${JSON.stringify({ at: time(nowMs), counters, remarks }, undefined, 2)}\n`;
};
