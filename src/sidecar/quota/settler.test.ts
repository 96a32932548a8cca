import { describe, expect, test } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import type { QuotaStore } from "../ports/quota-store.ts";
import { StoreUnavailable } from "../ports/store-unavailable.ts";
import { createMemoryQuotaStore } from "../stores/memory/quota.ts";
import { LeaseKeeper } from "./leases.ts";
import { Settler } from "./settler.ts";

/** A memory store that can be switched off. */
function switchable(clock: FakeClock): { store: QuotaStore; state: { away: boolean } } {
  const inner = createMemoryQuotaStore({ clock });
  const state = { away: false };
  const guard =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (state.away) throw new StoreUnavailable("away", { maybeDone: false });
      return call(...args);
    };
  return {
    state,
    store: {
      reserve: guard((r) => inner.reserve(r)),
      settle: guard((s) => inner.settle(s)),
      release: guard((n, h) => inner.release(n, h)),
      trim: guard((n, t) => inner.trim(n, t)),
      renew: guard((n, h, l) => inner.renew(n, h, l)),
      peek: (n, c, w) => inner.peek(n, c, w),
      liveHolds: (n) => inner.liveHolds(n),
    },
  };
}
const window = { type: "Fixed", durationMs: 3_600_000 } as const;
const reserve = (store: QuotaStore, holdId: string) =>
  store.reserve({
    namespace: "ns",
    holdId,
    leaseMs: 6_000,
    claims: [{ counter: "c", window, max: 100, amount: 10, enforced: true }],
  });
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("settlements", () => {
  test("that the store did not take are kept and sent again until it does, and count once", async () => {
    const { store, state } = switchable(new FakeClock());
    const settler = new Settler({ store, log: silentLog() });
    await reserve(store, "a");
    await reserve(store, "b");
    state.away = true;
    settler.settle({ namespace: "ns", holdId: "a", amounts: [3] });
    settler.release("ns", "b");
    await settled();
    expect(settler.pending).toBe(2);
    await settler.retry();
    expect(settler.pending).toBe(2);
    state.away = false;
    await settler.retry();
    expect(settler.pending).toBe(0);
    settler.settle({ namespace: "ns", holdId: "a", amounts: [9] });
    await settled();
    expect(await store.peek("ns", "c", window)).toBe(3);
    expect(await store.liveHolds("ns")).toBe(0);
  });
});

describe("leases", () => {
  test("of running requests are renewed before they end, those of ended ones are not", async () => {
    const clock = new FakeClock();
    const { store } = switchable(clock);
    const leases = new LeaseKeeper({ store, clock, log: silentLog() });
    await reserve(store, "runs");
    await reserve(store, "dies");
    leases.keep("ns", "runs", 6_000);
    for (let i = 0; i < 10; i++) {
      clock.advance(2_000);
      await leases.renewDue();
    }
    expect(await store.liveHolds("ns")).toBe(1);
    expect(await store.settle({ namespace: "ns", holdId: "runs", amounts: [1] })).toBe(true);
    expect(await store.settle({ namespace: "ns", holdId: "dies", amounts: [1] })).toBe(false);
    expect(await store.peek("ns", "c", window)).toBe(11); // the dead one stays charged at what it held
    leases.drop("runs");
    expect(leases.size).toBe(0);
  });

  test("survive a store that is away for a while", async () => {
    const clock = new FakeClock();
    const { store, state } = switchable(clock);
    const leases = new LeaseKeeper({ store, clock, log: silentLog() });
    await reserve(store, "runs");
    leases.keep("ns", "runs", 6_000);
    clock.advance(2_000);
    state.away = true;
    await leases.renewDue();
    state.away = false;
    clock.advance(1_000);
    await leases.renewDue();
    clock.advance(5_000);
    expect(await store.liveHolds("ns")).toBe(1);
  });
});
