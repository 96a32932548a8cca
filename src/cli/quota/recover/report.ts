/** What a recovery found and did, as text and as JSON. */
import { unitsMax } from "../../../base/window.ts";
import { dollarText } from "../../../operator/state/usage-rows.ts";
import { sharedSubject } from "../../../redis/keys.ts";
import { subjectText } from "../../../redis/subject-text.ts";
import { columnsText, safeText } from "../../terminal-text.ts";
import { otherLinesRemark } from "../simulate/merged.ts";
import { tellableMs } from "./ledger.ts";
import type { Recovered, Row } from "./recovery.ts";

/** Counters that a table shows: what lacks most first. JSON has all. */
const shownMax = 100;

const whose = ({ target }: Row): string => (target.subject === sharedSubject ? "(all)" : subjectText(target.subject));
const quotaName = ({ target: { quota } }: Row): string => `${quota.metadata.namespace}/${quota.metadata.name}`;
const amount = ({ target: { limit } }: Pick<Row, "target">, units: number): string =>
  limit.resource === "Cost" ? dollarText(units) : String(units);

/** For people. */
export const recoveredText = (recovered: Recovered): string => {
  const { rows, isApplied } = recovered;
  const lacking = rows.filter(({ missing }) => missing > 0);
  const shown = rows.toSorted((one, other) => share(other) - share(one)).slice(0, shownMax);
  const head = ["QUOTA", "LIMIT", "SUBJECT", "LEDGER", "REDIS", "MISSING", ...(isApplied ? ["ADDED"] : [])];
  const table = columnsText([head, ...shown.map((row) => cells(row, isApplied))], (column) => column > 2);
  const blocks = [rows.length > 0 ? table : [], [summary(recovered, lacking.length)], remarksOf(recovered)];
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map((line) => `${safeText(line)}\n`).join(""))
    .join("\n");
};

const share = ({ missing, ledger }: Row): number => missing / Math.max(1, ledger);

const cells = (row: Row, isApplied: boolean): readonly string[] => {
  const { ledger, redis, missing, added } = row;
  const units = [ledger, redis, missing].map((each) => amount(row, each));
  const done = doneOf(row) ?? (added === undefined ? "-" : amount(row, added));
  // Made safe here: what is written out later is wider than its column.
  return [quotaName(row), row.target.limit.name, whose(row), ...units, ...(isApplied ? [done] : [])].map(safeText);
};

const doneOf = ({ isOvertaken, isUnknown, isRefused, isFar, added }: Row): string | undefined => {
  if (added !== undefined) return undefined;
  if (isOvertaken) return "by others";
  if (isUnknown) return "unknown";
  if (isRefused) return "refused";
  return isFar ? "no: far" : undefined;
};

const summary = ({ rows, isApplied }: Recovered, lacking: number): string => {
  if (rows.length === 0) return "The records tell of no charge that still counts.";
  if (lacking === 0) return `Nothing is missing: ${rows.length} counters compared.`;
  const overtaken = rows.filter(({ isOvertaken }) => isOvertaken).length;
  const good = rows.filter(({ added }) => added !== undefined).length;
  if (!isApplied) return `${lacking} of ${rows.length} counters lack something. To add it: --apply`;
  const others =
    overtaken > 0 ? ` ${overtaken} were made good by somebody else meanwhile: run it again to be sure.` : "";
  return `${good} of ${rows.length} counters were made good.${others}`;
};

/** What a reader must know to trust the figures. */
const remarksOf = (recovered: Recovered): readonly string[] => {
  const { told, passedOver, rows, unreadable, fault } = recovered;
  const some = (count: number, text: string): readonly string[] => (count > 0 ? [`${count} ${text}`] : []);
  const { badCount, shown } = passedOver;
  return [
    ...(fault ? [`It ended midway: ${fault.message}`] : []),
    ...some(
      count(rows, ({ isUnknown }) => isUnknown),
      "counters may have been added to or not: Redis did not answer. Run it again",
    ),
    ...some(
      count(rows, ({ isRefused }) => isRefused),
      "counters may not be added to with this login (NOPERM): left out",
    ),
    ...some(unreadable, "counters may not be read with this login (NOPERM): left out"),
    ...some(
      count(rows, ({ isFar, added }) => isFar && added === undefined),
      "counters were charged more than twice their limit and what Redis has, by these records: not added. A quota in mode Audit may be; else look whether a sidecar wrote these lines. To add it all the same: --force",
    ),
    ...some(
      told.foreign,
      "records name a counter that is not their namespace's: no sidecar wrote them so, it is left out",
    ),
    ...some(
      told.tellable,
      `calls ended less than ${tellableMs / 1000} s before, and their sidecar is not in this Redis: left out, as it may tell them still. Run it again`,
    ),
    ...unfinishedOf(told),
    ...some(told.running, "calls have no end in these files, and their sidecar still runs: left out"),
    ...some(told.lost, "calls have no end though their sidecar wrote for an hour after it: left out"),
    ...some(
      told.local,
      "calls were admitted by local shares and are charged by their sidecar, or never were: left out",
    ),
    ...some(told.orphans, "ends of calls whose beginning is in none of these files: left out"),
    ...some(told.duplicates, "records of calls that were told already: counted once"),
    ...some(told.untold, "records do not tell what was charged (an earlier release): left out"),
    ...some(
      told.leftOut.get("counts no more") ?? 0,
      "charges are of counters from before a reset or a change of the limit: they count no more",
    ),
    ...some(told.leftOut.get("window too short") ?? 0, "charges are of windows shorter than a minute: left out"),
    ...(rows.length > shownMax ? [`${rows.length - shownMax} further counters are not shown; -o json has them`] : []),
    ...otherLinesRemark(passedOver),
    ...some(badCount, "lines could not be read:"),
    ...shown.map(({ file, number, why }) => `  ${file}:${number}: ${why}`),
    ...(badCount > shown.length ? [`  and ${badCount - shown.length} more`] : []),
  ];
};

