/** What a replay found, as text and as JSON. */
import type { AIQuota } from "../../../api/aiquota.ts";
import { quotaAdjustments } from "../../../api/quota-adjustments.ts";
import type { LimitConfig } from "../../../config/quota.ts";
import { dollarText } from "../../../operator/state/usage-rows.ts";
import { sharedSubject } from "../../../redis/keys.ts";
import { subjectText } from "../../../redis/subject-text.ts";
import { momentText } from "../../key/moment.ts";
import { columnsText, safeText } from "../../terminal-text.ts";
import { otherLinesRemark, type PassedOver } from "./merged.ts";
import type { LimitTally, Tally } from "./tally.ts";

/** All that is told. */
export interface Simulated {
  readonly tally: Tally;
  readonly passedOver: PassedOver;
  readonly quotas: readonly AIQuota[];
  readonly openCount: number;
  /** What was found out about the quotas on the routes of the calls. */
  readonly routeRemarks: ReadonlySet<string>;
}

/** Subjects of one limit that are shown. */
const subjectsShownMax = 10;

const whose = (subject: string): string => (subject === sharedSubject ? "(all)" : subjectText(subject));

const amount = ({ resource }: LimitConfig, units: number): string =>
  resource === "Cost" ? `${dollarText(Math.round(units))} USD` : String(units);

const share = (part: number, whole: number): string => (whole === 0 ? "0" : ((part / whole) * 100).toFixed(1));

/** For people. */
export const simulatedText = (simulated: Simulated): string => {
  const { tally } = simulated;
  const period =
    tally.firstMs === undefined ? "" : `, from ${momentText(tally.firstMs)} to ${momentText(tally.lastMs)}`;
  const head = [
    `${tally.replayed} calls${period}`,
    `${tally.refused} would have been refused (${share(tally.refused, tally.replayed)} %)`,
    ...(tally.downgraded > 0 ? [`${tally.downgraded} would have gone to another model`] : []),
    ...(tally.cutShort > 0 ? [`${tally.cutShort} answers would have been cut shorter, at what was granted`] : []),
  ];
  const blocks = [...tally.limits.values()].map(limitText);
  const remarks = remarksOf(simulated);
  return [head, ...blocks, ...(remarks.length > 0 ? [remarks] : [])]
    .map((lines) => lines.map((line) => `${safeText(line)}\n`).join(""))
    .join("\n");
};

const limitText = (limit: LimitTally): readonly string[] => {
  const { namespace, quota, mode, met, refused, downgraded, charged, peak, first } = limit;
  const what = mode === "Audit" ? "would refuse in mode Enforce" : "refused";
  const rows: [string, string][] = [
    ["counted", `${met} calls, ${amount(limit.limit, charged)} charged in all`],
    [what, `${refused} (${share(refused, met)} %)`],
    ...(downgraded > 0 ? [["downgraded", String(downgraded)] as [string, string]] : []),
    ["exhausted first", first === undefined ? "never" : `${momentText(first.atMs)}, ${whose(first.subject)}`],
    ["fullest", peak === undefined ? "-" : `${peakText(limit)} at ${momentText(peak.atMs)}`],
  ];
  const subjects = topSubjects(limit).map(({ subject, count }): [string, string] => [
    `  ${whose(subject)}`,
    String(count),
  ]);
  const lines = columnsText([...rows, ...(subjects.length > 0 ? ([["by subject", ""], ...subjects] as const) : [])]);
  return [
    `AIQuota ${namespace}/${quota}, limit ${limit.limit.name}${mode === "Audit" ? " (mode Audit)" : ""}`,
    ...lines.map((line) => `  ${line}`),
  ];
};

const peakText = ({ peak, limit }: LimitTally): string => {
  if (!peak) return "-";
  return `${amount(limit, peak.used)} of ${amount(limit, peak.max)} (${peak.max === 0 ? "-" : `${Math.floor((peak.used / peak.max) * 100)} %`})`;
};

const topSubjects = ({ refusedBySubject }: LimitTally): readonly { subject: string; count: number }[] =>
  [...refusedBySubject]
    .map(([subject, count]) => ({ subject, count }))
    .toSorted((a, b) => b.count - a.count || (a.subject < b.subject ? -1 : 1))
    .slice(0, subjectsShownMax);

/** What a reader must know to trust the figures. */
const remarksOf = ({ tally, passedOver, quotas, openCount, routeRemarks }: Simulated): readonly string[] => {
  const { refusedThen, withoutIntent, outOfOrder, notFollowed, uncounted, otherwise, told, replayed } = tally;
  const { duplicates, unmeasuredHits } = tally;
  const some = (count: number, text: string): readonly string[] => (count > 0 ? [`${count} ${text}`] : []);
  const { badCount, shown } = passedOver;
  return [
    ...[...otherwise].map(([code, count]) => `${count} refused for another reason: ${code}`),
    ...(replayed > 0
      ? quotas.flatMap((quota) => idleRemark(quota, tally))
      : ["There is no record of an admitted call."]),
    ...routeRemarks,
    ...quotas.flatMap(adjustedRemark),
    ...quotas.flatMap((quota) => subjectRemark(quota, told)),
    ...quotas.flatMap(leasedRemark),
    ...backendRemark(tally, quotas),
    ...(told.asked || replayed === 0
      ? []
      : ["The records do not tell who named an output maximum (an earlier release): nobody is taken to have."]),
    ...boundsRemark(tally, quotas),
    ...some(
      unmeasuredHits,
      "answers from the cache are of an earlier release, which tells neither their tokens nor API key, pod and app: taken to have none",
    ),
    ...some(duplicates, "records stand there twice, by overlapping files or as sent again: each is taken once"),
    ...some(uncounted, "calls are counted by none of these quotas"),
    ...some(refusedThen, "calls were refused at the time and are not replayed: nobody knows how large they were"),
    ...some(withoutIntent, "outcomes of calls that began before the first record are left out"),
    ...some(openCount, "calls have no outcome: charged as held, and taken to run for an hour at most"),
    ...some(notFollowed, "calls were left out: too many at once, or too many subjects"),
    ...some(outOfOrder, `records are more than 5 s older than one before them; sort the file: sort -t'"' -k8,8`),
    ...otherLinesRemark(passedOver),
    ...some(badCount, "lines could not be read:"),
    ...shown.map(({ file, number, why }) => `  ${file}:${number}: ${why}`),
    ...(badCount > shown.length ? [`  and ${badCount - shown.length} more`] : []),
  ];
};

