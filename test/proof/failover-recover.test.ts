/** A sidecar that dies with the primary takes its last charges along; `sidegate quota recover` brings them back from the audit, to the unit. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { recover, steadyMs } from "../../src/cli/quota/recover/recovery.ts";
import { RedisLink } from "../../src/redis/link.ts";
import { readResources } from "../../src/resources/read.ts";
import { until } from "../fixtures/calls.ts";
import { isWhole, share, tellFigure } from "../fixtures/proof.ts";
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
const spentIn = ({ byModel }: LoadCount): { readonly tokens: number; readonly requests: number } => {
  const { ok = 0, input = 0, output = 0 } = byModel[model] ?? {};
  return { tokens: input + output, requests: ok };
};
const used = async () => {
  const sum = async (key: string): Promise<number> =>
    Object.values((await link.send(["hgetall", key])) ?? {}).reduce((all: number, each) => all + Number(each), 0);
  return { tokens: await sum(keys.tokens), requests: await sum(keys.requests) };
};
const liveHolds = async (): Promise<number> =>
  Number(await link.send(["zcount", "sg:{default}:holds", `(${Date.now()}`, "+inf"]));

test("what a sidecar that died with the primary had charged comes back from the audit", {
  timeout: 180_000,
}, async () => {
  const [doomed, other] = fleet.members;
  if (!doomed || !other) throw new Error("there are two");
  await load(fleet.members, share(4_000));
  await until("all is settled", async () => (await liveHolds()) === 0, 3 * leaseMs);
  await sleep(2_500); // the other one's marks are with the replica

  const { primary, replica } = await cluster.ownersOf(keys.tokens);
  const before = await used();
  await cluster.cutReplication(primary);
  const inLag = spentIn(await load([doomed], share(3_000)));
  const long = { model, stream: false, tokens: 20, maxTokens: 100, delayMs: 60_000 };
  const calls = Array.from({ length: running }, () => sendCall(doomed.url, long, { byModel: {}, refused: {} }));
  await until("they run", async () => (await liveHolds()) === running, 10_000);
  const truth = await used(); // charged and held
  expect(truth.tokens).toBeGreaterThan(before.tokens + inLag.tokens);
  expect(truth.requests).toBe(before.requests + inLag.requests + running);
  const dying = doomed.restart();
  await primary.kill();
  expect(await replica.command("CLUSTER FAILOVER TAKEOVER")).toBe("+OK");
  await Promise.all([dying, ...calls]);
  await until(
    "the replica answers",
    () =>
      used().then(
        () => true,
        () => false,
      ),
    30_000,
  );
  await sleep(6_000); // the other one has seen it: nothing of its own is missing
  const after = await used();
  expect(after.requests, "lost").toBeLessThanOrEqual(before.requests);

  const later = spentIn(await load(fleet.members, share(1_000)));
  await until("all is settled", async () => (await liveHolds()) === 0, 3 * leaseMs);
  const whole = { tokens: truth.tokens + later.tokens, requests: truth.requests + later.requests };
  const known = readResources([{ path: "q.yaml", text: quotas }]).quotas;
  const asked = { link, from: [audit], quotas: known, apply: true, steadyForMs: isWhole ? steadyMs : 1_000 };
  const recovered = await recover(asked);
  expect(await used()).toEqual(whole);
  expect(recovered.told.withoutOutcome).toBe(running);
  const again = await recover(asked);
  expect(again.rows.map(({ missing }) => missing)).toEqual([0, 0]);
  expect(await used()).toEqual(whole);
  tellFigure("failover with a sidecar's death", {
    "tokens lost": truth.tokens - after.tokens,
    "calls lost": truth.requests - after.requests,
    "of them without an end": running,
    "added tokens": recovered.rows.find(({ target }) => target.limit.name === "tokens")?.added ?? 0,
    "used afterwards": whole.tokens,
    truth: whole.tokens,
    "records read": readFileSync(audit, "utf8").split("\n").length - 1,
  });
});
