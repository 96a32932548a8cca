import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FakeClock, systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { WindowSpec } from "../../src/base/window.ts";
import type { Claim, QuotaStore } from "../../src/sidecar/ports/quota-store.ts";
import { createMemoryQuotaStore } from "../../src/sidecar/stores/memory/quota.ts";
import { openRedis, type RedisStores } from "../../src/sidecar/stores/redis/open.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";

/** A lease that ends at once, so that a hold can expire without a long wait, and one that does not end. */
const leases = { short: 1, long: 60_000 } as const;
const holdCount = 6;

type Step =
  | {
      readonly do: "reserve";
      readonly hold: number;
      readonly lease: keyof typeof leases;
      readonly amounts: readonly number[];
      readonly output: number;
    }
  | { readonly do: "settle"; readonly hold: number; readonly amounts: readonly number[] }
  | { readonly do: "release" | "renew"; readonly hold: number }
  | { readonly do: "expire" };

/** The limits of the model: two rates, a window, a number at once, one that only counts. */
const limits = (nowMs: number): readonly Omit<Claim, "counter" | "amount">[] => {
  const day = 86_400_000;
  const sliding: WindowSpec = { type: "Sliding", durationMs: 28 * day };
  const calendar: WindowSpec = { type: "Calendar", boundariesMs: [nowMs - 9 * day, nowMs - day, nowMs + day] };
  return [
    { window: sliding, max: 100, enforced: true, perOutput: 1 },
    { window: { type: "Concurrency" }, max: 8, enforced: true },
    { window: calendar, max: 150, enforced: true, perOutput: 0.75 },
    { window: sliding, max: 30, enforced: false, perOutput: 1 },
  ];
};

const amounts = fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 3 }), fc.nat(20), fc.nat(20));
const hold = fc.nat(holdCount - 1);
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("reserve"),
        hold,
        lease: fc.constantFrom("short", "long"),
        amounts,
        output: fc.nat(40),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("settle"), hold, amounts }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("release", "renew"), hold }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("expire") }) },
  ) as fc.Arbitrary<Step>, // record widens the constants
  { maxLength: 30 },
);

/** What the counters should say, in the plainest way: one number a limit, and the holds. */
class Model {
  readonly used = [0, 0, 0, 0];
  readonly holds = new Map<
    number,
    { readonly lease: string; readonly held: readonly number[]; readonly granted: number }
  >();
  readonly #limits: readonly Omit<Claim, "counter" | "amount">[];

  constructor(all: readonly Omit<Claim, "counter" | "amount">[]) {
    this.#limits = all;
  }

  /** The output granted; undefined: refused. The largest that fits is found by trying. */
  reserve(id: number, lease: string, asked: readonly number[], output: number): number | undefined {
    const before = this.holds.get(id);
    if (before !== undefined) return before.granted;
    for (let granted = output; granted >= 0; granted--) {
      const held = this.#limits.map((limit, i) => Math.ceil((asked[i] ?? 0) + (limit.perOutput ?? 0) * granted));
      if (!this.#limits.every((limit, i) => !limit.enforced || (this.used[i] ?? 0) + (held[i] ?? 0) <= limit.max))
        continue;
      for (const [i, amount] of held.entries()) this.used[i] = (this.used[i] ?? 0) + amount;
      this.holds.set(id, { lease, held, granted });
      return granted;
    }
    return undefined;
  }

  /** Ends a hold with what was used; `undefined` leaves the charge as it is. The number at once is always given back. */
  end(id: number, actual: readonly number[] | undefined): boolean {
    const ended = this.holds.get(id);
    if (ended === undefined) return false;
    this.holds.delete(id);
    for (const [i, limit] of this.#limits.entries()) {
      const held = ended.held[i] ?? 0;
      const keeps = limit.window.type === "Concurrency" ? 0 : (actual?.[i] ?? held);
      this.used[i] = (this.used[i] ?? 0) + keeps - held;
    }
    return true;
  }
}

interface World {
  readonly store: QuotaStore;
  readonly nowMs: number;
  /** Lets short leases end. */
  readonly expire: () => Promise<void>;
}

let run = 0;
const check = async ({ store, nowMs, expire }: World, list: readonly Step[]): Promise<void> => {
  const all = limits(nowMs);
  const model = new Model(all);
  const namespace = `model-${++run}`;
  const idOf = (id: number): string => `hold-${id}`;
  for (const step of list) {
    // Short leases end between any two steps in Redis: so both sides let them end before each.
    await expire();
    for (const [id, { lease }] of model.holds) if (lease === "short") model.end(id, undefined);
    if (step.do === "reserve") {
      const claims = all.map((limit, i) => ({ ...limit, counter: `limit-${i}`, amount: step.amounts[i] ?? 0 }));
      const want = model.reserve(step.hold, step.lease, step.amounts, step.output);
      const output = { wanted: step.output, min: 0 };
      const result = await store.reserve({
        namespace,
        holdId: idOf(step.hold),
        leaseMs: leases[step.lease],
        claims,
        output,
      });
      expect([result.admitted, result.outputGranted]).toEqual([want !== undefined, want ?? 0]);
    }
    if (step.do === "settle") {
      const settled = await store.settle({ namespace, holdId: idOf(step.hold), amounts: step.amounts });
      expect(settled).toBe(model.end(step.hold, step.amounts));
    }
    if (step.do === "release")
      expect(await store.release(namespace, idOf(step.hold))).toBe(model.end(step.hold, [0, 0, 0, 0]));
    if (step.do === "renew") {
      const isGone = !model.holds.has(step.hold);
      expect(await store.renew(namespace, [idOf(step.hold)], leases.long)).toEqual(isGone ? [idOf(step.hold)] : []);
    }
  }
  await expire();
  for (const [id, { lease }] of model.holds) if (lease === "short") model.end(id, undefined);
  const found = await Promise.all(all.map((limit, i) => store.peek(namespace, `limit-${i}`, limit.window)));
  expect(found).toEqual(model.used);
  expect(await store.liveHolds(namespace)).toBe(model.holds.size);
};

describe("any order of reserve, settle, release, renew and expiry ends where the model ends", () => {
  let redis: TestRedis;
  let stores: RedisStores;
  beforeAll(async () => {
    redis = await startRedis();
    stores = openRedis({ url: redis.url, log: silentLog(), clock: systemClock, commandTimeoutMs: 5_000 });
    await stores.ready();
  });
  afterAll(async () => {
    await stores.close();
    await redis.stop();
  });

  test("in memory", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const clock = new FakeClock();
        const expire = async (): Promise<void> => clock.advance(2);
        await check({ store: createMemoryQuotaStore({ clock }), nowMs: clock.nowMs(), expire }, list);
      }),
      { numRuns: 500 },
    );
  });

  test("in Redis", async () => {
    const expire = async (): Promise<void> => void (await sleep(3));
    await fc.assert(
      fc.asyncProperty(steps, (list) => check({ store: stores.quota, nowMs: Date.now(), expire }, list)),
      { numRuns: 60 },
    );
  });
});