const count = (rows: readonly Row[], is: (row: Row) => boolean | undefined): number => rows.filter(is).length;

/** Limits whose held units are named. */
const limitsShownMax = 8;

const unfinishedOf = ({ withoutOutcome, unfinishedCounted, unfinished }: Recovered["told"]): readonly string[] => {
  if (withoutOutcome === 0) return [];
  const some = `${withoutOutcome} calls without an end, whose sidecar is gone`;
  if (unfinishedCounted > 0) return [`${some}: counted as held`];
  const byLimit = Map.groupBy(unfinished, ([{ quota, limit }]) => `${quota.metadata.name}/${limit.name}`);
  const held = [...byLimit].slice(0, limitsShownMax).map(([name, those]) => {
    const units = those.reduce((sum, [, each]) => Math.min(unitsMax, sum + each), 0);
    return `${name} ${those[0] ? amount({ target: those[0][0] }, units) : units}`;
  });
  const more = byLimit.size > limitsShownMax ? `, and ${byLimit.size - limitsShownMax} limits more` : "";
  const text = held.length > 0 ? `, ${held.join(", ")}${more} held` : "";
  return [`${some}${text}: left out; --count-unfinished adds them, when the files go to the sidecar's end`];
};

/** For scripts, and to be kept as the record of what was done. */
export const recoveredJson = (recovered: Recovered): string => {
  const { rows, told, passedOver, isApplied, nowMs } = recovered;
  const units = (row: Pick<Row, "target">, value: number): number | string =>
    row.target.limit.resource === "Cost" ? dollarText(value) : value;
  const counters = rows.map((row) => ({
    ...{ quota: quotaName(row), limit: row.target.limit.name, resource: row.target.limit.resource },
    ...{ subject: whose(row), counter: row.target.key },
    ...{ ledger: units(row, row.ledger), redis: units(row, row.redis), missing: units(row, row.missing) },
    ...(isApplied && { added: units(row, row.added ?? 0), overtaken: row.isOvertaken === true }),
    ...(row.isFar && { farAboveLimit: true }),
    ...(row.isRefused && { refused: true }),
    ...(row.isUnknown && { unknown: true }),
  }));
  const { leftOut: _, unfinished, ...counts } = told;
  const held = [...unfinished].map(([target, value]) => ({ counter: target.key, held: units({ target }, value) }));
  const document = {
    ...{ at: new Date(nowMs).toISOString(), applied: isApplied, calls: counts, counters },
    ...{ unfinished: held, unreadable: recovered.unreadable },
    ...(recovered.fault && { fault: recovered.fault.message }),
    lines: {
      ...{ read: passedOver.lineCount, bad: passedOver.badCount, other: passedOver.otherCount },
      firstBad: passedOver.shown,
    },
    remarks: remarksOf(recovered),
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
};

/** What was added to each quota, as a sentence for an Event. */
export const additionsOf = ({ rows }: Recovered): ReadonlyMap<Row["target"]["quota"], string> => {
  const added = rows.filter(({ added = 0 }) => added > 0);
  const byQuota = Map.groupBy(added, ({ target }) => target.quota);
  return new Map(
    [...byQuota].map(([quota, those]) => {
      const parts = those
        .slice(0, 8)
        .map((row) => `limit ${row.target.limit.name} ${whose(row)}: ${amount(row, row.added ?? 0)}`);
      const more = those.length > 8 ? `; and ${those.length - 8} more` : "";
      return [quota, `what Redis had lost was added from audit records: ${parts.join("; ")}${more}`];
    }),
  );
};
