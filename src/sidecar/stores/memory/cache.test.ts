import { expect, test } from "vitest";
import { FakeClock } from "../../../base/clock.ts";
import { createMemoryCacheStore } from "./cache.ts";

test("over its bound the least recently used entry goes first", async () => {
  const store = createMemoryCacheStore({ clock: new FakeClock(), bytesMax: 3_000 });
  const put = (key: string) => store.put("n", key, Buffer.alloc(700), 60_000);
  await put("a");
  await put("b");
  await put("c");
  await store.get("n", "a");
  await put("d");
  const found = await Promise.all(["a", "b", "c", "d"].map((key) => store.get("n", key)));
  expect(found.map((value) => value !== undefined)).toEqual([true, false, true, true]);
});

test("its bytes are those of the entries it has, however often they are replaced", async () => {
  const store = createMemoryCacheStore({ clock: new FakeClock(), bytesMax: 3_000 });
  for (let i = 0; i < 100; i++) await store.put("n", "same", Buffer.alloc(700), 60_000);
  await store.put("n", "b", Buffer.alloc(700), 60_000);
  expect((await store.get("n", "same"))?.length).toBe(700);
});
