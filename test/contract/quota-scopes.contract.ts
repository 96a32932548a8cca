import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { WindowSpec } from "../../src/base/window.ts";
import { clusterNamespace } from "../../src/redis/keys.ts";
import type { Claim, ReserveRequest } from "../../src/sidecar/ports/quota-store.ts";
import { fresh, type OpenQuotaStore } from "./quota-store.contract.ts";

const fixed: WindowSpec = { type: "Fixed", durationMs: 28 * 86_400_000 };
const running: WindowSpec = { type: "Concurrency" };

/** The laws of claims over namespaces, beside and without claims of the namespace: on every store the same. */
export const quotaScopeContract = (name: string, open: () => Promise<OpenQuotaStore>): void => {
  describe(`quotas over namespaces: ${name}`, () => {
    let opened: OpenQuotaStore;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened.close());

    const namespace = fresh("team");
    const other = fresh("team");
    const claim = (overrides: Partial<Claim> = {}): Claim => ({
      counter: `ops/quota/limit/${fresh("subject")}`,
      window: fixed,
      max: 10,
      amount: 1,
      enforced: true,
      ...overrides,
    });
    const over = (overrides: Partial<Claim> = {}): Claim => claim({ scope: "Cluster", ...overrides });
    const request = (claims: readonly Claim[], overrides: Partial<ReserveRequest> = {}): ReserveRequest => ({
      namespace,
      holdId: fresh("hold"),
      leaseMs: 60_000,
      claims,
      ...overrides,
    });
    const peek = ({ counter, window, scope }: Claim, of = namespace): Promise<number> =>
      opened.store.peek(scope ? clusterNamespace : of, counter, window);

    test("one counter for all namespaces, whichever asks", async () => {
      const budget = over({ max: 3 });
      for (const from of [namespace, other, namespace])
        expect(await opened.store.reserve(request([budget], { namespace: from }))).toMatchObject({ admitted: true });
      const refused = await opened.store.reserve(request([budget], { namespace: other }));
      expect(refused.admitted).toBe(false);
      expect(refused.claims[0]).toMatchObject({ used: 3, exceeded: true });
      expect(await peek(budget)).toBe(3);
    });

    test("a counter over namespaces is not the namespace's of the same name", async () => {
      const own = claim({ amount: 2 });
      const same = { ...own, scope: "Cluster", amount: 5 } as const;
      await opened.store.reserve(request([own]));
      await opened.store.reserve(request([same]));
      expect([await peek(own), await peek(same)]).toEqual([2, 5]);
    });

    test.each([
      { name: "the namespace", own: { max: 1, amount: 2 }, shared: {} },
      { name: "the cluster", own: {}, shared: { max: 1, amount: 2 } },
      { name: "both", own: { max: 1, amount: 2 }, shared: { max: 1, amount: 2 } },
    ])("refused by $name, nothing is held anywhere", async ({ own, shared }) => {
      const claims = [claim(own), over(shared), claim(), over()];
      const result = await opened.store.reserve(request(claims));
      expect(result).toMatchObject({ admitted: false, outputGranted: 0 });
      expect(result.claims).toHaveLength(4);
      expect(result.claims.some(({ exceeded }) => exceeded)).toBe(true);
      expect(result.claims.map(({ used }) => used)).toEqual([0, 0, 0, 0]);
      expect(await Promise.all(claims.map((each) => peek(each)))).toEqual([0, 0, 0, 0]);
    });

    test("answers stand in the order of the claims", async () => {
      const claims = [over({ amount: 4 }), claim({ amount: 1 }), over({ amount: 3 }), claim({ amount: 2 })];
      const result = await opened.store.reserve(request(claims));
      expect(result.claims.map(({ used }) => used)).toEqual([4, 1, 3, 2]);
    });

    test("settled once, each claim at its own amount; what comes later changes nothing", async () => {
      const claims = [over({ amount: 4 }), claim({ amount: 5 }), over({ window: running })];
      const asked = request(claims);
      await opened.store.reserve(asked);
      const { holdId } = asked;
      expect(await Promise.all(claims.map((each) => peek(each)))).toEqual([4, 5, 1]);
      expect(await opened.store.settle({ namespace, holdId, amounts: [1, 2, 0] })).toBe(true);
      expect(await opened.store.settle({ namespace, holdId, amounts: [9, 9, 0] })).toBe(false);
      expect(await opened.store.release(namespace, holdId)).toBe(false);
      expect(await Promise.all(claims.map((each) => peek(each)))).toEqual([1, 2, 0]);
    });

    test("released, everything is given back, and the id is free again", async () => {
      const claims = [over({ amount: 4 }), claim({ amount: 5 }), over({ window: running })];
      const asked = request(claims);
      await opened.store.reserve(asked);
      expect(await opened.store.release(namespace, asked.holdId)).toBe(true);
      expect(await opened.store.release(namespace, asked.holdId)).toBe(false);
      expect(await Promise.all(claims.map((each) => peek(each)))).toEqual([0, 0, 0]);
      expect(await opened.store.reserve(asked)).toMatchObject({ admitted: true });
      expect(await Promise.all(claims.map((each) => peek(each)))).toEqual([4, 5, 1]);
    });

    test("asked again under its id it answers as before and holds nothing more", async () => {
      const asked = request(
        [claim({ amount: 2, perOutput: 1, max: 100 }), over({ amount: 3, perOutput: 1, max: 50 })],
        {
          output: { wanted: 80, min: 1 },
        },
      );
      const first = await opened.store.reserve(asked);
      const again = await opened.store.reserve(asked);
      expect(first.outputGranted).toBe(47);
      expect(again.outputGranted).toBe(47);
      expect(again.claims.map(({ used }) => used)).toEqual(first.claims.map(({ used }) => used));
    });

    test("output is granted as far as both scopes have room", async () => {
      for (const [own, shared, want] of [
        [100, 40, 40],
        [30, 100, 30],
      ] as const) {
        const claims = [claim({ max: own, amount: 0, perOutput: 1 }), over({ max: shared, amount: 0, perOutput: 1 })];
        const result = await opened.store.reserve(request(claims, { output: { wanted: 90, min: 1 } }));
        expect(result).toMatchObject({ admitted: true, outputGranted: want });
        const [mine = 0, everybodys = 0] = await Promise.all(claims.map((each) => peek(each)));
        expect(everybodys).toBe(want);
        expect(mine).toBeGreaterThanOrEqual(want); // never less than what may be used
        expect(mine).toBeLessThanOrEqual(own);
      }
    });

    test("after a refusal the same id is decided anew", async () => {
      const shared = over({ max: 1 });
      const holder = request([shared], { namespace: other });
      await opened.store.reserve(holder);
      const asked = request([claim(), shared]);
      expect(await opened.store.reserve(asked)).toMatchObject({ admitted: false });
      await opened.store.release(other, holder.holdId);
      expect(await opened.store.reserve(asked)).toMatchObject({ admitted: true });
      expect(await peek(shared)).toBe(1);
    });

    test("many at once never exceed the limit of either scope", async () => {
      const shared = over({ max: 7 });
      const own = claim({ max: 5 });
      const results = await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          opened.store.reserve(
            index % 2 === 0 ? request([own, shared]) : request([claim(), shared], { namespace: other }),
          ),
        ),
      );
      const admitted = results.filter((result) => result.admitted).length;
      expect(await peek(shared)).toBe(admitted);
      expect(admitted).toBe(7);
      expect(await peek(own)).toBe(results.filter((result, index) => index % 2 === 0 && result.admitted).length);
    });

    test("a renewed lease keeps both; a hold that is gone is named", async () => {
      const claims = [claim({ window: running }), over({ window: running })];
      const asked = request(claims, { leaseMs: 200 });
      await opened.store.reserve(asked);
      expect(await opened.store.renew(namespace, [asked.holdId, "gone"], 60_000)).toEqual(["gone"]);
      await opened.advance(220);
      expect(await Promise.all(claims.map((each) => peek(each)))).toEqual([1, 1]);
      expect(await opened.store.settle({ namespace, holdId: asked.holdId, amounts: [0, 0] })).toBe(true);
      expect(await Promise.all(claims.map((each) => peek(each)))).toEqual([0, 0]);
    });

    test("a hold that expires stays charged in both scopes, and gives concurrency back", async () => {
      const claims = [claim({ amount: 2 }), over({ amount: 3 }), over({ window: running })];
      const asked = request(claims, { leaseMs: 20 });
      await opened.store.reserve(asked);
      await opened.advance(30);
      expect(await opened.store.settle({ namespace, holdId: asked.holdId, amounts: [0, 0, 0] })).toBe(false);
      expect(await Promise.all(claims.map((each) => peek(each)))).toEqual([2, 3, 0]);
    });

    test("a hold of claims over namespaces alone is one of the namespace's live holds", async () => {
      const own = fresh("holds");
      const asked = request([over()], { namespace: own });
      await opened.store.reserve(asked);
      expect(await opened.store.liveHolds(own)).toBe(1);
      await opened.store.settle({ namespace: own, holdId: asked.holdId, amounts: [1] });
      expect(await opened.store.liveHolds(own)).toBe(0);
    });

    test("two namespaces may use one id", async () => {
      const shared = over({ amount: 2 });
      const asked = request([shared]);
      await opened.store.reserve(asked);
      await opened.store.reserve({ ...asked, namespace: other });
      expect(await peek(shared)).toBe(4);
      expect(await opened.store.release(other, asked.holdId)).toBe(true);
      expect(await peek(shared)).toBe(2);
      expect(await opened.store.settle({ namespace, holdId: asked.holdId, amounts: [1] })).toBe(true);
      expect(await peek(shared)).toBe(1);
    });
  });
};
