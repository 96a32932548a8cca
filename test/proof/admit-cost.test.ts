/** What it costs Redis to admit a request that five quotas apply to. */
import { expect, test } from "vitest";
import { calendarBoundaries } from "../../src/base/calendar.ts";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { Claim } from "../../src/sidecar/ports/quota-store.ts";
import { openRedis } from "../../src/sidecar/stores/redis/open.ts";
import { isWhole, share, tellFigure } from "../fixtures/proof.ts";
import { startRedis } from "../fixtures/redis.ts";

const callsPerRound = share(4_000);
const rounds = 5;
const budgetUs = 60;
const underWay = 20;

const claimsOf = (nowMs: number): readonly Claim[] => {
  const max = 1_000_000_000_000;
  const month = { type: "Calendar", boundariesMs: calendarBoundaries("Month", "Europe/London", nowMs) } as const;
  const day = { type: "Calendar", boundariesMs: calendarBoundaries("Day", "America/New_York", nowMs) } as const;
  const minute = { type: "Sliding", durationMs: 60_000 } as const;
  const claim = { max, amount: 20, enforced: true };
  return [
    { ...claim, counter: "team/rate/requests/all", window: minute, amount: 1 },
    { ...claim, counter: "team/rate/tokens/all", window: minute, perOutput: 1 },
    { ...claim, counter: "team/budget/cost/all", window: month, perOutput: 0.6 },
    { ...claim, counter: "team/daily/tokens/sa=team/bot", window: day, perOutput: 1 },
    { ...claim, counter: "team/running/requests/all", window: { type: "Concurrency" }, amount: 1 },
  ];
};

test(`five quotas are admitted within ${budgetUs} us of Redis' time`, { timeout: 120_000 }, async () => {
  const redis = await startRedis();
  const stores = openRedis({ url: redis.url, log: silentLog(), clock: systemClock, commandTimeoutMs: 5_000 });
  try {
    await stores.ready();
    const usPerCall = async (): Promise<number> =>
      Number(/cmdstat_evalsha:.*usec_per_call=([\d.]+)/.exec(await redis.command("INFO commandstats"))?.[1]);
    const claims = claimsOf(Date.now());
    let serial = 0;
    /** Reserves, with `underWay` holds alive as they are under load; settles outside of what is measured. */
    const round = async (calls: number): Promise<number> => {
      await redis.command("CONFIG RESETSTAT");
      let us = 0;
      for (let done = 0; done < calls; done += underWay) {
        const ids = Array.from({ length: underWay }, () => `hold-${++serial}`);
        const asked = ids.map((holdId) =>
          stores.quota.reserve({
            namespace: "team",
            holdId,
            leaseMs: 60_000,
            claims,
            output: { wanted: 500, min: 16 },
          }),
        );
        for (const { admitted } of await Promise.all(asked)) expect(admitted).toBe(true);
        us += (await usPerCall()) * underWay;
        const settling = ids.map((holdId) =>
          stores.quota.settle({ namespace: "team", holdId, amounts: [1, 300, 200, 300, 0] }),
        );
        await Promise.all(settling);
        await redis.command("CONFIG RESETSTAT");
      }
      return us / calls;
    };
    await round(underWay * 5); // the script is known and its memory is warm
    const each: number[] = [];
    for (let i = 0; i < rounds; i++) each.push(await round(callsPerRound));
    const best = Math.min(...each);
    tellFigure("admit", {
      calls: callsPerRound * rounds,
      "us, best round": best.toFixed(1),
      "us, worst round": Math.max(...each).toFixed(1),
      budget: budgetUs,
    });
    // Redis reckons in wall time: on a busy machine the best round tells its own, and a tenth is too short to judge.
    expect(best).toBeLessThanOrEqual(isWhole ? budgetUs : 4 * budgetUs);
  } finally {
    await stores.close();
    await redis.stop();
  }
});
