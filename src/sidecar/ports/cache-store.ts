/**
 * The cache store's port: opaque, already sealed bytes under opaque keys. Law: what `put` stored `get` answers byte for byte
 * until its ttl ends; an expired, evicted or overwritten entry never comes back; a store that is full forgets, never fails.
 */
export interface CacheStore {
  /** Throws StoreUnavailable. */
  get(namespace: string, key: string): Promise<Buffer | undefined>;
  /** ttlMs 1 to 86_400_000. Throws StoreUnavailable. */
  put(namespace: string, key: string, value: Buffer, ttlMs: number): Promise<void>;
}
