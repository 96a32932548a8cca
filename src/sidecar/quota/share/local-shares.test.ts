import { setImmediate as settledPromises } from "node:timers/promises";
import { pino } from "pino";
import { beforeEach, describe, expect, test } from "vitest";
import {
  claimOn,
  namespace,
  openShareSidecar,
  type Running,
  type ShareLimit,
  type ShareSidecar,
} from "../../../../test/fixtures/share-sidecar.ts";
import { FakeClock } from "../../../base/clock.ts";
import { clusterNamespace, counterKey, partsOfCounterKey } from "../../../redis/keys.ts";
import type { QuotaStore } from "../../ports/quota-store.ts";
import { createMemoryQuotaStore } from "../../stores/memory/quota.ts";
import { partsCounter, partsLeaseMs } from "./leases.ts";
import { localHoldsMax } from "./ledger.ts";
import { refreshMs, shareIdleMs, sharesMax } from "./local-shares.ts";
import { partsMax } from "./share.ts";

const hour = 3_600_000;
const fixed: ShareLimit = { counter: "q/l/all", window: { type: "Fixed", durationMs: hour }, max: 100 };
const sliding: ShareLimit = { ...fixed, window: { type: "Sliding", durationMs: hour } };
const running: ShareLimit = { counter: "q/run/all", window: { type: "Concurrency" }, max: 10 };

let clock: FakeClock;
let store: QuotaStore;
let one: ShareSidecar;
let other: ShareSidecar;
beforeEach(() => {
  clock = new FakeClock(480_000 * hour);
  store = createMemoryQuotaStore({ clock });
  one = openShareSidecar(store, clock);
  other = openShareSidecar(store, clock);
});

/** Asks for so much at once; ends it at what it held. */
const spend = async (sidecar: ShareSidecar, amount: number, limit = fixed): Promise<boolean> => {
  const run = await sidecar.ask([claimOn(limit, amount)]);
  run?.end([amount]);
  await settledPromises();
  return run !== undefined;
};
/** How many single units it gets. */
const units = async (sidecar: ShareSidecar, limit = fixed): Promise<number> => {
  let count = 0;
  while (await spend(sidecar, 1, limit)) count++;
  return count;
};
const settleDown = async (): Promise<void> => {
  for (let i = 0; i < 12; i++) {
    clock.advance(refreshMs);
    await one.shares.refresh();
    await other.shares.refresh();
    await settledPromises();
  }
};
const away = (): void => {
  one.store.way = "away";
  other.store.way = "away";
};
const used = (limit = fixed): Promise<number> => store.peek(namespace, limit.counter, limit.window);

describe("while the store is away", () => {
  test("the only user of a counter may spend what is left of it", async () => {
    await spend(one, 30);
    await settleDown();
    away();
    expect(await units(one)).toBe(70);
  });

  test("users divide what is left by what they used", async () => {
    await spend(one, 30);
    await spend(other, 10);
    await settleDown();
    away();
    const shares = [await units(one), await units(other)];
    expect(shares[0]).toBeGreaterThanOrEqual(40);
    expect(shares[1]).toBeGreaterThanOrEqual(12);
    expect((shares[0] ?? 0) + (shares[1] ?? 0)).toBeLessThanOrEqual(60);
  });

  test("a sidecar that started later learns its part from what was used since", async () => {
    await spend(one, 50);
    await settleDown();
    await spend(other, 10); // all of what was used since it first looked
    await spend(one, 10);
    await settleDown();
    away();
    expect(await units(other)).toBeGreaterThanOrEqual(3);
  });

  test("a counter that was never met admits nothing, and neither does one whose part is not held yet", async () => {
    await spend(one, 1);
    away();
    expect(await units(one)).toBe(0);
    expect(await units(other)).toBe(0);
  });

  test("in mode Audit nothing refuses", async () => {
    away();
    expect(await one.ask([claimOn(fixed, 1, false)])).toBeDefined();
    expect(one.shares.ledgerSize).toBe(0);
  });

  test.each([
    ["Fixed", fixed, hour],
    ["Sliding", sliding, hour + hour / 16],
  ] as const)("a %s window that is over makes room for the share of a whole limit", async (_, limit, lengthMs) => {
    await spend(one, 40, limit);
    await settleDown();
    away();
    expect(await units(one, limit)).toBe(60);
    clock.advance(lengthMs / 2);
    expect(await units(one, limit)).toBe(0);
    clock.advance(lengthMs);
    expect(await units(one, limit)).toBe(100);
    expect(await units(one, limit)).toBe(0);
  });

  test("of Concurrency it has its places, its part of the free ones, and those that are given back", async () => {
    const runs: Running[] = [];
    const start = async (): Promise<boolean> => {
      const run = await one.ask([claimOn(running, 1)]);
      if (run) runs.push(run);
      return run !== undefined;
    };
    for (let i = 0; i < 4; i++) await start();
    await settleDown();
    away();
    while (await start()) {
      // until it is full
    }
    expect(runs).toHaveLength(running.max);
    runs[0]?.end([0]); // one that Redis holds
    runs.at(-1)?.end([0]); // one that only this sidecar knows
    expect([await start(), await start(), await start()]).toEqual([true, true, false]);
  });

  test("charges of windows that are over do not pile up while a call runs on", async () => {
    await spend(one, 10);
    const before = await one.ask([claimOn(running, 1)]);
    await settleDown();
    away();
    before?.end([0]);
    expect(await one.ask([claimOn(running, 1)])).toBeDefined();
    for (let i = 0; i < 20; i++) {
      clock.advance(hour);
      expect(await spend(one, 1)).toBe(true);
      await one.shares.flush();
    }
    expect(one.shares.ledgerSize).toBe(2); // the call, and what ended in the window that runs
    expect(one.dropped()).toBe(19);
  });

  test("what is admitted at once is bounded", async () => {
    const wide = { ...fixed, max: 10 * localHoldsMax };
    await spend(one, 1, wide);
    await settleDown();
    away();
    for (let i = 0; i < localHoldsMax; i++) expect(await one.ask([claimOn(wide, 1)])).toBeDefined();
    expect(await one.ask([claimOn(wide, 1)])).toBeUndefined();
  });
});

