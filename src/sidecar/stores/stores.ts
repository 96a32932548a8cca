/** Opens the stores that a sidecar uses: Redis where a file or a URL says where it is, memory for one machine. */
import { randomUUID } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Stores } from "../options.ts";
import { followRedisFile, readRedisFile } from "../redis-file.ts";

import { LossGuard } from "./loss-guard.ts";

import { createMemoryCacheStore } from "./memory/cache.ts";
import { createMemoryQuotaStore } from "./memory/quota.ts";
import { openRedis, type RedisStores } from "./redis/open.ts";

/** Where the stores are. Both absent: in memory. */
export interface StoreSettings {
  /** A redis.json, which is followed. */
  readonly redisFile?: string | undefined;
  /** Without a file. */
  readonly redisUrl?: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Bound of one command to Redis, ms; absent: 50. */
  readonly commandTimeoutMs?: number | undefined;
}

/**
 * Never waits for Redis longer than one connection attempt, and starts without it. Throws RedisUrlFault for a URL that is none,
 * SettingsFault for a file that is missing or broken: with a file there is no falling back to memory, where nothing is shared.
 */
export async function openStores(settings: StoreSettings): Promise<Stores> {
  const { redisFile, redisUrl, clock, log } = settings;
  if (redisFile !== undefined) return openFromFile(redisFile, settings);
  if (redisUrl !== undefined)
    return storesIn(openRedis({ url: redisUrl, clock, log, ...timeoutOf(settings) }), settings, () => undefined);
  return {
    kind: "memory",
    quota: createMemoryQuotaStore({ clock }),
    cache: createMemoryCacheStore({ clock }),
    isUp: () => true,
    close: async () => undefined,
  };
}

const timeoutOf = ({ commandTimeoutMs }: StoreSettings): { commandTimeoutMs?: number } =>
  commandTimeoutMs === undefined ? {} : { commandTimeoutMs };

async function openFromFile(path: string, settings: StoreSettings): Promise<Stores> {
  const place = readRedisFile(path);
  const redis = openRedis({ ...place, clock: settings.clock, log: settings.log, ...timeoutOf(settings) });
  const unfollow = followRedisFile(path, place, {
    changed: (next) => {
      settings.log.info("redis.json has changed");
      redis.follow(next);
    },
    refused: (why) => settings.log.error({ why }, "redis.json refused, the last good one stays in force"),
  });
  return storesIn(redis, settings, unfollow);
}

async function storesIn(redis: RedisStores, settings: StoreSettings, unfollow: () => void): Promise<Stores> {
  await redis.ready();
  const { quota: store, marks, cache, beats } = redis;

  const quota = new LossGuard({ store, legs: store.legs, marks, instance: randomUUID(), log: settings.log });
  redis.onRecovered(() => void quota.look()); // before there is much of which nobody knows which server took it
  const close = (): Promise<void> => {
    unfollow();
    quota.stop();
    return redis.close();
  };
  const isUp = (): boolean => redis.state().quota.up;
  return { kind: "redis", quota, cache, beats, isUp, chargesTold: () => quota.told, close };
}
