import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { WindowSpec } from "../../src/base/window.ts";
import type { Claim } from "../../src/sidecar/ports/quota-store.ts";
import { fresh, type OpenQuotaStore } from "./quota-store.contract.ts";

const hour = 3_600_000;
const sliding: WindowSpec = { type: "Sliding", durationMs: hour };
const fixed: WindowSpec = { type: "Fixed", durationMs: 28 * 24 * hour };

/** The laws of trimming: every adapter passes the same ones. */
export const quotaTrimContract = (name: string, open: () => Promise<OpenQuotaStore>): void => {
  describe(`trimming in the quota store: ${name}`, () => {
    let opened: OpenQuotaStore;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened.close());

    const namespace = fresh("team");
    const claim = (window: WindowSpec, amount: number): Claim => ({
      ...{ counter: fresh("q/limit"), window, max: 100, amount, enforced: true },
    });
    const hold = async (claims: readonly Claim[], leaseMs = 60_000): Promise<string> => {
      const holdId = fresh("hold");
      const { admitted } = await opened.store.reserve({ namespace, holdId, leaseMs, claims });
      expect(admitted).toBe(true);
      return holdId;
    };
    const used = (claims: readonly Claim[]): Promise<readonly number[]> =>
      Promise.all(claims.map(({ counter, window }) => opened.store.peek(namespace, counter, window)));

    test("what several holds give up is there again, and they live on until they are settled", async () => {
      const first = [claim(sliding, 40), claim(fixed, 30)];
      const second = [{ ...claim(sliding, 20), counter: first[0]?.counter ?? "" }];
      const [a, b] = [await hold(first), await hold(second)];
      const trims = [
        { holdId: a, amounts: [10, 30] },
        { holdId: b, amounts: [5] },
      ];
      for (let again = 0; again < 2; again++) {
        expect(await opened.store.trim(namespace, trims)).toEqual([]);
        expect(await used(first)).toEqual([15, 30]);
      }
      expect(await opened.store.liveHolds(namespace)).toBe(2);
      expect(await opened.store.settle({ namespace, holdId: a, amounts: [3, 4] })).toBe(true);
      expect(await opened.store.release(namespace, b)).toBe(true);
      expect(await used(first)).toEqual([3, 4]);
    });

    test("a hold may be corrected upwards, above its limit too: it is what was used", async () => {
      const claims = [claim(fixed, 90)];
      const holdId = await hold(claims);
      await opened.store.trim(namespace, [{ holdId, amounts: [120] }]);
      expect(await used(claims)).toEqual([120]);
      await opened.store.settle({ namespace, holdId, amounts: [119] });
      expect(await used(claims)).toEqual([119]);
    });

    test("Concurrency stays as it is", async () => {
      const claims = [claim({ type: "Concurrency" }, 3), claim(fixed, 9)];
      const holdId = await hold(claims);
      await opened.store.trim(namespace, [{ holdId, amounts: [0, 1] }]);
      expect(await used(claims)).toEqual([3, 1]);
      await opened.store.renew(namespace, [holdId], 60_000);
      await opened.store.settle({ namespace, holdId, amounts: [0, 1] });
      expect(await used(claims)).toEqual([0, 1]);
    });

    test("a hold that has ended is named, and nothing of it changes", async () => {
      const claims = [claim(fixed, 9)];
      const [settled, released, expired, live] = [
        await hold(claims),
        await hold([claim(fixed, 1)]),
        await hold([claim(fixed, 7)], 30),
        await hold([claim(fixed, 8)]),
      ];
      await opened.store.settle({ namespace, holdId: settled, amounts: [6] });
      await opened.store.release(namespace, released);
      await opened.advance(60);
      const ids = [settled, live, released, expired, "never"];
      const gone = await opened.store.trim(
        namespace,
        ids.map((holdId) => ({ holdId, amounts: [1] })),
      );
      expect(gone).toEqual([settled, released, expired, "never"]);
      expect(await used(claims)).toEqual([6]);
    });

    test("a trimmed hold whose lease ends stays charged as it was trimmed, and its lease is not prolonged", async () => {
      const claims = [claim(fixed, 50)];
      const holdId = await hold(claims, 80);
      await opened.store.trim(namespace, [{ holdId, amounts: [12] }]);
      await opened.advance(120);
      expect(await opened.store.settle({ namespace, holdId, amounts: [1] })).toBe(false);
      expect(await used(claims)).toEqual([12]);
    });

    test("to reserve again under the id of a trimmed hold changes nothing", async () => {
      const claims = [claim(fixed, 50)];
      const request = { namespace, holdId: fresh("hold"), leaseMs: 60_000, claims };
      const first = await opened.store.reserve(request);
      await opened.store.trim(namespace, [{ holdId: request.holdId, amounts: [12] }]);
      expect(await opened.store.reserve(request)).toEqual(first);
      expect(await used(claims)).toEqual([12]);
    });

    test("a wrong number of amounts is our own fault, and changes nothing", async () => {
      const claims = [claim(fixed, 50)];
      const holdId = await hold(claims);
      await expect(opened.store.trim(namespace, [{ holdId, amounts: [1, 2] }])).rejects.toMatchObject({
        name: "AssertionFault",
      });
      expect(await used(claims)).toEqual([50]);
    });
  });
};