describe("when the store is back", () => {
  test("a request that is answered sets off the charges", async () => {
    await spend(one, 10);
    await settleDown();
    away();
    await spend(one, 5);
    one.store.way = "up";
    await spend(one, 1);
    expect(await used()).toBe(16);
    expect(one.shares.ledgerSize).toBe(0);
  });

  test("charges of a window that is over are dropped and counted", async () => {
    await spend(one, 10);
    await settleDown();
    away();
    await spend(one, 5);
    const late = await one.ask([claimOn(fixed, 7)]);
    clock.advance(hour);
    await spend(one, 3);
    await one.recover();
    late?.end([7]);
    await one.recover();
    expect(await used()).toBe(3);
    expect(one.dropped()).toBe(2);
    expect(one.shares.ledgerSize).toBe(0);
  });

  test("an end in the middle of it waits for it: nothing that is owed is forgotten", async () => {
    await spend(one, 10);
    await settleDown();
    away();
    await spend(one, 5);
    const last = await one.ask([claimOn(fixed, 7)]);
    one.store.way = "up";
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    const { reserve } = one.store;
    one.store.reserve = async (request) => {
      await answered;
      return reserve(request);
    };
    const flushing = one.shares.flush();
    await settledPromises();
    last?.end([7]);
    const closing = one.shares.close();
    answer();
    await Promise.all([flushing, closing]);
    await settledPromises();
    expect(await used()).toBe(22);
  });

  test("an end while Redis is away says what is lost", async () => {
    const lines: string[] = [];
    const log = pino({ level: "warn" }, { write: (line) => void lines.push(line) });
    one = openShareSidecar(store, clock, log);
    await spend(one, 10);
    await settleDown();
    away();
    await spend(one, 5);
    await one.shares.close();
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { msg: "charges of local shares are lost", charges: 1 },
    ]);
  });

  test("what is left is what Redis says, less what is not charged yet", async () => {
    await spend(one, 10);
    await settleDown();
    away();
    expect(await units(one)).toBe(90);
    await one.recover();
    one.store.way = "away";
    expect(await units(one)).toBe(0);
  });
});

describe("parts", () => {
  const held = (limit = fixed): Promise<number> =>
    store.peek(namespace, partsCounter({ counter: limit.counter, window: limit.window }), { type: "Concurrency" });

  test("are renewed, held anew where they are gone, and given back at the end", async () => {
    await spend(one, 10);
    await settleDown();
    expect(await held()).toBe(partsMax);
    for (let i = 0; i < 3; i++) {
      clock.advance(partsLeaseMs / 2);
      await one.shares.refresh();
      expect(await held()).toBe(partsMax);
    }
    clock.advance(partsLeaseMs + 1);
    expect(await held()).toBe(0);
    await one.shares.refresh();
    await one.shares.refresh();
    expect(await held()).toBe(partsMax);
    await one.shares.close();
    expect(await held()).toBe(0);
  });

  test("of a counter that nobody uses any more are given back", async () => {
    await spend(one, 10);
    await settleDown();
    clock.advance(shareIdleMs + 1);
    await one.shares.refresh();
    await settledPromises();
    expect(await held()).toBe(0);
  });

  test("are kept for so many counters; the least recently used go first", async () => {
    const limits = Array.from({ length: sharesMax + 10 }, (_, i) => ({ ...fixed, counter: `q/l/user=${i}` }));
    for (const limit of limits) {
      await spend(one, 1, limit);
      clock.advance(1);
    }
    await settleDown();
    expect(await store.liveHolds(namespace)).toBe(sharesMax);
    expect([await held(limits[0]), await held(limits.at(-1))]).toEqual([0, partsMax]);
  });

  test.each([namespace, clusterNamespace])("are nobody's usage in %s", (where) => {
    const counter = partsCounter({ counter: "team/q/l/all", window: fixed.window });
    expect(partsOfCounterKey(counterKey(where, counter, { type: "Concurrency" }))).toBeUndefined();
  });

  test("of a long name are told by its digest", () => {
    const counter = `team/q/l/${"x".repeat(500)}`;
    const [a, b] = ["a", "b"].map((end) => partsCounter({ counter: counter + end, window: fixed.window }));
    expect(a).toMatch(/^=share\/Fixed\/3600000\/team\/q\/l\/sha256=[0-9a-f]{64}$/);
    expect(a).not.toBe(b);
  });
});
