// Slices of several sidecars over one real Redis, and over a Cluster, where counters over namespaces lie in a leg of their own.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { WindowSpec } from "../../src/base/window.ts";
import { clusterNamespace } from "../../src/redis/keys.ts";
import type { Claim } from "../../src/sidecar/ports/quota-store.ts";
import { openRedis, type RedisStores } from "../../src/sidecar/stores/redis/open.ts";
import { until } from "../fixtures/calls.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import { startRedisCluster, type TestCluster } from "../fixtures/redis-cluster.ts";
import { namespace, openSliceSidecar, type SliceSidecar } from "../fixtures/slice-sidecar.ts";

let redis: TestRedis;
let cluster: TestCluster;
const opened: RedisStores[] = [];
beforeAll(async () => {
  redis = await startRedis();
  cluster = await startRedisCluster();
}, 60_000);
afterAll(async () => {
  for (const stores of opened) await stores.close();
  await redis.stop();
  await cluster.stop();
});

const sidecarsAt = async (url: string, count: number): Promise<SliceSidecar[]> => {
  const sidecars: SliceSidecar[] = [];
  for (let i = 0; i < count; i++) {
    // about counters, not about speed
    const stores = openRedis({ url, log: silentLog(), clock: systemClock, commandTimeoutMs: 5_000 });
    opened.push(stores);
    await stores.ready();
    const isReady = (): Promise<boolean> =>
      Promise.all([namespace, clusterNamespace].map((each) => stores.quota.liveHolds(each))).then(
        () => true,
        () => false,
      );
    await until("every node takes commands", isReady);
    sidecars.push(openSliceSidecar(stores.quota, systemClock));
  }
  return sidecars;
};

const hours: WindowSpec = { type: "Fixed", durationMs: 28 * 24 * 3_600_000 };
const limits = {
  own: { counter: "team/q/own/all", window: { type: "Sliding", durationMs: 3_600_000 }, max: 3_000 },
  over: { counter: "sidegate/q/over/all", window: hours, max: 100_000, scope: "Cluster" },
  tokens: { counter: "team/q/tokens/all", window: hours, max: 60_000 },
} as const;
const claimsOf = (tokens: number): readonly Claim[] => [
  { ...limits.own, amount: 1, enforced: true, precision: "Leased" },
  { ...limits.over, amount: 2, enforced: true, precision: "Leased" },
  { ...limits.tokens, amount: tokens, perOutput: 1, enforced: true, precision: "Leased" },
];

test.each([
  ["one Redis", () => redis.url],
  ["a Cluster", () => cluster.url],
])(
  "four sidecars on %s: never above the limit, in the end the truth, and a call now and then",
  async (_, url) => {
    const sidecars = await sidecarsAt(url(), 4);
    const [first] = sidecars;
    if (!first) throw new Error("there are four");
    const usedOf = ({ counter, window, ...rest }: (typeof limits)[keyof typeof limits]): Promise<number> =>
      first.store.peek("scope" in rest ? clusterNamespace : namespace, counter, window);
    let served = 0;
    let charged = 0;
    let isRunning = true;
    const looking = (async () => {
      while (isRunning) {
        await Promise.all(sidecars.map((sidecar) => sidecar.look()));
        for (const limit of Object.values(limits)) expect(await usedOf(limit)).toBeLessThanOrEqual(limit.max);
        await sleep(50);
      }
    })();
    const worker = async (sidecar: SliceSidecar, seed: number): Promise<void> => {
      for (let i = 0; i < 120; i++) {
        const asked = await sidecar.ask(claimsOf((i * seed) % 7), { wanted: 16, min: 4 });
        if (!asked.admitted) continue;
        served++;
        const isLong = i % 40 === 0;
        const tokens = (i + seed) % 20;
        charged += tokens;
        if (isLong) void sleep(2_500).then(() => asked.end([1, 2, tokens]));
        else asked.end([1, 2, tokens]);
        if (i % 4 === 0) await sleep(5);
      }
    };
    const callsBefore = sidecars.reduce((sum, { calls }) => sum + calls(), 0);
    await Promise.all(
      sidecars.flatMap((sidecar, at) => [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => worker(sidecar, seed + at))),
    );
    await sleep(3_000); // the long ones end
    isRunning = false;
    await looking;
    for (const sidecar of sidecars) await sidecar.slices.close();
    const nothingHeld = async (): Promise<boolean> => (await first.store.liveHolds(namespace)) === 0;
    await until("nothing is held", nothingHeld);
    expect(served).toBeLessThanOrEqual(limits.own.max);
    expect(await Promise.all([limits.own, limits.over, limits.tokens].map(usedOf))).toEqual([
      served,
      2 * served,
      charged,
    ]);
    const calls = sidecars.reduce((sum, each) => sum + each.calls(), 0) - callsBefore;
    expect(calls).toBeLessThan(served); // exactly it would be twice as many
  },
  60_000,
);
