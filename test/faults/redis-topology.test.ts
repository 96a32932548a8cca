import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { Claim } from "../../src/sidecar/ports/quota-store.ts";
import { openRedis, type RedisStores } from "../../src/sidecar/stores/redis/open.ts";
import { startRedis, startSentinel, type TestRedis } from "../fixtures/redis.ts";
import { startRedisPrimaries } from "../fixtures/redis-cluster.ts";

const recoveryMsMax = 10_000;
const claims: readonly Claim[] = [
  { counter: "rpm", window: { type: "Sliding", durationMs: 60_000 }, max: 1_000, amount: 1, enforced: true },
  { counter: "inflight", window: { type: "Concurrency" }, max: 1_000, amount: 1, enforced: true },
];
let serial = 0;
const request = (namespace: string) => ({ namespace, holdId: `hold-${++serial}`, leaseMs: 60_000, claims });

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const open = async (url: string): Promise<RedisStores> => {
  // The test is about ways, not about speed.
  const stores = openRedis({ url, log: silentLog(), clock: systemClock, commandTimeoutMs: 1_000 });
  ends.push(() => stores.close());
  await stores.ready();
  return stores;
};

const start = async (args: readonly string[] = []): Promise<TestRedis> => {
  const redis = await startRedis({ args });
  ends.push(() => redis.stop());
  return redis;
};

/** Reserves and settles once, as often as it takes. */
const untilServed = async (stores: RedisStores, namespace: string): Promise<void> => {
  const endsMs = performance.now() + recoveryMsMax;
  for (;;) {
    try {
      const asked = request(namespace);
      expect((await stores.quota.reserve(asked)).admitted).toBe(true);
      expect(await stores.quota.settle({ namespace, holdId: asked.holdId, amounts: [1, 0] })).toBe(true);
      return;
    } catch (fault) {
      if (performance.now() > endsMs) throw fault;
      await sleep(50);
    }
  }
};

test("on a Cluster every namespace finds its node, also after its slot has moved", async () => {
  const primaries = await startRedisPrimaries();
  ends.push(() => primaries.stop());
  const stores = await open(primaries.url);
  const namespaces = Array.from({ length: 12 }, (_, index) => `team-${index}`);
  for (const namespace of namespaces) {
    await untilServed(stores, namespace);
    await stores.cache.put(namespace, "key", Buffer.from(namespace), 60_000);
    expect((await stores.cache.get(namespace, "key"))?.toString()).toBe(namespace);
    expect(await stores.quota.liveHolds(namespace)).toBe(0);
  }

  const { slot, owner: from, other: to } = await primaries.ownerOf("sg:{fresh}:holds");
  const target = await to.command("CLUSTER MYID");
  for (const each of [to, from]) await each.command(`CLUSTER SETSLOT ${slot} NODE ${target}`);
  await untilServed(stores, "fresh");
  expect(await to.command("EXISTS sg:{fresh}:sliding:60000:rpm")).toBe(":1");
});

test("behind Sentinels the new master is found when the old one is gone", async () => {
  const master = await start();
  const replica = await start(["--replicaof", `127.0.0.1 ${master.port}`, "--repl-diskless-sync-delay", "0"]);
  while (!(await replica.command("INFO replication")).includes("master_link_status:up")) await sleep(50);
  const sentinel = await startSentinel(master.port);
  ends.push(() => sentinel.stop());
  while (!(await ask(sentinel.port, replica.port))) await sleep(100);

  const stores = await open(`redis+sentinel://127.0.0.1:${sentinel.port}/quotas`);
  await untilServed(stores, "team");
  await master.kill();
  await untilServed(stores, "team");
  expect(await replica.command("INFO replication")).toContain("role:master");
});

/** Whether the Sentinel knows of the replica; before that it could not fail over. */
const ask = async (sentinelPort: number, replicaPort: number): Promise<boolean> => {
  const client = new Redis(sentinelPort, "127.0.0.1");
  try {
    return JSON.stringify(await client.call("SENTINEL", "REPLICAS", "quotas")).includes(`:${replicaPort}`);
  } finally {
    client.disconnect();
  }
};