const idleRemark = ({ metadata }: AIQuota, tally: Tally): readonly string[] => {
  if (tally.hasMet(metadata)) return [];
  const { namespace, name } = metadata;
  const others = [...tally.namespaces].sort().slice(0, 5).join(", ");
  return [
    `AIQuota ${namespace}/${name} counts none of the calls: are its namespace and targets right? The calls are of ${others}`,
  ];
};

/** They have no beginning: what they changed meanwhile is not known. */
const adjustedRemark = (quota: AIQuota): readonly string[] => {
  const { overrides, resets } = quotaAdjustments(quota);
  const { namespace, name } = quota.metadata;
  return overrides.length + resets.length === 0
    ? []
    : [`AIQuota ${namespace}/${name} is tried as its spec is written: its overrides and resets are left out`];
};

const boundsRemark = ({ unknownBounds }: Tally, quotas: readonly AIQuota[]): readonly string[] => {
  const needsBounds = ({ resource }: { readonly resource: string }): boolean =>
    resource === "Cost" || resource === "InputTokens" || resource === "TotalTokens";
  if (unknownBounds === 0 || !quotas.some(({ spec }) => spec.mode === "Enforce" && spec.limits.some(needsBounds)))
    return [];
  return [
    `${unknownBounds} calls are of an earlier release, which does not tell what nobody can bound or price (usage_unbounded): none is taken to be refused for that`,
  ];
};

const subjectRemark = ({ metadata, spec }: AIQuota, told: Tally["told"]): readonly string[] => {
  const unknown = spec.per.filter(
    (kind) =>
      kind === "Group" ||
      kind === "SourceIP" ||
      (kind === "ClientKey" && !told.clientKey) ||
      (kind === "Pod" && !told.pod) ||
      (kind === "App" && !told.app),
  );
  const asked = /\b(?:groups|roles|sourceIP)\b/.exec(spec.when ?? "")?.[0];
  const name = `AIQuota ${metadata.namespace}/${metadata.name}`;
  return [
    ...(unknown.length > 0
      ? [`${name} counts by ${unknown.join(", ")}, which the records do not tell: all calls count as one`]
      : []),
    ...(asked === undefined
      ? []
      : [`${name} asks for ${asked} in \`when\`, which the records do not tell: taken as empty`]),
  ];
};

const leasedRemark = ({ metadata: { namespace, name }, spec }: AIQuota): readonly string[] =>
  spec.precision === "Leased"
    ? [
        `AIQuota ${namespace}/${name} is Leased, and replayed as Exact: near its limits slices may refuse some more (docs/leased.md)`,
      ]
    : [];

const backendRemark = ({ lateBackends }: Tally, quotas: readonly AIQuota[]): readonly string[] => {
  if (!quotas.some(({ spec }) => spec.per.includes("Backend"))) return [];
  const late = `${lateBackends} calls are counted by Backend when they end, as the records tell it then: Concurrency is not replayed for them`;
  return [
    ...(lateBackends > 0 ? [late] : []),
    "What one backend refuses may go to another backend of the rule, which is not replayed.",
  ];
};

/** For scripts. */
export const simulatedJson = (simulated: Simulated): string => {
  const { tally, passedOver } = simulated;
  const time = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());
  const { replayed, refused, downgraded, cutShort, refusedThen, withoutIntent, outOfOrder, notFollowed, uncounted } =
    tally;
  const { duplicates } = tally;
  const units = (limit: LimitConfig, value: number): number | string =>
    limit.resource === "Cost" ? dollarText(Math.round(value)) : value;
  const limits = [...tally.limits.values()].map(({ namespace, quota, mode, limit, ...each }) => ({
    ...{ namespace, quota, mode, limit: limit.name, resource: limit.resource, counted: each.met },
    ...{ refused: each.refused, downgraded: each.downgraded, charged: units(limit, each.charged) },
    exhaustedFirst: each.first && { at: time(each.first.atMs), subject: whose(each.first.subject) },
    fullest: each.peak && {
      used: units(limit, each.peak.used),
      limit: units(limit, each.peak.max),
      at: time(each.peak.atMs),
    },
    refusedBySubject: Object.fromEntries([...each.refusedBySubject].map(([subject, count]) => [whose(subject), count])),
  }));
  const document = {
    ...{ from: time(tally.firstMs), to: tally.firstMs === undefined ? null : time(tally.lastMs) },
    calls: {
      replayed,
      refused,
      downgraded,
      cutShort,
      refusedThen,
      withoutIntent,
      outOfOrder,
      notFollowed,
      uncounted,
      duplicates,
    },
    limits,
    refusedOtherwise: Object.fromEntries(tally.otherwise),
    lines: {
      read: passedOver.lineCount,
      bad: passedOver.badCount,
      other: passedOver.otherCount,
      firstBad: passedOver.shown,
    },
    remarks: remarksOf(simulated),
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
};
