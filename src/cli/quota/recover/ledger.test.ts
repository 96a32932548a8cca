import { expect, test } from "vitest";
import { readResources } from "../../../resources/read.ts";
import { IdSet } from "../id-set.ts";
import { ChargeLedger, type Standing, tellableMs } from "./ledger.ts";
import { compare } from "./missing.ts";
import { type ChargeRecord, parseCharge } from "./records.ts";
import { slotOf, Targets } from "./targets.ts";

const dayMs = 86_400_000;
const nowMs = Date.parse("2026-05-10T12:00:00Z");
const quotas = readResources([
  {
    path: "q.yaml",
    text: `
apiVersion: sidegate.dev/v1alpha1
kind: AIQuota
metadata: {name: budget, namespace: team, annotations: {sidegate.dev/reset: '[{"at":"2026-05-09T00:00:00Z","limit":"again","by":"a","reason":"b"}]'}}
spec:
  targetRefs: [{group: "", kind: Namespace, name: team}]
  limits:
    - {name: month, resource: TotalTokens, limit: 1000, window: {type: Calendar, period: Month}}
    - {name: again, resource: TotalTokens, limit: 1000, window: {type: Fixed, duration: 24h}}
    - {name: hours, resource: Requests, limit: 1000, window: {type: Sliding, duration: 16h}}
    - {name: soon, resource: Requests, limit: 1000, window: {type: Sliding, duration: 30s}}
`,
  },
]).quotas;

const month = "sg:{team}:calendar:team/budget/month/all";
const monthLeftMs = (atMs: number): number => Date.parse("2026-06-01T00:00:00Z") - atMs;
const record = (more: object): ChargeRecord => {
  const common = { time: new Date(nowMs - 3_600_000).toISOString(), id: "c1", instance: "i1", identity: "team/bot" };
  const parsed = parseCharge(JSON.stringify({ ...common, ...more }));
  if (parsed.kind === "bad" || parsed.kind === "other") throw new Error(JSON.stringify(parsed));
  return parsed;
};
const intent = (id: string, more: object = {}, atMs = nowMs - 3_600_000): ChargeRecord =>
  record({
    ...{ record: "intent", id, quota: "enforced", time: new Date(atMs).toISOString() },
    ...{ counters: [[month, 30, monthLeftMs(atMs)]], ...more },
  });
const outcome = (id: string, charged: readonly number[] = [20], more: object = {}): ChargeRecord =>
  record({ record: "outcome", id, charged, ...more });

/** Units in the ledger of the month. */
const sumOf = (
  records: readonly ChargeRecord[],
  {
    late = [],
    standing = "dead",
    ...closing
  }: {
    late?: readonly ChargeRecord[];
    standing?: Standing;
    isConnected?: () => boolean;
    isUnfinishedCounted?: boolean;
    nowMs?: number;
  } = {},
) => {
  const ledger = new ChargeLedger(new Targets(quotas, nowMs), nowMs);
  for (const each of records) ledger.take(each);
  ledger.look();
  for (const each of late) ledger.take(each);
  ledger.close({
    standingOf: () => standing,
    isConnected: () => false,
    isUnfinishedCounted: false,
    nowMs,
    ...closing,
  });
  const units = [...(ledger.counters.get(month)?.slots.values() ?? [])].reduce((sum, each) => sum + each, 0);
  return { units, told: ledger.told, ledger };
};

