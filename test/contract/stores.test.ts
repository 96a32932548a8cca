import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll } from "vitest";
import { FakeClock, systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { cacheEntryBytesMaxDefault, createMemoryCacheStore } from "../../src/sidecar/stores/memory/cache.ts";
import { createMemoryQuotaStore } from "../../src/sidecar/stores/memory/quota.ts";
import { openRedis, type RedisStores } from "../../src/sidecar/stores/redis/open.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import { cacheStoreContract } from "./cache-store.contract.ts";
import { type OpenQuotaStore, quotaStoreContract } from "./quota-store.contract.ts";
import { quotaTrimContract } from "./quota-trim.contract.ts";
import { quotaWindowContract } from "./quota-windows.contract.ts";

let redis: TestRedis;
let stores: RedisStores;
beforeAll(async () => {
  redis = await startRedis();
  // The laws are about counters, not about speed: a slow machine must not fail them.
  stores = openRedis({ url: redis.url, log: silentLog(), clock: systemClock, commandTimeoutMs: 5_000 });
  await stores.ready();
});
afterAll(async () => {
  await stores.close();
  await redis.stop();
});

const close = async (): Promise<void> => undefined;
const passing = { advance: (ms: number) => sleep(ms), nowMs: () => Date.now(), close };

const memory = async (): Promise<OpenQuotaStore> => {
  const clock = new FakeClock();
  const advance = async (ms: number): Promise<void> => clock.advance(ms);
  return { store: createMemoryQuotaStore({ clock }), advance, nowMs: () => clock.nowMs(), close };
};
const inRedis = async (): Promise<OpenQuotaStore> => ({ store: stores.quota, ...passing });

quotaStoreContract("memory", memory);
quotaStoreContract("redis", inRedis);
quotaTrimContract("memory", memory);
quotaTrimContract("redis", inRedis);
quotaWindowContract("memory", memory);
quotaWindowContract("redis", inRedis);

cacheStoreContract("memory", async () => {
  const clock = new FakeClock();
  const store = createMemoryCacheStore({ clock });
  return { store, entryBytesMax: cacheEntryBytesMaxDefault, advance: async (ms) => clock.advance(ms), close };
});
cacheStoreContract("redis", async () => ({
  store: stores.cache,
  entryBytesMax: cacheEntryBytesMaxDefault,
  ...passing,
}));
