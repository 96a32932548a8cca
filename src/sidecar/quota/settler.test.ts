import { pino } from "pino";
import { beforeEach, describe, expect, test } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import type { QuotaStore } from "../ports/quota-store.ts";
import { StoreUnavailable } from "../ports/store-unavailable.ts";
import { createMemoryQuotaStore } from "../stores/memory/quota.ts";
import { LeaseKeeper } from "./leases.ts";
import { pendingSettlementsMax, Settler } from "./settler.ts";

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
    const settler = new Settler({ store, log: silentLog(), dropped: () => undefined });
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

describe("many settlements", () => {
  /** A store that takes a settlement only when it is told to. */
  let answer: ((id: string) => Promise<void>) | undefined;
  let sent: string[];
  let lines: { readonly msg: string; readonly settlements?: number }[];
  let dropped: number;
  let settler: Settler;
  beforeEach(() => {
    [answer, sent, lines, dropped] = [undefined, [], [], 0];
    const store: Pick<QuotaStore, "settle"> = {
      settle: async ({ holdId }) => {
        if (!answer) throw new StoreUnavailable("away", { maybeDone: false });
        await answer(holdId);
        sent.push(holdId);
        return true;
      },
    };
    const log = pino(
      { level: "warn" },
      { write: (line) => void lines.push(JSON.parse(line) as (typeof lines)[number]) },
    );
    // The tests ask it for nothing else.
    settler = new Settler({ store: store as QuotaStore, log, dropped: () => void dropped++ });
  });
  let serial = 0;
  const settle = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) settler.settle({ namespace: "ns", holdId: `h${++serial}`, amounts: [1] });
    await settled();
  };
  const taken = async (): Promise<void> => undefined;

  test("that fail while others are tried again drop none of those", async () => {
    await settle(pendingSettlementsMax);
    const { promise, resolve } = Promise.withResolvers<void>();
    answer = () => promise;
    const retrying = settler.retry();
    answer = undefined;
    await settle(1);
    answer = taken;
    resolve();
    await retrying;
    await settler.close();
    expect([new Set(sent).size, sent.length, dropped]).toEqual([
      pendingSettlementsMax + 1,
      pendingSettlementsMax + 1,
      0,
    ]);
  });

  test("beyond the bound drop the oldest, count each and say so once", async () => {
    await settle(pendingSettlementsMax + 3);
    expect([settler.pending, dropped]).toEqual([pendingSettlementsMax, 3]);
    const { promise, reject } = Promise.withResolvers<void>();
    answer = () => promise;
    const retrying = settler.retry();
    answer = undefined;
    const underWay = pendingSettlementsMax - settler.pending;
    await settle(underWay + 2);
    reject(new StoreUnavailable("away", { maybeDone: true }));
    await retrying;
    // Two while the retry was under way, and all of the retry, which was the oldest.
    expect([settler.pending, dropped]).toEqual([pendingSettlementsMax, 3 + 2 + underWay]);
    expect(lines.map(({ msg }) => msg)).toEqual(["settlements are dropped: too many wait for the store"]);
  });

  test("are all sent at the end", async () => {
    await settle(2_345);
    answer = taken;
    await settler.close();
    expect([sent.length, settler.pending, lines.length]).toEqual([2_345, 0, 0]);
  });

  test("that fail while the sidecar ends are sent again by it", async () => {
    const { promise, reject } = Promise.withResolvers<void>();
    answer = () => promise;
    const [first, second] = [settle(1), settle(120)];
    const ended = settler.close();
    answer = taken;
    reject(new StoreUnavailable("late", { maybeDone: true }));
    await Promise.all([first, second, ended]);
    expect([sent.length, settler.pending, lines.length]).toEqual([121, 0, 0]);
  });

  test("that the store does not take at the end are told of", async () => {
    await settle(700);
    answer = async () => {
      if (sent.length >= 300) throw new StoreUnavailable("away", { maybeDone: false });
    };
    await settler.close();
    expect(sent.length).toBeGreaterThanOrEqual(300);
    expect(lines).toMatchObject([
      { msg: "settlements are lost: their holds expire at what they held", settlements: 700 - sent.length },
    ]);
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