describe("a Sliding limit holds in every span of its duration", () => {
  const durationMs = 1_000;
  const max = 10;
  /** Fails where any span holds more than the limit; `admitted` is in the order of time. */
  const expectNeverOver = (admitted: readonly { readonly atMs: number; readonly amount: number }[]): void => {
    for (const [first, { atMs }] of admitted.entries()) {
      let sum = 0;
      for (const later of admitted.slice(first)) if (later.atMs - atMs <= durationMs) sum += later.amount;
      expect(sum).toBeLessThanOrEqual(max);
    }
  };

  test("in memory, whatever comes when", async () => {
    const arrivals = fc.array(fc.record({ afterMs: fc.nat(300), amount: fc.integer({ min: 1, max: 6 }) }), {
      maxLength: 80,
    });
    await fc.assert(
      fc.asyncProperty(arrivals, fc.nat(5_000), async (list, offsetMs) => {
        const clock = new FakeClock(1_700_000_000_000 + offsetMs);
        const store = createMemoryQuotaStore({ clock });
        const admitted: { atMs: number; amount: number }[] = [];
        for (const [index, { afterMs, amount }] of list.entries()) {
          clock.advance(afterMs);
          const claim = {
            counter: "rate",
            window: { type: "Sliding", durationMs },
            max,
            amount,
            enforced: true,
          } as const;
          const request = { namespace: "n", holdId: `h${index}`, leaseMs: 10, claims: [claim] };
          const result = await store.reserve(request);
          if (result.admitted) admitted.push({ atMs: clock.nowMs(), amount });
          else {
            // The wait that is named is the truth: one ms less is not enough, it is.
            const waitMs = result.claims[0]?.retryAfterMs ?? 0;
            clock.advance(waitMs - 1);
            expect((await store.reserve({ ...request, holdId: `i${index}` })).admitted).toBe(false);
            clock.advance(1);
            expect((await store.reserve({ ...request, holdId: `j${index}` })).admitted).toBe(true);
            admitted.push({ atMs: clock.nowMs(), amount });
          }
        }
        expectNeverOver(admitted);
      }),
      { numRuns: 300 },
    );
  });

  test("in Redis, under eight callers for two windows", async () => {
    const redis = await startRedis();
    const stores = openRedis({ url: redis.url, log: silentLog(), clock: systemClock, commandTimeoutMs: 5_000 });
    try {
      await stores.ready();
      const claim = {
        counter: "rate",
        window: { type: "Sliding", durationMs },
        max,
        amount: 2,
        enforced: true,
      } as const;
      const admitted: { sentMs: number; answeredMs: number }[] = [];
      const endsMs = performance.now() + 2 * durationMs + 200;
      let serial = 0;
      const caller = async (): Promise<void> => {
        while (performance.now() < endsMs) {
          const sentMs = performance.now();
          const request = { namespace: "rate", holdId: `h${++serial}`, leaseMs: 10, claims: [claim] };
          if ((await stores.quota.reserve(request)).admitted) admitted.push({ sentMs, answeredMs: performance.now() });
          await sleep(7);
        }
      };
      await Promise.all(Array.from({ length: 8 }, caller));
      expect(admitted.length).toBeGreaterThan(max / 2);
      for (const [index, { sentMs }] of admitted.entries()) {
        // Charged after it was sent and before it was answered: so these were surely within one span.
        const within = admitted.slice(index).filter(({ answeredMs }) => answeredMs - sentMs <= durationMs);
        expect(within.length * 2).toBeLessThanOrEqual(max);
      }
    } finally {
      await stores.close();
      await redis.stop();
    }
  });
});
