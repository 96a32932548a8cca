import type { Clock } from "../../../base/clock.ts";
import type { Log } from "../../../base/log.ts";
import type { RedisPlace } from "../../../redis/place.ts";
import type { BeatStore } from "../../ports/beat-store.ts";
import type { CacheStore } from "../../ports/cache-store.ts";
import type { MarkStore } from "../../ports/mark-store.ts";
import { createRedisBeatStore } from "./beats.ts";
import { createRedisCacheStore } from "./cache.ts";
import { Connection, type ConnectionState } from "./connection.ts";
import { createRedisMarkStore } from "./marks.ts";
import { RedisQuotaStore } from "./quota.ts";

/** What the stores in Redis need. */
export interface RedisSettings {
  /** See parseRedisUrl for the forms. */
  readonly url: string;
  /** PEM of the authorities that may sign the servers' certificates; absent: the system's. */
  readonly ca?: string | undefined;
  /** Another Redis for the cache, which may evict; absent or equal: the same one, over the same connection. */
  readonly cacheUrl?: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Bound of one command, ms: 1 to 10,000; default 50. */
  readonly commandTimeoutMs?: number;
  /** Bound of the TCP and TLS handshake, ms; default 1,000. */
  readonly connectTimeoutMs?: number;
  /** A larger answer is not cached, bytes; default 1 MiB. */
  readonly cacheEntryBytesMax?: number;
}

/** The stores of one sidecar in Redis. */
export interface RedisStores {
  readonly quota: RedisQuotaStore;
  readonly cache: CacheStore;
  readonly beats: BeatStore;
  /** Beside the counters. */
  readonly marks: MarkStore;
  /** The same twice where one Redis serves both. */
  state(): { readonly quota: ConnectionState; readonly cache: ConnectionState };
  /** Calls `listener` at each new connection to the quotas' Redis, and when it is well again. */
  onRecovered(listener: () => void): void;
  /** Goes on at another place; see Connection.follow. A cache of its own stays where it is. Throws RedisUrlFault. */
  follow(place: RedisPlace): void;
  /** Resolves with the first connection or its failure, at the latest after the connect timeout; never rejects. */
  ready(): Promise<void>;
  /** Lets commands under way end, releases what it can, disconnects. */
  close(): Promise<void>;
}

/** Opens the connections; commands fail at once until they stand. Throws RedisUrlFault. */
export const openRedis = (settings: RedisSettings): RedisStores => {
  const { url, ca, cacheUrl = url, log, clock } = settings;
  const shared = {
    log,
    clock,
    ...(settings.commandTimeoutMs !== undefined && { commandTimeoutMs: settings.commandTimeoutMs }),
    ...(settings.connectTimeoutMs !== undefined && { connectTimeoutMs: settings.connectTimeoutMs }),
  };
  const connection = new Connection({ ...shared, place: { url, ca }, purpose: "quota" });
  const cacheConnection =
    cacheUrl === url ? connection : new Connection({ ...shared, place: { url: cacheUrl, ca }, purpose: "cache" });
  const quota = new RedisQuotaStore({ connection, log });
  const cache = createRedisCacheStore({
    connection: cacheConnection,
    ...(settings.cacheEntryBytesMax !== undefined && { entryBytesMax: settings.cacheEntryBytesMax }),
  });
  const connections = new Set([connection, cacheConnection]);
  return {
    quota,
    cache,
    beats: createRedisBeatStore(connection),
    marks: createRedisMarkStore(connection),
    onRecovered: (listener) => connection.onRecovered(listener),
    follow: (place) => connection.follow(place),
    state: () => ({ quota: connection.state(), cache: cacheConnection.state() }),
    ready: async () => {
      await Promise.all([...connections].map((each) => each.ready()));
      await quota.checked();
    },
    close: async () => {
      await quota.close();
      await Promise.all([...connections].map((each) => each.close()));
    },
  };
};
