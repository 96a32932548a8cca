import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { startRedis, type TestRedis } from "../../../../test/fixtures/redis.ts";
import type { AIQuota } from "../../../api/aiquota.ts";
import { systemClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";
import { operatorAclRule } from "../../../redis/acl.ts";
import { counterKey, counterName, holdKey, holdsKey } from "../../../redis/keys.ts";
import { RedisLink } from "../../../redis/link.ts";
import { readResources } from "../../../resources/read.ts";
import type { Claim } from "../../../sidecar/ports/quota-store.ts";
import { openRedis, type RedisStores } from "../../../sidecar/stores/redis/open.ts";
import type { CheckResult } from "../../check/report.ts";
import { checkOptions, exitCodeOf } from "../check.ts";
import { judge } from "./judgement.ts";
import { readRedis } from "./reading.ts";

const namespace = "team";
const text = (limit: number, more = "") => `
apiVersion: sidegate.dev/v1alpha1
kind: AIQuota
metadata: {name: budget, namespace: team${more}}
spec:
  targetRefs: [{group: "", kind: Namespace, name: team}]
  limits:
    - {name: day, resource: Requests, limit: ${limit}, window: {type: Fixed, duration: 24h}}
    - {name: running, resource: Concurrency, limit: 3}
`;
const quotas = (limit = 10, more = ""): readonly AIQuota[] =>
  readResources([{ path: "q.yaml", text: text(limit, more) }]).quotas;

const windows = { day: { type: "Fixed", durationMs: 86_400_000 }, running: { type: "Concurrency" } } as const;
const keyOf = (limit: "day" | "running", subject = "all", epochMs?: number): string =>
  counterKey(namespace, counterName({ namespace, quota: "budget", limit, subject, epochMs }), windows[limit]);
const claim = (limit: "day" | "running", amount: number, epochMs?: number): Claim => ({
  counter: counterName({ namespace, quota: "budget", limit, subject: "all", epochMs }),
  ...{ window: windows[limit], max: Number.MAX_SAFE_INTEGER, amount, enforced: true },
});

let redis: TestRedis;
let sidecar: RedisStores;
let link: RedisLink;
let serial = 0;

beforeAll(async () => {
  redis = await startRedis();
  sidecar = openRedis({ url: redis.url, log: silentLog(), clock: systemClock, commandTimeoutMs: 5_000 });
  link = new RedisLink({
    place: { url: redis.url },
    log: silentLog(),
    clock: systemClock,
    name: "t",
    timeoutMs: 5_000,
  });
  await Promise.all([sidecar.ready(), link.ready()]);
});
afterAll(async () => {
  link.close();
  await sidecar.close();
  await redis.stop();
});
beforeEach(() => redis.command("FLUSHALL"));

const hold = async (claims: readonly Claim[], leaseMs = 60_000): Promise<string> => {
  serial += 1;
  await sidecar.quota.reserve({ namespace, holdId: `h${serial}`, leaseMs, claims });
  return `h${serial}`;
};
const look = async (known = quotas()): Promise<readonly CheckResult[]> =>
  judge(await readRedis(link, undefined), known);
/** Checks that are not ok, with what they say. */
const faults = async (known = quotas()): Promise<unknown> =>
  (await look(known))
    .filter(({ verdict }) => verdict !== "ok")
    .map(({ name, verdict, details }) => [name, verdict, ...(details ?? [])]);

const nothing = ["within-limits", "skipped", expect.stringContaining("this Redis has no counter of these quotas")];

test("where nothing is counted yet, or elsewhere, nothing was looked at: no gate passes on that", async () => {
  expect(await faults()).toEqual([nothing]);
  expect(exitCodeOf(await look())).toBe(2);
  await hold([claim("day", 4)]);
  expect(exitCodeOf(await look())).toBe(0);
  expect(await faults([])).toEqual([nothing]);
  await hold([claim("day", 7)]);
  expect(exitCodeOf(await look())).toBe(1);
});

test("a Redis in use is as it should be", async () => {
  const first = await hold([claim("day", 4), claim("running", 1)]);
  await hold([claim("day", 5), claim("running", 1)]);
  await sidecar.quota.settle({ namespace, holdId: first, amounts: [2, 0] });
  expect(await faults()).toEqual([]);
  expect((await look())[0]?.details).toEqual(["counters: 2, holds: 1"]);
  expect((await look()).find(({ name }) => name === "within-limits")?.details).toEqual(["2 compared"]);
});

test("one unit above the limit is told with its counter", async () => {
  await hold([claim("day", 11)]);
  expect(await faults()).toEqual([
    ["within-limits", "failed", "AIQuota team/budget, limit day, for all: 11, limit 10"],
  ]);
  expect(await faults(quotas(11))).toEqual([]);
});

test.each([
  {
    name: "a quota in mode Audit",
    known: () => readResources([{ path: "q", text: `${text(10)}  mode: Audit\n` }]).quotas,
    skipped: ["within-limits", "skipped", "nothing is enforced: 1 counters, all of quotas in mode Audit"],
  },
  { name: "a quota that is gone", known: () => [], skipped: nothing },
  {
    name: "an override that has ended within the window",
    known: () =>
      quotas(
        10,
        `, annotations: {sidegate.dev/override: '[{"limit":"day","to":20,"until":"${new Date().toISOString()}","by":"a","reason":"b"}]'}`,
      ),
  },
  {
    name: "a counter from before a reset",
    known: () =>
      quotas(10, `, annotations: {sidegate.dev/reset: '[{"at":"2026-01-01T00:00:00Z","by":"a","reason":"b"}]'}`),
    skipped: nothing,
  },
])("above the limit, and no fault: $name", async ({ known, skipped }) => {
  await hold([claim("day", 11)]);
  expect(await faults(known())).toEqual(skipped ? [skipped] : []);
});

test("the counter that counts since a reset is compared", async () => {
  await hold([claim("day", 11, Date.parse("2026-01-01T00:00:00Z"))]);
  const known = quotas(
    10,
    `, annotations: {sidegate.dev/reset: '[{"at":"2026-01-01T00:00:00Z","by":"a","reason":"b"}]'}`,
  );
  expect(await faults(known)).toEqual([expect.arrayContaining(["within-limits"])]);
});

test.each([
  {
    name: "a counter that has lost what live calls hold",
    spoil: (_: string) => `DEL ${keyOf("day")}`,
    found: ["holds-charged", "failed", expect.stringMatching(/slot \d+: 0 charged, live calls hold 4$/)],
  },
  {
    name: "a record that is gone, with the places it had",
    spoil: (id: string) => `DEL ${holdKey(namespace, id)}`,
    found: ["holds-recorded", "warning", expect.stringContaining("has no record, its lease ends in 5")],
    also: ["places-held", "warning", expect.stringMatching(/: 1 by sg:\{team\}:hold:h\d+, free in 5\ds$/)],
  },
  {
    name: "an index that is gone",
    spoil: () => `DEL ${holdsKey(namespace)}`,
    found: ["holds-indexed", "warning", expect.stringContaining("is in no index")],
  },
  {
    name: "a lease without end",
    spoil: (id: string) => `ZADD ${holdsKey(namespace)} 9999999999999 ${holdKey(namespace, id)}`,
    found: ["holds-end", "failed", expect.stringContaining("no lease is longer than 1 h")],
  },
  {
    name: "a place that nobody counts",
    spoil: () => `ZADD ${keyOf("running")} -2 used`,
    found: ["places-add-up", "failed", expect.stringContaining("2 in use, places of 1")],
  },
  {
    name: "a counter that somebody else wrote",
    spoil: () => `HSET ${keyOf("day", "user=x")} 5 many`,
    found: ["counters-readable", "failed", expect.stringContaining("no whole number")],
  },
  {
    name: "a key of another type",
    spoil: () => `SET ${keyOf("day", "user=x")} 5`,
    found: ["counters-readable", "failed", expect.stringContaining("another type")],
  },
])("$name", async ({ spoil, found, also }) => {
  const id = await hold([claim("day", 4), claim("running", 1)]);
  expect(await redis.command(spoil(id))).toMatch(/^[:+]/);
  expect(await faults()).toEqual(also ? [found, also] : [found]);
});

test("dead entries and leases that have ended are no fault", async () => {
  await hold([claim("day", 1), claim("running", 1)], 1);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const results = await look();
  expect(results.filter(({ verdict }) => verdict !== "ok")).toEqual([]);
  expect(results.find(({ name }) => name === "holds-recorded")?.details).toEqual([
    "1 dead ones, which the next reservation takes away",
  ]);
});

test("calls that come and go meanwhile are never a fault, and nothing is written", async () => {
  let isOver = false;
  const calls = Array.from({ length: 8 }, async () => {
    for (let i = 0; !isOver; i++) {
      const holdId = await hold([claim("day", 3), claim("running", 1)]);
      if (i % 3 === 0) await sidecar.quota.release(namespace, holdId);
      else await sidecar.quota.settle({ namespace, holdId, amounts: [2, 0] });
    }
  });
  try {
    for (let i = 0; i < 20; i++) expect(await faults([])).toEqual([nothing]);
  } finally {
    isOver = true;
    await Promise.all(calls);
  }
  const keyspace = async () => (await redis.command("INFO keyspace")).replace(/avg_ttl=\d+/, ""); // which only passes
  const before = await keyspace();
  await redis.command("CONFIG RESETSTAT");
  await look();
  const stats = await redis.command("INFO commandstats");
  expect(
    stats.match(/cmdstat_(\w+)/g)?.filter((name) => !/scan|mget|time|zrangebyscore|hgetall|info|config/.test(name)),
  ).toEqual([]);
  expect(await keyspace()).toBe(before);
});

const page = readFileSync(join(import.meta.dirname, "../../../../docs/quota-commands.md"), "utf8");
const ruleOfPage = / {4}ACL SETUSER sidegate-check on >PASSWORD (.+)/.exec(page)?.[1] ?? "";

test.each([
  { name: "the operator's own login, which may write nothing", rule: operatorAclRule },
  { name: "the login of the docs, which may read what is needed", rule: ruleOfPage },
])("$name, is enough", async ({ rule }) => {
  await redis.command(`ACL SETUSER looker reset on >pw ${rule}`);
  await hold([claim("day", 11), claim("running", 1)]);
  const url = redis.url.replace("//", "//looker:pw@");
  const own = new RedisLink({ place: { url }, log: silentLog(), clock: systemClock, name: "t", timeoutMs: 5_000 });
  await own.ready();
  const results = judge(await readRedis(own, undefined), quotas());
  own.close();
  expect(results.filter(({ verdict }) => verdict !== "ok").map(({ name }) => name)).toEqual(["within-limits"]);
});

test("the login of the docs has nothing that it does not need, and can write nothing", async () => {
  await redis.command(`ACL SETUSER looker reset on >pw ${ruleOfPage}`);
  expect(await redis.command(`ACL DRYRUN looker HSET ${keyOf("day")} 1 1`)).toContain("no permissions");
  await redis.command("CONFIG RESETSTAT");
  const url = redis.url.replace("//", "//looker:pw@");
  const own = new RedisLink({ place: { url }, log: silentLog(), clock: systemClock, name: "t", timeoutMs: 5_000 });
  await hold([claim("day", 1), claim("running", 1)]);
  await own.ready();
  await readRedis(own, undefined);
  own.close();
  const stats = await redis.command("INFO commandstats");
  const unused = ruleOfPage
    .match(/(?<= \+)\S+/g)
    ?.filter((command) => !stats.toLowerCase().includes(`cmdstat_${command}:`));
  expect(
    unused?.filter((command) => !/^(select|cluster\|)/.test(command)),
    "but of another database or a Cluster",
  ).toEqual([]);
});

test("one namespace alone is looked at where it is named", async () => {
  await hold([claim("day", 11)]);
  const reading = await readRedis(link, "other");
  expect([reading.counters, reading.entries.size]).toEqual([[], 0]);
});

test.each([
  { args: ["--redis", "redis://u:secret@h:1"], says: "SIDEGATE_REDIS_URL" },
  { args: [], says: "--redis: name the Redis" },
  { args: ["--redis", "redis://h:1", "-f", "a", "--context", "b"], says: "exclude each other" },
])("the command line is refused: $args", ({ args, says }) => {
  expect(() => checkOptions(args, {})).toThrow(says);
  expect(() => checkOptions(args, {})).not.toThrow("secret");
});
