// A hold over namespaces on a Cluster has two legs: whichever of them is lost, slow or cut, nothing leaks and nothing exceeds.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { clusterNamespace } from "../../src/redis/keys.ts";
import type { Claim, ReserveRequest } from "../../src/sidecar/ports/quota-store.ts";
import { StoreUnavailable } from "../../src/sidecar/ports/store-unavailable.ts";
import { openRedis, type RedisStores } from "../../src/sidecar/stores/redis/open.ts";
import { until } from "../fixtures/calls.ts";
import { type PairNode, startRedisPair, type TestPair } from "../fixtures/redis-pair.ts";

/** One command may take so long, ms. */
const timeoutMs = 150;
/** A breaker that opened closes again within 5 s. */
const recoveredMsMax = 15_000;

let pair: TestPair;
/** The node of the namespace's keys, and the one of the cluster's. */
let home: PairNode;
let shared: PairNode;
let namespace: string;
let stores: RedisStores;

beforeAll(async () => {
  pair = await startRedisPair();
  ({ home, shared, namespace } = pair);
  stores = openRedis({
    url: pair.url,
    log: silentLog(),
    clock: systemClock,
    commandTimeoutMs: timeoutMs,
  });
  await stores.ready();
  await calm();
}, 60_000);
afterAll(async () => {
  await stores.close();
  await pair.stop();
});
afterEach(async () => {
  pair.heal();
  await calm();
});

/** Until both nodes answer and nothing is left to be given back. */
const calm = (): Promise<unknown> =>
  until(
    "both nodes answer and nothing is nobody's",
    async () => {
      try {
        await Promise.all([stores.quota.liveHolds(namespace), stores.quota.liveHolds(clusterNamespace)]);
        return stores.quota.orphans === 0;
      } catch {
        return false;
      }
    },
    recoveredMsMax,
  );

let serial = 0;
const claimsWith = (max: number): readonly [Claim, Claim, Claim] => {
  const base = { window: { type: "Fixed", durationMs: 28 * 86_400_000 }, max, amount: 5, enforced: true } as const;
  const subject = `s${++serial}`;
  return [
    { ...base, counter: `${namespace}/q/limit/${subject}` },
    { ...base, counter: `ops/q/limit/${subject}`, scope: "Cluster" },
    { ...base, counter: `ops/q/running/${subject}`, scope: "Cluster", window: { type: "Concurrency" }, amount: 1 },
  ];
};
const requestOf = (claims: readonly Claim[]): ReserveRequest => ({
  namespace,
  holdId: `hold-${++serial}`,
  leaseMs: 60_000,
  claims,
});
const used = (claims: readonly Claim[]): Promise<readonly number[]> =>
  Promise.all(
    claims.map(({ counter, window, scope }) =>
      stores.quota.peek(scope ? clusterNamespace : namespace, counter, window),
    ),
  );
/** Live holds of both legs: the second leg's stand in an index of their own. */
const liveLegs = async (): Promise<number> => {
  const words = `ZCARD sg:{${clusterNamespace}}:holds:${namespace}`;
  return (await stores.quota.liveHolds(namespace)) + Number((await shared.redis.command(words)).slice(1));
};

const faults = [
  { name: "the answer of the first leg is cut off", break: () => home.proxy.cutNextReply() },
  { name: "the answer of the second leg is cut off", break: () => shared.proxy.cutNextReply() },
  { name: "the first leg is slow", break: () => slow(home) },
  { name: "the second leg is slow", break: () => slow(shared) },
  { name: "the first leg's node is frozen", break: () => home.redis.pause() },
  { name: "the second leg's node is frozen", break: () => shared.redis.pause() },
] as const;
const slow = ({ proxy }: PairNode): void => {
  proxy.delayMs = 2 * timeoutMs;
};

test("who settles a hold that it does not remember settles both legs, if it says what was claimed", async () => {
  const claims = claimsWith(20);
  const asked = requestOf(claims);
  expect((await stores.quota.reserve(asked)).admitted).toBe(true);
  const other = openRedis({ url: pair.url, log: silentLog(), clock: systemClock, commandTimeoutMs: timeoutMs });
  await other.ready();
  const settlement = { namespace, holdId: asked.holdId, amounts: [2, 3, 0], claims };
  expect(await other.quota.settle(settlement)).toBe(true);
  expect(await used(claims)).toEqual([2, 3, 0]);
  expect(await other.quota.settle(settlement)).toBe(false);
  await other.close();
});

describe("a reserve", () => {
  test.each(faults)("of which $name holds nothing in the end", async (fault) => {
    const claims = claimsWith(100);
    fault.break();
    const startMs = performance.now();
    await expect(stores.quota.reserve(requestOf(claims))).rejects.toThrow(StoreUnavailable);
    expect(performance.now() - startMs).toBeLessThan(3 * timeoutMs); // two legs, and what a busy machine adds
    pair.heal();
    await calm();
    expect(await used(claims)).toEqual([0, 0, 0]);
    expect(await liveLegs()).toBe(0);
  });
});

describe("a settlement", () => {
  test.each(faults)("of which $name counts once when it is repeated", async (fault) => {
    const claims = claimsWith(100);
    const asked = requestOf(claims);
    expect(await stores.quota.reserve(asked)).toMatchObject({ admitted: true });
    const settlement = { namespace, holdId: asked.holdId, amounts: [2, 3, 0] };
    fault.break();
    await expect(stores.quota.settle(settlement)).rejects.toThrow(StoreUnavailable);
    pair.heal();
    await calm();
    await until(
      "it is settled",
      () =>
        stores.quota.settle(settlement).then(
          () => true,
          () => false,
        ),
      recoveredMsMax,
    );
    expect(await stores.quota.settle(settlement)).toBe(false);
    expect(await used(claims)).toEqual([2, 3, 0]);
    expect(await liveLegs()).toBe(0);
  });
});

test("under faults at random no limit is exceeded, and what is used is the sum of the truth", async () => {
  const max = 60;
  const claims = claimsWith(max);
  let truth = 0;
  let highest = 0;
  let state = 42; // a generator of our own: the run is the same each time
  const random = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
  const settleUntilTaken = async (holdId: string, amount: number): Promise<void> => {
    await until(
      "it is settled",
      () =>
        stores.quota.settle({ namespace, holdId, amounts: [amount, amount, 0] }).then(
          () => true,
          () => false,
        ),
      recoveredMsMax,
    );
    truth += amount;
  };
  for (let round = 0; round < 25; round++) {
    const node = random(2) === 0 ? home : shared;
    const kind = random(4);
    if (kind === 0) node.proxy.cutNextReply();
    if (kind === 1) slow(node);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 4 }, async () => {
        const asked = requestOf(claims);
        const { admitted } = await stores.quota.reserve(asked);
        if (admitted) await settleUntilTaken(asked.holdId, 1 + random(2));
      }),
    );
    for (const outcome of outcomes)
      if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(StoreUnavailable);
    node.proxy.delayMs = 0;
    const [own = 0, over = 0] = await Promise.all([used(claims.slice(0, 1)), used(claims.slice(1, 2))]).then(
      (values) => values.flat(),
      () => [],
    );
    highest = Math.max(highest, own, over);
    await sleep(random(30));
  }
  await calm();
  expect(highest).toBeLessThanOrEqual(max);
  expect(await used(claims)).toEqual([truth, truth, 0]);
  expect(await liveLegs()).toBe(0);
  expect(truth).toBeGreaterThan(20);
}, 120_000);
