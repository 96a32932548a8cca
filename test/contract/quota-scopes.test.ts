import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll } from "vitest";
import { FakeClock, systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { createMemoryQuotaStore } from "../../src/sidecar/stores/memory/quota.ts";
import { openRedis, type RedisStores } from "../../src/sidecar/stores/redis/open.ts";
import { until } from "../fixtures/calls.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import { startRedisCluster, type TestCluster } from "../fixtures/redis-cluster.ts";
import { quotaScopeContract } from "./quota-scopes.contract.ts";
import type { OpenQuotaStore } from "./quota-store.contract.ts";

let redis: TestRedis;
let cluster: TestCluster;
const opened: RedisStores[] = [];

const openAt = async (url: string): Promise<OpenQuotaStore> => {
  // The laws are about counters, not about speed: a slow machine must not fail them.
  const stores = openRedis({ url, log: silentLog(), clock: systemClock, commandTimeoutMs: 5_000 });
  opened.push(stores);
  await stores.ready();
  await until("every node takes commands", () =>
    Promise.all(["a", "b", "c", "d", "_cluster"].map((namespace) => stores.quota.liveHolds(namespace))).then(
      () => true,
      () => false,
    ),
  );
  return {
    store: stores.quota,
    advance: (ms) => sleep(ms),
    nowMs: () => Date.now(),
    close: async () => undefined,
  };
};

beforeAll(async () => {
  redis = await startRedis();
  cluster = await startRedisCluster();
}, 60_000);
afterAll(async () => {
  for (const stores of opened) await stores.close();
  await redis.stop();
  await cluster.stop();
});

quotaScopeContract("memory", async () => {
  const clock = new FakeClock();
  return {
    store: createMemoryQuotaStore({ clock }),
    advance: async (ms) => clock.advance(ms),
    nowMs: () => clock.nowMs(),
    close: async () => undefined,
  };
});
quotaScopeContract("redis", () => openAt(redis.url));
quotaScopeContract("redis cluster", () => openAt(cluster.url));
