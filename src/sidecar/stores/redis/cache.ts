import { assert } from "../../../base/assert.ts";
import { cacheKey } from "../../../redis/keys.ts";
import type { CacheStore } from "../../ports/cache-store.ts";
import { StoreUnavailable } from "../../ports/store-unavailable.ts";
import { cacheEntryBytesMaxDefault } from "../memory/cache.ts";
import type { Connection } from "./connection.ts";
import { commandFaultOf } from "./faults.ts";

const ttlMsMax = 86_400_000;

/** Where answers are kept, and how large one may be. */
export interface RedisCacheSettings {
  readonly connection: Connection;
  /** A larger value is not stored. Default 1 MiB. */
  readonly entryBytesMax?: number;
}

/** Sealed answers in Redis. It may be another one than the quotas', with an eviction policy: what is evicted is a miss. */
export const createRedisCacheStore = ({
  connection,
  entryBytesMax = cacheEntryBytesMaxDefault,
}: RedisCacheSettings): CacheStore => ({
  get: async (namespace, key) => {
    const reply = await connection.send("get", [cacheKey(namespace, key)]);
    if (reply === null) return undefined;
    if (!Buffer.isBuffer(reply))
      throw new StoreUnavailable("Redis answered with something unexpected", { maybeDone: true });
    return reply;
  },
  put: async (namespace, key, value, ttlMs) => {
    assert(Number.isSafeInteger(ttlMs) && ttlMs >= 1 && ttlMs <= ttlMsMax, "a TTL is 1 ms to 24 h");
    if (value.length > entryBytesMax) return;
    try {
      await connection.send("set", [cacheKey(namespace, key), value, "PX", String(ttlMs)]);
      connection.setFull(false);
    } catch (fault) {
      // A full store forgets.
      if (fault instanceof StoreUnavailable && commandFaultOf(fault.cause).kind === "Full") return;
      throw fault;
    }
  },
});
