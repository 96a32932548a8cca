import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { WindowSpec } from "../../src/base/window.ts";

import { fresh, type OpenQuotaStore } from "./quota-store.contract.ts";

/** The laws of windows, which take the store's time to pass: at most a few seconds of it. */
export const quotaWindowContract = (name: string, open: () => Promise<OpenQuotaStore>): void => {
  describe(`quota windows: ${name}`, () => {
    let opened: OpenQuotaStore;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened.close());

    const namespace = fresh("windows");
    const ask = (window: WindowSpec, counter: string, change: { max?: number; amount?: number } = {}) =>
      opened.store.reserve({
        namespace,
        holdId: fresh("hold"),
        leaseMs: 60_000,
        claims: [{ counter, window, max: 4, amount: 1, enforced: true, ...change }],
      });

    test("Sliding: the wait that is named is enough and is not a window too long", async () => {
      const durationMs = 800;
      const slotMs = 50;
      const window: WindowSpec = { type: "Sliding", durationMs };
      const counter = fresh("sliding");
      const beforeMs = opened.nowMs();
      await ask(window, counter, { amount: 3 });
      const afterMs = opened.nowMs();
      await opened.advance(200);
      await ask(window, counter, { amount: 1 });
      const askedMs = opened.nowMs();
      const [two] = (await ask(window, counter, { amount: 2 })).claims;
      const [four] = (await ask(window, counter, { amount: 4 })).claims;
      // Three units go one window, and at most one slot, after they came; the fourth later.
      const waitMs = two?.retryAfterMs ?? 0;
      expect(waitMs).toBeGreaterThan(beforeMs + durationMs - opened.nowMs() - 1);
      expect(waitMs).toBeLessThanOrEqual(afterMs + durationMs + slotMs - askedMs + 1);
      expect(two?.resetMs).toBe(waitMs);
      expect(four?.retryAfterMs).toBeGreaterThan(waitMs);
      await opened.advance(waitMs);
      expect((await ask(window, counter, { amount: 2 })).admitted).toBe(true);
    });

    test("Fixed: a window begins anew at its boundary, which resetMs names", async () => {
      const window: WindowSpec = { type: "Fixed", durationMs: 600 };
      const counter = fresh("fixed");
      await opened.advance(600 - (opened.nowMs() % 600) + 5);
      expect((await ask(window, counter, { amount: 4 })).admitted).toBe(true);
      const [state] = (await ask(window, counter)).claims;
      expect(state?.exceeded).toBe(true);
      expect(state?.retryAfterMs).toBe(state?.resetMs);
      expect(state?.resetMs).toBeGreaterThan(0);
      expect(state?.resetMs).toBeLessThanOrEqual(600);
      await opened.advance(state?.resetMs ?? 0);
      expect(await ask(window, counter)).toMatchObject({ admitted: true, claims: [{ used: 1 }] });
    });

    test("Calendar: the store's time picks the window among the boundaries", async () => {
      const start = opened.nowMs() - 1_000;
      const window: WindowSpec = {
        type: "Calendar",
        boundariesMs: [start - 1_000, start, start + 1_500, start + 9_000],
      };
      const counter = fresh("calendar");
      expect((await ask(window, counter, { amount: 4 })).admitted).toBe(true);
      const [state] = (await ask(window, counter)).claims;
      expect(state?.exceeded).toBe(true);
      expect(state?.resetMs).toBeGreaterThan(0);
      expect(state?.resetMs).toBeLessThanOrEqual(500);
      await opened.advance(state?.retryAfterMs ?? 0);
      expect(await ask(window, counter)).toMatchObject({ admitted: true, claims: [{ used: 1 }] });
      expect(await opened.store.peek(namespace, counter, window)).toBe(1);
    });

    test("a settlement that comes after its window changes nothing that counts", async () => {
      const window: WindowSpec = { type: "Fixed", durationMs: 300 };
      const counter = fresh("late");
      await opened.advance(300 - (opened.nowMs() % 300) + 5);
      const claims = [{ counter, window, max: 9, amount: 5, enforced: true }];
      const holdId = fresh("hold");
      await opened.store.reserve({ namespace, holdId, leaseMs: 60_000, claims });
      await opened.advance(300);
      await ask(window, counter);
      expect(await opened.store.settle({ namespace, holdId, amounts: [9] })).toBe(true);
      expect(await opened.store.peek(namespace, counter, window)).toBe(1);
    });
  });
};
