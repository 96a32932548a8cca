/** A sidecar that dies with the primary takes its last charges along; `sidegate quota recover` brings them back from the audit, to the unit where its files are whole. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { tellableMs } from "../../src/cli/quota/recover/ledger.ts";
import { recover } from "../../src/cli/quota/recover/recovery.ts";
import { beatTtlMs } from "../../src/redis/heartbeat.ts";
import { beatKey, markKey } from "../../src/redis/keys.ts";
import { RedisLink } from "../../src/redis/link.ts";
import { readResources } from "../../src/resources/read.ts";
import { until } from "../fixtures/calls.ts";
import { isWhole, share, tellFigure } from "../fixtures/proof.ts";
import type { TestRedis } from "../fixtures/redis.ts";
import { startRedisCluster, type TestCluster } from "../fixtures/redis-cluster.ts";
import { openRoute, quotaYaml } from "../fixtures/sidecar.ts";
import { type Fleet, type FleetMember, startFleet } from "./fleet.ts";
import { type LoadCount, runLoad, sendCall } from "./load.ts";
import { leaseMs } from "./scene.ts";

const model = "gpt-4o";
const running = 5;
const limits = [
  "{name: tokens, resource: TotalTokens, limit: 100000000, window: {type: Calendar, period: Month}}",
  "{name: requests, resource: Requests, limit: 10000000, window: {type: Sliding, duration: 24h}}",
];
const quotas = quotaYaml(limits, { extra: `reservation: {lease: ${leaseMs / 1000}s}` });
const keys = {
  tokens: "sg:{default}:calendar:default/q/tokens/all",
  requests: "sg:{default}:sliding:86400000:default/q/requests/all",
} as const;

const folder = mkdtempSync(join(tmpdir(), "sidegate-failover-"));
const audit = join(folder, "audit.jsonl");
let cluster: TestCluster;
let fleet: Fleet;
let link: RedisLink;

beforeAll(async () => {
  cluster = await startRedisCluster();
  const yamlFor = (url: string): string =>
    openRoute(url, { quotas }).replace("audit: {sink: None}", `audit: {sink: File, file: {path: ${audit}}}`);
  fleet = await startFleet({ size: 2, redisUrl: cluster.url, yamlFor });
  const place = { url: cluster.url };
  link = new RedisLink({ place, log: silentLog(), clock: systemClock, name: "proof", timeoutMs: 5_000 });
  await link.ready();
}, 120_000);
afterAll(async () => {
  link?.close();
  await fleet?.stop();
  await cluster?.stop();
  rmSync(folder, { recursive: true });
});

const load = (members: readonly FleetMember[], calls: number): Promise<LoadCount> =>
  runLoad({ members, models: [model], calls, clients: 16, abortShare: 0, seed: calls });
const spentIn = ({ byModel }: LoadCount): { tokens: number; requests: number } => {
  const { ok = 0, input = 0, output = 0 } = byModel[model] ?? {};
  return { tokens: input + output, requests: ok };
};
const used = async () => {
  const sum = async (key: string): Promise<number> =>
    Object.values((await link.send(["hgetall", key])) ?? {}).reduce((all: number, each) => all + Number(each), 0);
  return { tokens: await sum(keys.tokens), requests: await sum(keys.requests) };
};
/** The mark of each sidecar. */
const marks = async (): Promise<ReadonlyMap<string, number>> => {
  const replies = await Promise.all(link.masters().map((each) => link.sendTo(each, ["keys", markKey("default", "*")])));
  const found = replies
    .flat()
    .map(async (key) => [String(key), Number(await link.send(["get", String(key)]))] as const);
  return new Map(await Promise.all(found));
};
const offsetOf = async (node: TestRedis, field: string): Promise<number> =>
  Number(new RegExp(`^${field}:(\\d+)`, "m").exec(await node.command("INFO replication"))?.[1] ?? Number.NaN);
