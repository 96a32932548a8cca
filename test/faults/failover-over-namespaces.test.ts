// On a Cluster the counters over namespaces and those of a namespace lie on two nodes: each may lose its last writes alone.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { createLog } from "../../src/base/log.ts";
import { clusterNamespace, prefixOf } from "../../src/redis/keys.ts";
import type { Claim } from "../../src/sidecar/ports/quota-store.ts";
import { LossGuard } from "../../src/sidecar/stores/loss-guard.ts";
import { openRedis, type RedisStores } from "../../src/sidecar/stores/redis/open.ts";
import { until } from "../fixtures/calls.ts";
import type { TestRedis } from "../fixtures/redis.ts";
import { startRedisCluster, type TestCluster } from "../fixtures/redis-cluster.ts";

const recoveryMsMax = 30_000;
const window = { type: "Fixed", durationMs: 28 * 86_400_000 } as const;

let cluster: TestCluster;
let stores: RedisStores;
let guard: LossGuard;
let namespace: string;
let logLines: string[];
beforeEach(async () => {
  cluster = await startRedisCluster();
  const shared = await cluster.ownersOf(`${prefixOf(clusterNamespace)}x`);
  for (const name of ["team", "a", "b", "c", "d"]) {
    namespace = name;
    if ((await cluster.ownersOf(`${prefixOf(name)}x`)).primary !== shared.primary) break;
  }
  logLines = [];
  const log = createLog({ name: "t", level: "warn", destination: { write: (line) => void logLines.push(line) } });
  stores = openRedis({ url: cluster.url, log, clock: systemClock, commandTimeoutMs: 1_000 });
  await stores.ready();
  guard = new LossGuard({ store: stores.quota, legs: stores.quota.legs, marks: stores.marks, instance: "one", log });
}, 60_000);
afterEach(async () => {
  guard?.stop();
  await stores?.close();
  await cluster?.stop();
});

const limits = (): readonly [Claim, Claim, Claim, Claim] => {
  const base = { window, max: 100, amount: 5, enforced: true } as const;
  const running = { ...base, window: { type: "Concurrency" }, amount: 1 } as const;
  return [
    { ...base, counter: `${namespace}/q/tokens/all` },
    { ...running, counter: `${namespace}/q/running/all` },
    { ...base, counter: "ops/q/tokens/all", scope: "Cluster" },
    { ...running, counter: "ops/q/running/all", scope: "Cluster" },
  ];
};
const reserve = async (holdId: string): Promise<void> => {
  const { admitted } = await guard.reserve({ namespace, holdId, leaseMs: 60_000, claims: limits() });
  expect(admitted).toBe(true);
};
const settle = (holdId: string, units: number): Promise<boolean> =>
  guard.settle({ namespace, holdId, amounts: [units, 0, units + 1, 0] });
const used = (): Promise<readonly number[]> =>
  Promise.all(
    limits().map(({ counter, scope, window: each }) =>
      stores.quota.peek(scope ? clusterNamespace : namespace, counter, each),
    ),
  );

/** The replica of the node that has the keys of `tag` misses what `during` writes, and takes over. */
const failOver = async (tag: string, during: () => Promise<void>): Promise<void> => {
  const { primary, replica } = await cluster.ownersOf(`${prefixOf(tag)}x`);
  const offset = async (node: TestRedis, name: string): Promise<number> =>
    Number(new RegExp(`^${name}:(\\d+)`, "m").exec(await node.command("INFO replication"))?.[1]);
  const reached = await offset(primary, "master_repl_offset");
  await until("the replica has all", async () => (await offset(replica, "slave_repl_offset")) >= reached);
  await cluster.cutReplication(primary);
  await during();
  await primary.kill();
  expect(await replica.command("CLUSTER FAILOVER TAKEOVER")).toBe("+OK");
  let saw: unknown;
  const isDecided = (): Promise<boolean> =>
    used().then(
      () => true,
      (fault: unknown) => {
        saw = fault;
        return false;
      },
    );
  await until("the replica decides", isDecided, recoveryMsMax).catch(async (fault: Error) => {
    const nodes = cluster.nodes.filter((node) => node !== primary).map((node) => node.command("CLUSTER NODES"));
    throw new Error(`${fault.message}; seen: ${saw}; nodes say:\n${(await Promise.all(nodes)).join("\n\n")}`);
  });
};

describe("lost writes", () => {
  test.each([
    { whose: "over namespaces", when: "before a mark", said: "redis lost its last writes" },
    { whose: "of the namespace", when: "before a mark", said: "redis lost its last writes" },
    { whose: "of the namespace", when: "after the last mark", said: "another redis server answers" },
  ])(
    "$whose alone, $when, are told again, and what was kept elsewhere is not doubled",
    { timeout: 90_000 },
    async ({ whose, when, said }) => {
      await reserve("kept");
      await reserve("half");
      await settle("kept", 7);
      for (let i = 0; i < 3; i++) await guard.look();
      guard.stop(); // no mark comes in between
      await failOver(whose === "over namespaces" ? clusterNamespace : namespace, async () => {
        await settle("half", 2);
        await reserve("settled");
        await settle("settled", 10);
        await reserve("running");
        if (when === "before a mark") await guard.look();
      });
      await until(
        "it is told again",
        async () => {
          await guard.look();
          return guard.told >= 3;
        },
        recoveryMsMax,
      );
      expect(await used()).toEqual([7 + 2 + 10 + 5, 1, 8 + 3 + 11 + 5, 1]);
      expect(logLines.filter((line) => line.includes(said))).toHaveLength(1);
      expect(logLines.join()).toContain(whose === "over namespaces" ? '"leg":"Cluster"' : '"leg":"Namespace"');
      expect(await guard.renew(namespace, ["running"], 60_000)).toEqual([]);
      expect(await settle("running", 1)).toBe(true);
      for (let i = 0; i < 3; i++) await guard.look();
      expect(await used()).toEqual([7 + 2 + 10 + 1, 0, 8 + 3 + 11 + 2, 0]);
      expect(guard.told).toBe(3);
    },
  );
});
