// Faults that only a Cluster has: it refuses for now, or one of its nodes is dead without a sign while the others answer.
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { openRedis, type RedisStores } from "../../src/sidecar/stores/redis/open.ts";
import { silenceMsMax } from "../../src/sidecar/stores/redis/silence.ts";
import { startProxy, type TestProxy, type TestRedis } from "../fixtures/redis.ts";
import { startRedisPrimaries, type TestPrimaries } from "../fixtures/redis-cluster.ts";
import { claim, outcome, request, slackMs, timeoutMs, until, untilAdmitted } from "./redis-outcomes.ts";

/** Longer than a Cluster's client waits before it sends again what was refused for now, ms. */
const patienceMs = 400;
/** A dead connection is given up by the first probe after 3 s of silence; the next one is 1 s later. */
const strandedMsMax = silenceMsMax + 4_000 + 1_000 + slackMs;
/** All keys of a namespace lie where this one does. */
const keyOf = (namespace: string): string => `sg:{${namespace}}:holds`;

let primaries: TestPrimaries;
let stores: RedisStores;
const proxies: TestProxy[] = [];
beforeEach(async () => {
  primaries = await startRedisPrimaries();
});
afterEach(async () => {
  await stores.close();
  await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()));
  await primaries.stop();
});

const open = async (url: string, commandTimeoutMs: number): Promise<void> => {
  stores = openRedis({ url, log: silentLog(), clock: systemClock, commandTimeoutMs });
  await stores.ready();
};
const refusals = async (nodes: readonly TestRedis[], word: string): Promise<number> => {
  const infos = await Promise.all(nodes.map((node) => node.command("INFO errorstats")));
  return infos.reduce(
    (sum, info) => sum + Number(new RegExp(`errorstat_${word}:count=(\\d+)`).exec(info)?.[1] ?? 0),
    0,
  );
};

test("a command that a Cluster refuses because it is down fails at once and is not sent again", async () => {
  await open(primaries.url, 2_000);
  await stores.quota.reserve(request());
  const { slot, owner } = await primaries.ownerOf(keyOf("faults"));
  await owner.command(`CLUSTER DELSLOTS ${slot}`);
  const { fault, tookMs } = await outcome(() => stores.quota.reserve(request()));
  expect(fault).toMatchObject({ maybeDone: false, message: "Redis failed: CLUSTERDOWN" });
  expect(tookMs).toBeLessThan(slackMs);
  await sleep(patienceMs);
  expect(await refusals(primaries.nodes, "CLUSTERDOWN")).toBe(1);
});

test("a command that a Cluster refuses while it moves the slot fails at once and is not sent again", async () => {
  await open(primaries.url, 2_000);
  await stores.quota.reserve(request());
  const { slot, owner, other } = await primaries.ownerOf(keyOf("faults"));
  await other.command(`CLUSTER SETSLOT ${slot} IMPORTING ${await owner.command("CLUSTER MYID")}`);
  await owner.command(`CLUSTER SETSLOT ${slot} MIGRATING ${await other.command("CLUSTER MYID")}`);
  // The key of live holds is still there, the record of its hold is not made yet.
  const { fault, tookMs } = await outcome(() => stores.quota.reserve(request()));
  expect(fault).toMatchObject({ maybeDone: false, message: "Redis failed: TRYAGAIN" });
  expect(tookMs).toBeLessThan(slackMs);
  await sleep(patienceMs);
  expect(await refusals(primaries.nodes, "TRYAGAIN")).toBe(1);
});

/** Both primaries behind proxies, and the one before the counters of `faults`. */
const behindProxies = async (): Promise<TestProxy> => {
  const { owner } = await primaries.ownerOf(keyOf("faults"));
  for (const node of primaries.nodes) {
    const proxy = await startProxy(node.port);
    proxies.push(proxy);
    await node.command(`CONFIG SET cluster-announce-port ${proxy.port}`);
  }
  for (const node of primaries.nodes) {
    await until("it tells of both proxies", async () => {
      const told = await node.command("CLUSTER NODES");
      return proxies.every(({ port }) => told.includes(`:${port}@`));
    });
  }
  await open(`redis+cluster://${proxies.map(({ port }) => `127.0.0.1:${port}`).join(",")}`, timeoutMs);
  await untilAdmitted(stores);
  return proxies[primaries.nodes.indexOf(owner)] as TestProxy; // there is one for each
};

test("a node whose connection is dead without a sign is found by its silence, though the others answer", async () => {
  const proxy = await behindProxies();
  proxy.strand();
  const startMs = performance.now();
  let isOpen = false;
  for (;;) {
    const { fault } = await outcome(() => stores.quota.reserve(request()));
    if (fault === undefined) break;
    // Once open it stays so: no other node's answer lets callers wait for the dead one again.
    if (isOpen) expect(fault.maybeDone).toBe(false);
    isOpen ||= stores.state().quota.breaker === "Open";
    expect(performance.now() - startMs).toBeLessThan(strandedMsMax);
    await sleep(20);
  }
  expect(isOpen).toBe(true);
  expect(performance.now() - startMs).toBeGreaterThan(silenceMsMax);
});

test("a silent node is found, too, while so many others answer that the breaker stays closed", async () => {
  const { owner } = await primaries.ownerOf(keyOf("faults"));
  const namespaces = Array.from({ length: 20 }, (_, index) => `answering-${index}`);
  const owners = await Promise.all(namespaces.map((namespace) => primaries.ownerOf(keyOf(namespace))));
  const answering = namespaces.find((_, index) => owners[index]?.owner !== owner) ?? "";
  const proxy = await behindProxies();
  proxy.strand();
  const startMs = performance.now();
  for (;;) {
    for (let i = 0; i < 3; i++) expect(await stores.quota.peek(answering, claim.counter, claim.window)).toBe(0);
    if ((await outcome(() => stores.quota.reserve(request()))).fault === undefined) break;
    expect(stores.state().quota.breaker).toBe("Closed");
    expect(performance.now() - startMs).toBeLessThan(strandedMsMax);
    await sleep(100);
  }
  expect(performance.now() - startMs).toBeGreaterThan(silenceMsMax);
});
