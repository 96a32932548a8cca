/** Opens the stores that a sidecar uses: Redis where a URL is given, memory for one machine. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Stores } from "../sidecar.ts";
import { createMemoryCacheStore } from "./memory/cache.ts";
import { createMemoryQuotaStore } from "./memory/quota.ts";
import { openRedis } from "./redis/open.ts";

/** What the stores are opened with. */
export interface StoreSettings {
  /** Absent: memory. See parseRedisUrl for the forms. */
  readonly redisUrl: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Waits for Redis as long as one connection attempt takes, and starts without it: each quota's failurePolicy then decides. */
export async function openStores({ redisUrl, clock, log }: StoreSettings): Promise<Stores> {
  if (redisUrl === undefined) {
    return {
      kind: "memory",
      quota: createMemoryQuotaStore({ clock }),
      cache: createMemoryCacheStore({ clock }),
      isUp: () => true,
      close: async () => undefined,
    };
  }
  const redis = openRedis({ url: redisUrl, clock, log });
  await redis.ready();
  return {
    kind: "redis",
    quota: redis.quota,
    cache: redis.cache,
    isUp: () => redis.state().quota.up,
    close: () => redis.close(),
  };
}
