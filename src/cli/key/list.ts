/** The keys of a Secret as a table or as JSON: whose they are and how long they hold, never a digest. */
import { type KeyEntry, keyState, readKeyEntry } from "./entry.ts";
import { momentText, spanText } from "./moment.ts";
import type { Entries } from "./store.ts";

const titles = ["ID", "USER", "TENANT", "ROLES", "GROUPS", "NOT BEFORE", "EXPIRES", "STATE"] as const;

/** One line for each key, by id; what cannot be read says so. */
export const keyTable = (entries: Entries, nowMs: number): string => tableText([titles, ...rowsOf(entries, nowMs)]);

/** Columns padded to their widest cell, two blanks apart. */
export const tableText = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
};

const rowsOf = (entries: Entries, nowMs: number): readonly (readonly string[])[] =>
  sorted(entries).map(([id, text]) => {
    const entry = readKeyEntry(id, text);
    if (typeof entry === "string") return [id, "-", "-", "-", "-", "-", "-", entry];
    const { user, tenant = "-", roles, groups, notBeforeMs, expiresMs } = entry;
    return [
      id,
      user,
      tenant,
      listText(roles),
      listText(groups),
      dateText(notBeforeMs),
      dateText(expiresMs),
      stateText(entry, nowMs),
    ];
  });

/** The same for scripts. */
export const keyJson = (entries: Entries, nowMs: number): string => {
  const keys = sorted(entries).map(([id, text]) => {
    const entry = readKeyEntry(id, text);
    if (typeof entry === "string") return { id, state: "unreadable", reason: entry };
    const { user, tenant, roles, groups, notBeforeMs, expiresMs } = entry;
    const notBefore = notBeforeMs === undefined ? null : momentText(notBeforeMs);
    const expires = expiresMs === undefined ? null : momentText(expiresMs);
    return { id, user, tenant: tenant ?? null, roles, groups, notBefore, expires, state: keyState(entry, nowMs) };
  });
  return `${JSON.stringify({ keys }, undefined, 2)}\n`;
};

const sorted = (entries: Entries) => [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
const listText = (values: readonly string[]): string => values.join(",") || "-";
const dateText = (momentMs: number | undefined): string => (momentMs === undefined ? "-" : momentText(momentMs));

const stateText = (entry: KeyEntry, nowMs: number): string => {
  const { notBeforeMs = nowMs, expiresMs } = entry;
  const state = keyState(entry, nowMs);
  if (state === "not yet") return `not yet, in ${spanText(notBeforeMs - nowMs)}`;
  if (expiresMs === undefined) return state;
  return state === "expired"
    ? `expired ${spanText(nowMs - expiresMs)} ago`
    : `active for ${spanText(expiresMs - nowMs)}`;
};
