/** Whatever sidecars and network do in whatever order, counters are the sum of the truth at every step and never over a limit. */
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, describe, test } from "vitest";
import { FakeClock, systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { createMemoryQuotaStore } from "../../src/sidecar/stores/memory/quota.ts";
import { Connection } from "../../src/sidecar/stores/redis/connection.ts";
import { openRedis, type RedisStores } from "../../src/sidecar/stores/redis/open.ts";
import { ScriptRunner } from "../../src/sidecar/stores/redis/script-runner.ts";
import { releaseCall } from "../../src/sidecar/stores/redis/scripts.ts";
import { share } from "../fixtures/proof.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import type { LedgerLimit } from "./quota-ledger.ts";
import { expectLawful, stepsWith } from "./quota-steps.ts";

const day = 86_400_000;

/** One limit of each kind, and one that only counts. */
const limitsWith = (times: {
  sliding: number;
  fixed: number;
  boundariesMs: readonly number[];
}): readonly LedgerLimit[] => [
  { counter: "rate", window: { type: "Sliding", durationMs: times.sliding }, max: 100, perOutput: 1, enforced: true },
  { counter: "running", window: { type: "Concurrency" }, max: 6, perOutput: 0, enforced: true },
  {
    counter: "budget",
    window: { type: "Calendar", boundariesMs: times.boundariesMs },
    max: 150,
    perOutput: 0.75,
    enforced: true,
  },
  { counter: "window", window: { type: "Fixed", durationMs: times.fixed }, max: 80, perOutput: 1, enforced: true },
  { counter: "audit", window: { type: "Sliding", durationMs: times.sliding }, max: 30, perOutput: 1, enforced: false },
];

describe("any interleaving of reserve, renew, settle, release, expiry, retry, duplicate, crash and late arrival is lawful", () => {
  test("in memory, while windows pass", { timeout: 600_000 }, async () => {
    const startMs = 1_700_000_000_000;
    const boundariesMs = Array.from({ length: 60 }, (_, i) => startMs - 70 + i * 70);
    const limits = limitsWith({ sliding: 160, fixed: 100, boundariesMs });
    await fc.assert(
      fc.asyncProperty(stepsWith([3, 40, 60_000], [1, 9, 10, 40, 100]), async (steps) => {
        const clock = new FakeClock(startMs);
        const store = createMemoryQuotaStore({ clock });
        const world = {
          stores: [store],
          limits,
          turnsLateAway: false,
          nowMs: () => clock.nowMs(),
          pass: async (ms: number, ledger: { expire(nowMs: number): void }) => {
            clock.advance(ms);
            ledger.expire(clock.nowMs());
          },
          giveUp: (namespace: string, id: string) => store.release(namespace, id),
        };
        await expectLawful(world, steps);
      }),
      { numRuns: share(5_000) },
    );
  });

  describe("in Redis, over two connections", () => {
    let redis: TestRedis;
    let stores: readonly RedisStores[];
    let connection: Connection;
    beforeAll(async () => {
      redis = await startRedis();
      const settings = { log: silentLog(), clock: systemClock, commandTimeoutMs: 5_000 };
      stores = [openRedis({ url: redis.url, ...settings }), openRedis({ url: redis.url, ...settings })];
      connection = new Connection({ place: { url: redis.url }, purpose: "test", ...settings });
      await Promise.all([...stores.map((each) => each.ready()), connection.ready()]);
    });
    afterAll(async () => {
      await Promise.all([...stores.map((each) => each.close()), connection.close()]);
      await redis.stop();
    });

    test("while leases end", { timeout: 600_000 }, async () => {
      // Redis' time cannot be moved: leases of 1 ms have ended before anything else is looked at, windows never do.
      const [shortMs, longMs] = [1, 3_000_000];
      const scripts = new ScriptRunner(connection);
      await fc.assert(
        fc.asyncProperty(stepsWith([shortMs, longMs], [0]), async (steps) => {
          const nowMs = Date.now();
          const boundariesMs = [nowMs - 9 * day, nowMs - day, nowMs + day];
          const world = {
            stores: stores.map(({ quota }) => quota),
            limits: limitsWith({ sliding: 28 * day, fixed: 31 * day, boundariesMs }),
            turnsLateAway: true,
            nowMs: () => nowMs,
            pass: async (_: number, ledger: { hasLease(ms: number): boolean; expireAllWith(ms: number): void }) => {
              if (!ledger.hasLease(shortMs)) return;
              await sleep(3);
              ledger.expireAllWith(shortMs);
            },
            giveUp: (namespace: string, holdId: string) =>
              scripts.run(releaseCall({ namespace, holdId, lateMs: 600_000 })),
          };
          await expectLawful(world, steps);
        }),
        { numRuns: share(1_000) },
      );
    });
  });
});