test.each<{ name: string; records: readonly ChargeRecord[]; units: number; told?: object }>([
  { name: "what it was charged", records: [intent("a"), outcome("a")], units: 20 },
  { name: "each id once", records: [intent("a"), outcome("a"), intent("a"), outcome("a")], units: 20 },
  { name: "in any order", records: [outcome("a"), intent("a")], units: 20 },
  { name: "nothing where it was given back", records: [intent("a"), outcome("a", [])], units: 0 },
  {
    name: "an answer from the cache, which has one record",
    records: [outcome("a", [7], { counters: [[month, 9, monthLeftMs(nowMs - 3_600_000)]] })],
    units: 7,
  },
  {
    name: "the counters that were held in the end",
    records: [
      intent("a", { counters: [["sg:{team}:calendar:team/other/x/all", 5, 9]] }),
      outcome("a", [7], { counters: [[month, 9, monthLeftMs(nowMs - 3_600_000)]] }),
    ],
    units: 0, // nothing of the intent was looked for: less, never more
  },
  { name: "nothing of a call without an end", records: [intent("a")], units: 0, told: { withoutOutcome: 1 } },
  {
    name: "no call whose sidecar went on for more than an hour",
    records: [intent("a", {}, nowMs - 9_000_000), intent("b"), outcome("b")],
    units: 20,
    told: { lost: 1 },
  },
  { name: "no end without a beginning", records: [outcome("a")], units: 0, told: { orphans: 1 } },
  {
    name: "not what a share admitted, as its sidecar charges it itself",
    records: [intent("a", { quota: "local_share" }), outcome("a")],
    units: 0,
    told: { local: 1 },
  },
  {
    name: "what a share admitted, if its sidecar has counted in Redis since",
    records: [intent("a", { quota: "local_share" }), outcome("a"), intent("b", {}, nowMs - 120_000), outcome("b")],
    units: 40,
  },
  {
    name: "no other window",
    records: [intent("a", {}, Date.parse("2026-04-30T23:59:50Z")), outcome("a")].map((each) =>
      each.counters ? { ...each, counters: [{ key: month, held: 30, resetMs: 10_000, isForeign: false }] } : each,
    ),
    units: 0,
  },
  {
    name: "a record of an earlier release tells nothing",
    records: [intent("a", { counters: undefined }), outcome("a", [], { charged: undefined })],
    units: 0,
    told: { untold: 1 },
  },
])("the ledger counts $name", ({ records, units, told }) => {
  const sum = sumOf(records);
  expect(sum.units).toBe(units);
  expect(sum.told).toMatchObject(told ?? {});
});

test("what is written after the look is left out; what ended about then counts with the less of held and charged", () => {
  expect(sumOf([], { late: [intent("a"), outcome("a")] }).units).toBe(0);
  expect(sumOf([intent("a")], { late: [outcome("a")] }).units).toBe(20);
  expect(sumOf([intent("a")], { late: [outcome("a", [99])] }).units).toBe(30);
  expect(sumOf([intent("a")], { late: [outcome("a", [])] }).units).toBe(0);
});

test("a call without an end counts as its hold in Redis says, and not at all while its sidecar runs", () => {
  expect(sumOf([intent("a")], { standing: "held" }).units).toBe(30);
  expect(sumOf([intent("a")], { standing: "alive" })).toMatchObject({ units: 0, told: { running: 1 } });
});

test("a call without an end of a sidecar that is gone is told with what it held, and counted where that is asked", () => {
  const { units, told } = sumOf([intent("a"), intent("b")]);
  expect([units, told.withoutOutcome, [...told.unfinished.values()]]).toEqual([0, 2, [60]]);
  expect(sumOf([intent("a")], { isUnfinishedCounted: true })).toMatchObject({
    units: 30,
    told: { withoutOutcome: 1, unfinishedCounted: 1 },
  });
});

test("what ended so lately that a sidecar which is cut off may tell it still is left out, until it is older", () => {
  const lately = { time: new Date(nowMs - tellableMs + 1_000).toISOString() };
  const records = [intent("a"), outcome("a", [20], lately), intent("b"), outcome("b")];
  expect(sumOf(records)).toMatchObject({ units: 20, told: { tellable: 1 } });
  expect(sumOf(records, { nowMs: nowMs + 1_001 })).toMatchObject({ units: 40, told: { tellable: 0 } });
  expect(sumOf(records, { isConnected: () => true })).toMatchObject({ units: 40, told: { tellable: 0 } });
  const ledger = new ChargeLedger(new Targets(quotas, nowMs), nowMs);
  for (const each of records.slice(0, 2)) ledger.take(each);
  expect([...ledger.touched], "it is looked at in Redis").toEqual([month]);
});

test("a counter of another namespace than the record's is left out, one over namespaces is not", () => {
  const foreign = "sg:{victim}:calendar:victim/budget/usd/all";
  const left = monthLeftMs(nowMs - 3_600_000);
  const counters = [
    [foreign, 30, left],
    [month, 30, left],
  ];
  const sum = sumOf([intent("a", { counters }), outcome("a", [9, 20]), outcome("b", [9, 7], { counters })]);
  expect(sum).toMatchObject({ units: 27, told: { foreign: 2 } });
  expect([...sum.ledger.counters.keys()]).toEqual([month]);
  expect(sumOf([outcome("a", [20], { counters: [[month, 30, left]], identity: "other/bot" })])).toMatchObject({
    ...{ units: 0, told: { foreign: 1 } },
  });
  const [cluster] = intent("c", { counters: [["sg:{_cluster}:calendar:ops/q/l/all", 1, 1]] }).counters ?? [];
  expect(cluster?.isForeign).toBe(false);
});