/** Whether each process that wrote lately has counted in Redis for 15 s since its local share admitted anything. */
const areSharesCounted = (): boolean => {
  const newest = new Map<string, { enforcedMs: number; localMs: number }>();
  for (const line of readFileSync(audit, "utf8").split("\n")) {
    if (!line.includes('"intent"') || !line.endsWith("}")) continue;
    const { instance, quota, time } = JSON.parse(line);
    const seen = newest.get(instance) ?? { enforcedMs: 0, localMs: 0 };
    newest.set(instance, { ...seen, [quota === "enforced" ? "enforcedMs" : "localMs"]: Date.parse(time) });
  }
  const live = [...newest.values()].filter((each) => Math.max(each.enforcedMs, each.localMs) > Date.now() - 5_000);
  return live.length === 2 && live.every(({ enforcedMs, localMs }) => enforcedMs - localMs > 17_000);
};
/** Waits until all that was charged, and marks that were moved after it, are with the replica. */
const replicated = async (primary: TestRedis, replica: TestRedis): Promise<void> => {
  const marked = await marks();
  expect(marked.size).toBe(2);
  const isMoved = ([key, mark]: readonly [string, number]): boolean => mark >= (marked.get(key) ?? 0) + 2;
  await until("marks have moved since the last charge", async () => [...(await marks())].every(isMoved), 10_000);
  const offset = await offsetOf(primary, "master_repl_offset");
  const isThere = async (): Promise<boolean> => (await offsetOf(replica, "slave_repl_offset")) >= offset;
  await until("the replica has them", isThere, 10_000);
};
/** Calls until nothing of a local share is left out; what they spend is added. */
const sharesCounted = async (later: { tokens: number; requests: number }): Promise<void> => {
  const isCounted = async (): Promise<boolean> => {
    for (const each of fleet.members) {
      const spent = spentIn(await load([each], 1));
      later.tokens += spent.tokens;
      later.requests += spent.requests;
    }
    return areSharesCounted();
  };
  await until("what local shares admitted counts", isCounted, 60_000);
};
const written = (record: string): number => readFileSync(audit, "utf8").split(`"record":"${record}"`).length - 1;
const liveHolds = async (): Promise<number> =>
  Number(await link.send(["zcount", "sg:{default}:holds", `(${Date.now()}`, "+inf"]));

test("what a sidecar that died with the primary had charged comes back from the audit", {
  timeout: 400_000,
}, async () => {
  const [doomed, other] = fleet.members;
  if (!doomed || !other) throw new Error("there are two");
  await load(fleet.members, share(4_000));
  await until("all is settled", async () => (await liveHolds()) === 0, 3 * leaseMs);
  const { primary, replica } = await cluster.ownersOf(keys.tokens);
  await replicated(primary, replica);
  const before = await used();
  await cluster.cutReplication(primary);
  const inLag = spentIn(await load([doomed], share(3_000)));
  const long = { model, stream: false, tokens: 20, maxTokens: 100, delayMs: 60_000 };
  const calls = Array.from({ length: running }, () => sendCall(doomed.url, long, { byModel: {}, refused: {} }));
  await until("they run", async () => (await liveHolds()) === running, 10_000);
  await until("their beginnings are written", async () => written("intent") - written("outcome") === running, 10_000);
  const truth = await used(); // charged and held
  expect(truth.tokens).toBeGreaterThan(before.tokens + inLag.tokens);
  expect(truth.requests).toBe(before.requests + inLag.requests + running);
  const diedMs = Date.now();
  const dying = doomed.restart();
  await primary.kill();
  expect(await replica.command("CLUSTER FAILOVER TAKEOVER")).toBe("+OK");
  await Promise.all([dying, ...calls]);
  const isBack = async (): Promise<boolean> =>
    Number(await link.send(["pexpiretime", beatKey("default", "pod-1")]).catch(() => 0)) >
    Date.now() + beatTtlMs - 2_000;
  await until("the other one has found the new primary", isBack, 60_000); // nothing of its own is missing
  const after = await used();
  expect(after.requests, "lost").toBeLessThanOrEqual(before.requests);

  const later = spentIn(await load(fleet.members, share(1_000)));
  await sharesCounted(later);
  await until("all is settled", async () => (await liveHolds()) === 0, 3 * leaseMs);
  const whole = { tokens: truth.tokens + later.tokens, requests: truth.requests + later.requests };
  const known = readResources([{ path: "q.yaml", text: quotas }]).quotas;
  // Else, not to wait: nobody is cut off here.
  if (isWhole) await until("nobody could tell its calls", async () => Date.now() > diedMs + tellableMs, tellableMs);
  const waits = isWhole ? {} : { steadyForMs: 1_000, isSettled: true };
  const asked = { link, from: [audit], quotas: known, apply: true, countUnfinished: true, ...waits };
  const recovered = await recover(asked);
  const usedAfterwards = await used();
  expect(usedAfterwards).toEqual(whole);
  expect(recovered.told.withoutOutcome).toBe(running);
  const again = await recover(asked);
  expect(again.rows.map(({ missing }) => missing)).toEqual([0, 0]);
  expect(await used()).toEqual(whole);
  tellFigure("failover with a sidecar's death", {
    "tokens lost": truth.tokens - after.tokens,
    "calls lost": truth.requests - after.requests,
    "of them without an end": running,
    "added tokens": recovered.rows.find(({ target }) => target.limit.name === "tokens")?.added ?? 0,
    "used afterwards": usedAfterwards.tokens,
    truth: whole.tokens,
    "records read": readFileSync(audit, "utf8").split("\n").length - 1,
  });
});
