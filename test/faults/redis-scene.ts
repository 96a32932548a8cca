/** A Redis of its own for each test, the stores of a sidecar on it, and what they log. */
import { pino } from "pino";
import { afterEach, beforeEach } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import type { Log } from "../../src/base/log.ts";
import { openRedis, type RedisSettings, type RedisStores } from "../../src/sidecar/stores/redis/open.ts";
import { startProxy, startRedis, type TestProxy, type TestRedis } from "../fixtures/redis.ts";
import { timeoutMs } from "./redis-outcomes.ts";

/** What a test works with; anew before each. */
interface RedisScene {
  readonly redis: TestRedis;
  readonly stores: RedisStores;
  readonly lines: readonly { readonly msg: string; readonly level: number }[];
  log(): Log;
  /** How often a message was logged. */
  said(message: string): number;
  /** Opens `stores`; to be called once. */
  open(change?: Partial<RedisSettings>): Promise<void>;
  /** A way to `redis` that can be slow and can break. */
  behindProxy(): Promise<TestProxy>;
}

/** Starts a Redis before each test, and stops all of it afterwards. */
export const useRedis = (): RedisScene => {
  let redis: TestRedis;
  let stores: RedisStores;
  let proxy: TestProxy | undefined;
  let lines: { msg: string; level: number }[] = [];
  const log = (): Log =>
    pino(
      { level: "info" },
      { write: (line: string) => void lines.push(JSON.parse(line) as { msg: string; level: number }) },
    );
  beforeEach(async () => {
    lines = [];
    proxy = undefined;
    redis = await startRedis();
  });
  afterEach(async () => {
    redis.resume();
    await stores.close();
    await proxy?.stop();
    await redis.stop();
  });
  return {
    get redis() {
      return redis;
    },
    get stores() {
      return stores;
    },
    get lines() {
      return lines;
    },
    log,
    said: (message) => lines.filter(({ msg }) => msg === message).length,
    open: async (change = {}) => {
      stores = openRedis({ url: redis.url, log: log(), clock: systemClock, commandTimeoutMs: timeoutMs, ...change });
      await stores.ready();
    },
    behindProxy: async () => {
      proxy = await startProxy(redis.port);
      return proxy;
    },
  };
};
