import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CacheStore } from "../../src/sidecar/ports/cache-store.ts";

/** A store under test, with a way to let its time pass. */
export interface OpenCacheStore {
  readonly store: CacheStore;
  /** Bytes of the largest value it takes. */
  readonly entryBytesMax: number;
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
}

const bytes = [
  { name: "no bytes", value: Buffer.alloc(0) },
  { name: "every byte there is", value: Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)) },
  { name: "bytes that look like a reply", value: Buffer.from("$3\r\nfoo\r\n-ERR\r\n") },
  { name: "a large value", value: Buffer.alloc(300_000, "sidegate") },
];

let serial = 0;
const fresh = (): string => `key-${process.pid}-${++serial}`;

/** The laws of the cache store's port: every adapter passes the same ones. */
export const cacheStoreContract = (name: string, open: () => Promise<OpenCacheStore>): void => {
  describe(`cache store: ${name}`, () => {
    let opened: OpenCacheStore;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened.close());

    test.each(bytes)("answers $name as they were stored", async ({ value }) => {
      const key = fresh();
      await opened.store.put("team", key, value, 60_000);
      const found = await opened.store.get("team", key);
      expect(found?.equals(value)).toBe(true);
    });

    test("keeps its own copy: what the caller does to its bytes later does not show", async () => {
      const key = fresh();
      const value = Buffer.from("before");
      await opened.store.put("team", key, value, 60_000);
      value.fill("x");
      expect((await opened.store.get("team", key))?.toString()).toBe("before");
    });

    test("answers undefined for what was never stored, and keeps namespaces apart", async () => {
      const key = fresh();
      expect(await opened.store.get("team", key)).toBeUndefined();
      await opened.store.put("team", key, Buffer.from("a"), 60_000);
      expect(await opened.store.get("other", key)).toBeUndefined();
    });

    test("a later value replaces the earlier one, with its own TTL", async () => {
      const key = fresh();
      await opened.store.put("team", key, Buffer.from("old"), 40);
      await opened.store.put("team", key, Buffer.from("new"), 60_000);
      await opened.advance(50);
      expect((await opened.store.get("team", key))?.toString()).toBe("new");
    });

    test("an entry is gone when its TTL has ended", async () => {
      const key = fresh();
      await opened.store.put("team", key, Buffer.from("short"), 40);
      await opened.advance(50);
      expect(await opened.store.get("team", key)).toBeUndefined();
    });

    test("a value above the bound of one entry is not stored, and that is no fault", async () => {
      const key = fresh();
      await opened.store.put("team", key, Buffer.alloc(opened.entryBytesMax), 60_000);
      expect((await opened.store.get("team", key))?.length).toBe(opened.entryBytesMax);
      const larger = fresh();
      await opened.store.put("team", larger, Buffer.alloc(opened.entryBytesMax + 1), 60_000);
      expect(await opened.store.get("team", larger)).toBeUndefined();
    });
  });
};
