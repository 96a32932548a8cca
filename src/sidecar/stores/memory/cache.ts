import type { Clock } from "../../../base/clock.ts";
import type { CacheStore } from "../../ports/cache-store.ts";

/** Default bound of all entries together, bytes: 64 MiB. */
export const cacheBytesMaxDefault = 64 * 1024 * 1024;
/** Default bound of one entry, bytes: 1 MiB. A larger one is not stored. */
export const cacheEntryBytesMaxDefault = 1024 * 1024;

/** What an entry costs beside its key and value: map slot, objects, Buffer header. Measured roughly, bytes. */
const entryOverheadBytes = 256;

/** Bounds of the in-memory cache, and its time. */
export interface MemoryCacheSettings {
  readonly clock: Clock;
  /** Bytes of all entries with their keys and an overhead of 256 each; the least recently used goes first. Default 64 MiB. */
  readonly bytesMax?: number;
  /** Default 1 MiB. */
  readonly entryBytesMax?: number;
}

interface Entry {
  readonly value: Buffer;
  readonly endsMs: number;
  readonly bytes: number;
}

/**
 * A cache in this process: bounded, least recently used goes first, entries end by the monotonic clock. What `get` answers is
 * the stored bytes themselves: read, do not write.
 */
export const createMemoryCacheStore = (settings: MemoryCacheSettings): CacheStore => {
  const { clock, bytesMax = cacheBytesMaxDefault, entryBytesMax = cacheEntryBytesMaxDefault } = settings;
  // A Map keeps the order of insertion: a hit moves its entry to the end, so the first one is the least recently used.
  const entries = new Map<string, Entry>();
  let bytes = 0;

  const drop = (name: string): void => {
    const entry = entries.get(name);
    if (entry === undefined) return;
    entries.delete(name);
    bytes -= entry.bytes;
  };

  const get = async (namespace: string, key: string): Promise<Buffer | undefined> => {
    const name = `${namespace}/${key}`;
    const entry = entries.get(name);
    if (entry === undefined) return undefined;
    if (entry.endsMs <= clock.monotonicMs()) {
      drop(name);
      return undefined;
    }
    entries.delete(name);
    entries.set(name, entry);
    return entry.value;
  };

  const put = async (namespace: string, key: string, value: Buffer, ttlMs: number): Promise<void> => {
    const name = `${namespace}/${key}`;
    drop(name);
    const cost = value.length + name.length * 2 + entryOverheadBytes;
    if (value.length > entryBytesMax || cost > bytesMax) return;
    // A copy: the caller's Buffer may be a view of a larger one, which would stay in memory with it.
    entries.set(name, { value: Buffer.from(value), endsMs: clock.monotonicMs() + ttlMs, bytes: cost });
    bytes += cost;
    for (const oldest of entries.keys()) {
      if (bytes <= bytesMax) break;
      drop(oldest);
    }
  };

  return { get, put };
};
