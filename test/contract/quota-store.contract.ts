import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { WindowSpec } from "../../src/base/window.ts";
import type { Claim, QuotaStore, ReserveRequest } from "../../src/sidecar/ports/quota-store.ts";

/** A store under test, with a way to let its time pass. */
export interface OpenQuotaStore {
  readonly store: QuotaStore;
  /** Lets this much of the store's time pass, ms; what has ended by then counts as ended afterwards. */
  advance(ms: number): Promise<void>;
  /** The store's own wall clock. */
  nowMs(): number;
  close(): Promise<void>;
}

const hour = 3_600_000;
const sliding: WindowSpec = { type: "Sliding", durationMs: hour };
const fixed: WindowSpec = { type: "Fixed", durationMs: 28 * 24 * hour };
const concurrency: WindowSpec = { type: "Concurrency" };

let serial = 0;
/** Names that no other law uses. */
export const fresh = (word: string): string => `${word}-${process.pid}-${++serial}`;

/** The laws of the quota store's port: every adapter passes the same ones. */
export const quotaStoreContract = (name: string, open: () => Promise<OpenQuotaStore>): void => {
  describe(`quota store: ${name}`, () => {
    let opened: OpenQuotaStore;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened.close());

    const namespace = fresh("team");
    const claim = (change: Partial<Claim> = {}): Claim => ({
      counter: fresh("q/limit"),
      window: sliding,
      max: 10,
      amount: 1,
      enforced: true,
      ...change,
    });
    const request = (claims: readonly Claim[], change: Partial<ReserveRequest> = {}): ReserveRequest => ({
      namespace,
      holdId: fresh("hold"),
      leaseMs: 60_000,
      claims,
      ...change,
    });
    const reserve = (claims: readonly Claim[], change: Partial<ReserveRequest> = {}) =>
      opened.store.reserve(request(claims, change));
    const peek = ({ counter, window }: Claim) => opened.store.peek(namespace, counter, window);

    const calendar = (): WindowSpec => {
      const now = opened.nowMs();
      return { type: "Calendar", boundariesMs: [now - 2 * hour, now - hour, now + hour, now + 2 * hour] };
    };
    const windows = [
      { kind: "Sliding", window: () => sliding },
      { kind: "Fixed", window: () => fixed },
      { kind: "Calendar", window: calendar },
      { kind: "Concurrency", window: () => concurrency },
    ] as const;

    describe.each(windows)("a counter of the kind $kind", ({ window, kind }) => {
      test("never goes over its limit, however many ask at once", async () => {
        const one = claim({ window: window(), max: 20 });
        const results = await Promise.all(Array.from({ length: 50 }, () => reserve([one])));
        expect(results.filter((result) => result.admitted)).toHaveLength(20);
        expect(await peek(one)).toBe(20);
        for (const { claims } of results) expect(claims[0]?.used).toBeLessThanOrEqual(20);
      });

      test("may be used up at once, to the last unit and no further", async () => {
        const one = claim({ window: window(), max: 10, amount: 10 });
        expect(await reserve([one])).toMatchObject({ admitted: true, claims: [{ used: 10, exceeded: false }] });
        expect(await reserve([{ ...one, amount: 1 }])).toMatchObject({
          admitted: false,
          claims: [{ used: 10, exceeded: true }],
        });
        expect(await reserve([{ ...one, amount: 0 }])).toMatchObject({ admitted: true, claims: [{ used: 10 }] });
      });

      test("is corrected by one settlement; the second one and a release change nothing", async () => {
        const one = claim({ window: window(), max: 100, amount: 60 });
        const asked = request([one]);
        await opened.store.reserve(asked);
        const settlement = { namespace, holdId: asked.holdId, amounts: [25] };
        expect(await opened.store.settle(settlement)).toBe(true);
        const used = kind === "Concurrency" ? 0 : 25;
        expect(await peek(one)).toBe(used);
        expect(await opened.store.settle({ ...settlement, amounts: [99] })).toBe(false);
        expect(await opened.store.release(namespace, asked.holdId)).toBe(false);
        expect(await peek(one)).toBe(used);
      });

      test("is as before after a release, and a settlement then changes nothing", async () => {
        const one = claim({ window: window(), amount: 7 });
        const asked = request([one]);
        await opened.store.reserve(asked);
        expect(await opened.store.release(namespace, asked.holdId)).toBe(true);
        expect(await peek(one)).toBe(0);
        expect(await opened.store.settle({ namespace, holdId: asked.holdId, amounts: [7] })).toBe(false);
        expect(await peek(one)).toBe(0);
      });

      test("is charged once however often one hold is asked for, and each answer is the first", async () => {
        const one = claim({ window: window(), max: 20, amount: 4, perOutput: 0.5 });
        const asked = request([one], { output: { wanted: 20, min: 1 } });
        const [first, ...others] = await Promise.all(Array.from({ length: 10 }, () => opened.store.reserve(asked)));
        expect(first).toMatchObject({ admitted: true, outputGranted: 20 });
        for (const other of others) expect(other).toEqual(first);
        expect(await peek(one)).toBe(14);
      });

      test(`${kind === "Concurrency" ? "is given back" : "stays charged"} when the lease ends`, async () => {
        const one = claim({ window: window(), amount: 3 });
        const asked = request([one], { leaseMs: 20 });
        await opened.store.reserve(asked);
        await opened.advance(25);
        expect(await peek(one)).toBe(kind === "Concurrency" ? 0 : 3);
        expect(await reserve([{ ...one, max: 4, amount: 2 }])).toMatchObject({ admitted: kind === "Concurrency" });
        expect(await opened.store.settle({ namespace, holdId: asked.holdId, amounts: [0] })).toBe(false);
        expect(await peek(one)).toBe(kind === "Concurrency" ? 2 : 3);
      });

      test("holds amounts near 2^53 exactly", async () => {
        const most = Number.MAX_SAFE_INTEGER;
        const one = claim({ window: window(), max: most, amount: most - 5 });
        const asked = request([one]);
        expect(await opened.store.reserve(asked)).toMatchObject({ claims: [{ used: most - 5 }] });
        expect(await reserve([{ ...one, amount: 6 }])).toMatchObject({ admitted: false });
        expect(await reserve([{ ...one, amount: 3 }])).toMatchObject({ admitted: true, claims: [{ used: most - 2 }] });
        await opened.store.settle({ namespace, holdId: asked.holdId, amounts: [most - 7] });
        expect(await peek(one)).toBe(kind === "Concurrency" ? 3 : most - 4);
      });

      test("counts where it is not enforced, says that it is over, and refuses nobody", async () => {
        const one = claim({ window: window(), max: 5, amount: 4, enforced: false });
        expect(await reserve([one])).toMatchObject({ admitted: true, claims: [{ used: 4, exceeded: false }] });
        expect(await reserve([one])).toMatchObject({ admitted: true, claims: [{ used: 8, exceeded: true }] });
        expect(await peek(one)).toBe(8);
      });
    });

    test("nothing is held when one enforced claim is over, and every claim says how it stands", async () => {
      const open = claim({ max: 100, amount: 40 });
      const narrow = claim({ window: concurrency, max: 1 });
      await reserve([narrow]);
      const result = await reserve([open, narrow, claim({ enforced: false, max: 0 })]);
      expect(result).toMatchObject({
        admitted: false,
        outputGranted: 0,
        claims: [
          { used: 0, exceeded: false },
          { used: 1, exceeded: true },
          { used: 0, exceeded: true },
        ],
      });
      expect(await peek(open)).toBe(0);
      expect(await peek(narrow)).toBe(1);
    });

    test("an amount above the limit never fits, and says so", async () => {
      const [state] = (await reserve([claim({ max: 5, amount: 6 })])).claims;
      expect(state).toMatchObject({ exceeded: true, retryAfterMs: Number.POSITIVE_INFINITY });
    });

    test("a settlement may pass the limit: that is what was used", async () => {
      const one = claim({ max: 10, amount: 5 });
      const asked = request([one]);
      await opened.store.reserve(asked);
      await opened.store.settle({ namespace, holdId: asked.holdId, amounts: [50] });
      expect(await peek(one)).toBe(50);
      expect(await reserve([one])).toMatchObject({ admitted: false, claims: [{ used: 50 }] });
    });

    test("many claims are settled in their order", async () => {
      const claims = [claim({ amount: 5 }), claim({ window: concurrency }), claim({ window: fixed, amount: 6 })];
      const asked = request(claims);
      await opened.store.reserve(asked);
      await opened.store.settle({ namespace, holdId: asked.holdId, amounts: [1, 1, 2] });
      expect(await Promise.all(claims.map(peek))).toEqual([1, 0, 2]);
    });

    test.each([
      {
        name: "all that is wanted where there is room",
        max: 1000,
        output: { wanted: 300, min: 16 },
        want: 300,
        used: 401,
      },
      { name: "what there is room for", max: 200, output: { wanted: 300, min: 16 }, want: 99, used: 200 },
      { name: "whole steps", max: 200, output: { wanted: 300, min: 16, step: 8 }, want: 96, used: 197 },
      {
        name: "the least where there is room for no more",
        max: 117,
        output: { wanted: 300, min: 16 },
        want: 16,
        used: 117,
      },
      { name: "nothing where the least does not fit", max: 116, output: { wanted: 300, min: 16 }, want: 0, used: 0 },
      { name: "nothing where none is asked for", max: 116, output: undefined, want: 0, used: 101 },
    ])("output is granted: $name", async ({ max, output, want, used }) => {
      const one = claim({ max, amount: 101, perOutput: 1 });
      const result = await reserve([claim(), one], output === undefined ? {} : { output });
      expect(result).toMatchObject({ admitted: used > 0, outputGranted: want });
      expect(await peek(one)).toBe(used);
    });

    test("the narrowest enforced claim decides the output; fractions of a unit are rounded up", async () => {
      const tokens = claim({ max: 100, amount: 0, perOutput: 1 });
      const money = claim({ max: 50, amount: 10, perOutput: 0.6 });
      const audit = claim({ max: 1, amount: 0, perOutput: 1, enforced: false });
      const result = await reserve([tokens, money, audit], { output: { wanted: 90, min: 1 } });
      expect(result).toMatchObject({ admitted: true, outputGranted: 66 });
      expect(result.claims.map(({ used, exceeded }) => [used, exceeded])).toEqual([
        [66, false],
        [50, false],
        [66, true],
      ]);
    });

    test("a renewed lease keeps its hold, a hold that is gone is named", async () => {
      const one = claim({ window: concurrency, amount: 2 });
      const asked = request([one], { leaseMs: 150 });
      await opened.store.reserve(asked);
      expect(await opened.store.renew(namespace, [asked.holdId, "gone"], 60_000)).toEqual(["gone"]);
      await opened.advance(160);
      expect(await peek(one)).toBe(2);
      expect(await opened.store.renew(namespace, [asked.holdId], 1)).toEqual([]);
      await opened.advance(5);
      expect(await opened.store.settle({ namespace, holdId: asked.holdId, amounts: [2] })).toBe(true);
      expect(await peek(one)).toBe(0);
    });

    test("live holds are those neither settled, released nor expired", async () => {
      const own = fresh("holds");
      const holds = ["a", "b", "c", "d"];
      for (const holdId of holds) {
        await opened.store.reserve(
          request([claim()], { namespace: own, holdId, leaseMs: holdId === "d" ? 20 : 60_000 }),
        );
      }
      expect(await opened.store.liveHolds(own)).toBe(4);
      await opened.store.settle({ namespace: own, holdId: "a", amounts: [1] });
      await opened.store.release(own, "b");
      await opened.advance(25);
      expect(await opened.store.liveHolds(own)).toBe(1);
      expect(await opened.store.liveHolds(fresh("none"))).toBe(0);
    });

    test("counters of namespaces, windows and names are apart", async () => {
      const one = claim({ amount: 3 });
      await reserve([one]);
      expect(await opened.store.peek(fresh("team"), one.counter, one.window)).toBe(0);
      expect(await opened.store.peek(namespace, one.counter, { type: "Sliding", durationMs: 60_000 })).toBe(0);
      expect(await opened.store.peek(namespace, one.counter, { type: "Fixed", durationMs: hour })).toBe(0);
      expect(await opened.store.peek(namespace, `${one.counter}/x`, one.window)).toBe(0);
    });

    test("a reservation without claims is admitted and is a hold", async () => {
      const asked = request([]);
      expect(await opened.store.reserve(asked)).toEqual({ admitted: true, outputGranted: 0, claims: [] });
      expect(await opened.store.settle({ namespace, holdId: asked.holdId, amounts: [] })).toBe(true);
    });
  });
};
