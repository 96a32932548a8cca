/** What the calls of Exact and Leased cost Redis: the figures that the simulation of a fleet reckons with (fleet-costs.ts). */
import { expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { Claim, QuotaStore } from "../../src/sidecar/ports/quota-store.ts";
import { openRedis } from "../../src/sidecar/stores/redis/open.ts";
import { isWhole, share, tellFigure } from "../fixtures/proof.ts";
import { startRedis } from "../fixtures/redis.ts";
import { callUs } from "./fleet-costs.ts";

const callsPerRound = share(4_000);
const rounds = 5;
const underWay = 50;
const namespace = "team";
const minute = { type: "Sliding", durationMs: 60_000 } as const;
const claim: Claim = { counter: "team/q/l/all", window: minute, max: 1_000_000_000_000, amount: 1, enforced: true };
const lease = { namespace, leaseMs: 60_000 };

type Call = (store: QuotaStore, holdId: string) => Promise<unknown>;
const reserve: Call = (store, holdId) => store.reserve({ ...lease, holdId, claims: [claim] });
const calls: Record<keyof typeof callUs, readonly [before: Call, measured: Call]> = {
  reserve: [async () => undefined, reserve],
  slice: [
    async () => undefined,
    (store, holdId) =>
      store.reserve({
        ...{ ...lease, holdId, claims: [{ ...claim, amount: 0, perOutput: 1 }] },
        output: { wanted: 20, min: 1 },
      }),
  ],
  settle: [reserve, (store, holdId) => store.settle({ namespace, holdId, amounts: [0] })],
  trim: [reserve, (store, holdId) => store.trim(namespace, [{ holdId, amounts: [0] }])],
};

test("the costs that the simulation reckons with are those of Redis", { timeout: 120_000 }, async () => {
  const redis = await startRedis();
  const stores = openRedis({ url: redis.url, log: silentLog(), clock: systemClock, commandTimeoutMs: 5_000 });
  try {
    await stores.ready();
    let serial = 0;
    /** CPU of the whole server for a call: what the script takes, and to read and to answer. */
    const cpuUs = async (): Promise<number> => {
      const info = await redis.command("INFO cpu");
      const seconds = (name: string): number => Number(new RegExp(`used_cpu_${name}:([\\d.]+)`).exec(info)?.[1]);
      return (seconds("user") + seconds("sys")) * 1e6;
    };
    const round = async ([before, measured]: readonly [Call, Call]): Promise<number> => {
      let us = 0;
      for (let done = 0; done < callsPerRound; done += underWay) {
        const ids = Array.from({ length: underWay }, () => `hold-${++serial}`);
        await Promise.all(ids.map((holdId) => before(stores.quota, holdId)));
        const from = await cpuUs();
        await Promise.all(ids.map((holdId) => measured(stores.quota, holdId)));
        us += (await cpuUs()) - from;
        await Promise.all(ids.map((holdId) => stores.quota.release(namespace, holdId)));
      }
      return us / callsPerRound;
    };
    const figures: Record<string, string> = {};
    for (const [name, call] of Object.entries(calls)) {
      await round(call); // the script is known and its memory is warm
      const each: number[] = [];
      for (let i = 0; i < rounds; i++) each.push(await round(call));
      const best = Math.min(...each);
      figures[`${name}, us`] = best.toFixed(1);
      const reckoned = callUs[name as keyof typeof callUs]; // the keys of both are the same
      // Redis reckons in wall time: on a busy machine the best round tells its own, and a tenth is too short to judge.
      expect(best, name).toBeLessThanOrEqual(reckoned * (isWhole ? 1.5 : 4));
    }
    tellFigure("slice costs", figures);
  } finally {
    await stores.close();
    await redis.stop();
  }
});