test("a record that names a counter twice is none, and amounts stop at the largest", () => {
  const twice = { record: "intent", time: "2026-05-10T12:00:00Z", id: "a", identity: "team/bot" };
  const counters = [
    [month, 1, 1],
    [month, 1, 1],
  ];
  expect(parseCharge(JSON.stringify({ ...twice, counters }))).toEqual({ kind: "bad", why: "names a counter twice" });
  const max = Number.MAX_SAFE_INTEGER;
  const many = ["a", "b", "c"].flatMap((id) => [intent(id), outcome(id, [max])]);
  expect(sumOf(many).units).toBe(max);
  expect(compare(slotsOf({ 4: max, 5: max }), slotsOf({}), 3).missing).toBe(max);
});

test("counters from before a reset, of short windows and of other quotas are left out", () => {
  const keys = ["fixed:86400000:team/budget/again/all", "sliding:30000:team/budget/soon/all", "calendar:team/x/y/all"];
  const counters = keys.map((key) => [`sg:{team}:${key}`, 1, 1]);
  const { told, ledger } = sumOf([intent("a", { counters }), outcome("a", [1, 1, 1])]);
  expect(ledger.counters.size).toBe(0);
  expect(Object.fromEntries(told.leftOut)).toEqual({
    "counts no more": 1,
    "window too short": 1,
    "not asked for": 1,
  });
});

test("a Fixed window is told by its end as Redis said then; a Sliding slot is rather older than it was", () => {
  const fixed = { type: "Fixed", durationMs: dayMs } as const;
  const span = { slot: 7, first: 7, endsMs: 8 * dayMs };
  const at = (timeMs: number, resetMs: number) => slotOf({ window: fixed, span }, { timeMs, resetMs });
  expect([at(7 * dayMs - 2, dayMs + 2), at(7 * dayMs + 2, dayMs), at(7 * dayMs - 2, 2)]).toEqual([7, 7, undefined]);
  const sliding = {
    window: { type: "Sliding", durationMs: 16_000_000 },
    span: { slot: 20, first: 4, endsMs: 0 },
  } as const;
  const slots = [4_000_000, 4_006_000, 21_003_000, 29_000_000].map((timeMs) => slotOf(sliding, { timeMs, resetMs: 0 }));
  expect(slots).toEqual([undefined, 4, 20, 20]);
});

const slotsOf = (units: Record<number, number>) => new Map(Object.entries(units).map(([slot, n]) => [Number(slot), n]));
test.each<{
  name: string;
  ledger: Record<number, number>;
  redis: Record<number, number>;
  missing: number;
  additions: readonly (readonly [number, number])[];
}>([
  { name: "nothing lost", ledger: { 5: 10 }, redis: { 5: 10 }, missing: 0, additions: [] },
  {
    name: "all lost",
    ledger: { 4: 5, 5: 10 },
    redis: {},
    missing: 15,
    additions: [
      [5, 10],
      [4, 5],
    ],
  },
  { name: "more in Redis than is told", ledger: { 5: 10 }, redis: { 5: 12 }, missing: 0, additions: [] },
  {
    name: "told a slot earlier than it was charged",
    ledger: { 4: 10, 5: 2 },
    redis: { 4: 3, 5: 9 },
    missing: 0,
    additions: [],
  },
  {
    name: "lost in the old slot alone",
    ledger: { 4: 10, 5: 2 },
    redis: { 4: 3, 5: 2 },
    missing: 7,
    additions: [[4, 7]],
  },
  {
    name: "never more than the whole lacks",
    ledger: { 4: 0, 5: 10 },
    redis: { 4: 8, 5: 0 },
    missing: 2,
    additions: [[5, 2]],
  },
  { name: "slots that count no more", ledger: { 1: 10, 5: 1 }, redis: { 1: 3 }, missing: 1, additions: [[5, 1]] },
])("compared: $name", ({ ledger, redis, missing, additions }) => {
  const compared = compare(slotsOf(ledger), slotsOf(redis), 3);
  expect(compared.missing).toBe(missing);
  expect(compared.additions.map(({ slot, units }) => [slot, units])).toEqual(additions);
});

test("a set of ids knows each of many, and no other", () => {
  const ids = new IdSet();
  for (let i = 0; i < 200_000; i++) expect(ids.add(`sg-ab-${i}`)).toBe(true);
  expect([ids.add("sg-ab-77"), ids.has("sg-ab-199999"), ids.has("sg-ab-200000"), ids.size]).toEqual([
    ...[false, true, false],
    200_000,
  ]);
});
