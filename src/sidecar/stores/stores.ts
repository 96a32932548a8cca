/** Opens the stores that a sidecar uses: Redis where a URL is given, memory for one machine. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Stores } from "../sidecar.ts";
import { createMemoryCacheStore } from "./memory/cache.ts";
import { createMemoryQuotaStore } from "./memory/quota.ts";
import { openRedis } from "./redis/open.ts";

/**
 * `redisUrl` absent: memory. Never waits for Redis longer than one connection attempt, and starts without it. Throws
 * RedisUrlFault for a URL that is none.
 */
export async function openStores(options: { redisUrl: string | undefined; clock: Clock; log: Log }): Promise<Stores> {
  const { redisUrl, clock, log } = options;
  if (redisUrl !== undefined) {
    const redis = openRedis({ url: redisUrl, clock, log });
    await redis.ready();
    const { quota, cache } = redis;
    return { kind: "redis", quota, cache, isUp: () => redis.state().quota.up, close: () => redis.close() };
  }
  return {
    kind: "memory",
    quota: createMemoryQuotaStore({ clock }),
    cache: createMemoryCacheStore({ clock }),
    isUp: () => true,
    close: async () => undefined,
  };
}
