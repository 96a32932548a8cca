import { expect, test } from "vitest";
import { FakeClock } from "../../../base/clock.ts";
import type { WindowSpec } from "../../../base/window.ts";
import type { Claim } from "../../ports/quota-store.ts";
import { StoreUnavailable } from "../../ports/store-unavailable.ts";
import { createMemoryQuotaStore } from "./quota.ts";

const minute: WindowSpec = { type: "Fixed", durationMs: 60_000 };
const claim = (counter: string, window: WindowSpec = minute): Claim => ({
  counter,
  window,
  max: 10,
  amount: 1,
  enforced: true,
});
const request = (holdId: string, claims: readonly Claim[], leaseMs = 1_000) => ({
  namespace: "n",
  holdId,
  leaseMs,
  claims,
});

test("full of live counters it refuses new ones instead of forgetting old ones, and has room when they end", async () => {
  const clock = new FakeClock();
  const store = createMemoryQuotaStore({ clock, entriesMax: 2 });
  await store.reserve(request("a", [claim("one"), claim("two")]));
  const third = store.reserve(request("b", [claim("three")]));
  await expect(third).rejects.toThrow(StoreUnavailable);
  await expect(third).rejects.toMatchObject({ maybeDone: false });
  expect((await store.reserve(request("c", [claim("one")]))).claims[0]?.used).toBe(2);
  clock.advance(60_000);
  expect((await store.reserve(request("d", [claim("three")]))).admitted).toBe(true);
  expect(await store.peek("n", "one", minute)).toBe(0);
});

test("full of live holds it refuses new ones, and has room when their leases end", async () => {
  const clock = new FakeClock();
  const store = createMemoryQuotaStore({ clock, entriesMax: 2 });
  await store.reserve(request("a", [claim("one")]));
  await store.reserve(request("b", [claim("one")], 5_000));
  await expect(store.reserve(request("c", [claim("one")]))).rejects.toThrow(StoreUnavailable);
  clock.advance(1_000);
  expect((await store.reserve(request("c", [claim("one")]))).admitted).toBe(true);
});

test("counters of what runs at once are dropped with their last hold", async () => {
  const store = createMemoryQuotaStore({ clock: new FakeClock(), entriesMax: 1 });
  for (let i = 0; i < 5; i++) {
    expect((await store.reserve(request("a", [claim(`run-${i}`, { type: "Concurrency" })]))).admitted).toBe(true);
    await store.release("n", "a");
  }
});

test("a wall clock that is set back neither frees nor loses what was charged", async () => {
  const clock = new FakeClock(60_000 * 1_000);
  const store = createMemoryQuotaStore({ clock });
  await store.reserve(request("a", [{ ...claim("one"), amount: 10 }]));
  clock.advance(-3_000);
  expect((await store.reserve(request("b", [claim("one")]))).admitted).toBe(false);
});

test.each([
  { name: "a counter with a space", change: { claims: [claim("a b")] } },
  { name: "one counter twice", change: { claims: [claim("a"), claim("a")] } },
  { name: "a fraction", change: { claims: [{ ...claim("a"), amount: 0.5 }] } },
  { name: "a negative amount", change: { claims: [{ ...claim("a"), amount: -1 }] } },
  { name: "a lease of nothing", change: { leaseMs: 0 } },
  { name: "a namespace that would leave its hash tag", change: { namespace: "a}b" } },
  { name: "more output at least than is wanted", change: { output: { wanted: 1, min: 2 } } },
  { name: "a calendar with one boundary", change: { claims: [claim("a", { type: "Calendar", boundariesMs: [1] })] } },
])("our own mistake is a fault, not a refusal: $name", async ({ change }) => {
  const store = createMemoryQuotaStore({ clock: new FakeClock() });
  await expect(store.reserve({ ...request("a", []), ...change })).rejects.toMatchObject({ name: "AssertionFault" });
});
