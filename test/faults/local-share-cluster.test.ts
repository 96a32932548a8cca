// LocalShare on a Redis Cluster, under a quota of the namespace and one over namespaces: they lie on two nodes, and each may be away.
import { afterEach, beforeEach, expect, test } from "vitest";
import type { WindowSpec } from "../../src/base/window.ts";
import { clusterNamespace } from "../../src/redis/keys.ts";
import { shortTimeouts } from "../fixtures/bad-input.ts";
import { until } from "../fixtures/calls.ts";
import { ask, callBytes } from "../fixtures/fault-calls.ts";
import { openRaw } from "../fixtures/raw-http.ts";
import { startRedisPair, type TestPair } from "../fixtures/redis-pair.ts";
import { openRoute, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

const recoveryMsMax = 15_000;
const [orgLimit, ownLimit] = [30, 40];
const month: WindowSpec = { type: "Fixed", durationMs: 744 * 3_600_000 };
const quotas = `---
apiVersion: sidegate.dev/v1alpha1
kind: AIQuota
metadata: {name: org, namespace: sidegate-system}
spec:
  targetRefs: [{group: "", kind: Namespace, selector: {}}]
  failurePolicy: LocalShare
  limits:
    - {name: l, resource: Requests, limit: ${orgLimit}, window: {type: Fixed, duration: 744h}}
    - {name: running, resource: Concurrency, limit: 8}
---
apiVersion: sidegate.dev/v1alpha1
kind: AIQuota
metadata: {name: own, namespace: default}
spec:
  targetRefs: [{group: sidegate.dev, kind: AIRoute, name: test}]
  failurePolicy: LocalShare
  limits:
    - {name: l, resource: Requests, limit: ${ownLimit}, window: {type: Fixed, duration: 744h}}
`;

let pair: TestPair;
let gateways: TestGateway[] = [];
beforeEach(async () => {
  pair = await startRedisPair();
}, 60_000);
afterEach(async () => {
  pair?.heal();
  await Promise.all(gateways.map((gateway) => gateway.close()));
  gateways = [];
  await pair?.stop();
});

const start = async (namespace: string, rule = shortTimeouts): Promise<TestGateway> => {
  const gateway = await startTestGateway({
    redisUrl: pair.url,
    caller: { namespace },
    yaml: (url) => openRoute(url, { rule, quotas }).replaceAll("namespace: default", `namespace: ${namespace}`),
  });
  gateways.push(gateway);
  await until("its nodes are known", () =>
    Promise.all([used(gateway, "org"), used(gateway, "own", namespace)]).then((each) => each.every((n) => n === 0)),
  );
  return gateway;
};
const used = (gateway: TestGateway, quota: "org" | "own", namespace = "default"): Promise<number> => {
  const { peek } = gateway.stores.quota;
  const [tag, name] =
    quota === "org" ? [clusterNamespace, "sidegate-system/org/l/all"] : [namespace, `${namespace}/own/l/all`];
  return peek.call(gateway.stores.quota, tag, name, month).catch(() => -1);
};
const served = async (gateway: TestGateway, times: number): Promise<number> => {
  let count = 0;
  for (let i = 0; i < times; i++) if ((await ask(gateway, { streamed: i % 2 === 0 })).status === 200) count++;
  return count;
};
const refreshAll = async (): Promise<void> => {
  for (let i = 0; i < 6; i++) for (const { sidecar } of gateways) await sidecar.shares.refresh();
};

test.each([
  { away: "the whole Cluster", cut: () => pair.nodes, isForAll: true },
  { away: "the node with the counters over namespaces", cut: () => [pair.shared], isForAll: true },
  { away: "the namespace's node", cut: () => [pair.home], isForAll: false },
])(
  "while $away is away shares hold; afterwards each counter is charged once",
  async ({ cut, isForAll }) => {
    const [one, two] = [await start(pair.namespace), await start(pair.neighbour)];
    for (let round = 0; round < 4; round++) {
      expect(await served(one, 3)).toBe(3);
      expect(await served(two, 1)).toBe(1);
    }
    await until("all is settled", async () => (await used(one, "org")) === 16, recoveryMsMax);
    await refreshAll(); // shares settle down to 3 : 1
    for (const { redis } of cut()) redis.pause();
    const [byOne = 0, byTwo = 0] = await Promise.all([served(one, orgLimit), served(two, orgLimit)]);
    // Who is not cut off goes on with the whole remainder: above the limit is at most the share of who is.
    expect(16 + byTwo + (isForAll ? byOne : 0)).toBeLessThanOrEqual(orgLimit);
    expect(byOne).toBeGreaterThanOrEqual(8);
    expect(byOne).toBeLessThanOrEqual(orgLimit - 16);
    pair.heal();
    await until("Redis has all", async () => (await used(one, "org")) === 16 + byOne + byTwo, recoveryMsMax);
    await until("its own, too", async () => (await used(one, "own", pair.namespace)) === 12 + byOne, recoveryMsMax);
    await until("the other's, too", async () => (await used(two, "own", pair.neighbour)) === 4 + byTwo, recoveryMsMax);
    await until("nothing waits", () => gateways.every(({ sidecar }) => sidecar.shares.ledgerSize === 0));
    const rest = Math.max(0, orgLimit - 16 - byOne - byTwo);
    expect(await served(two, orgLimit)).toBe(rest); // not one more, and not one less
    expect(await used(one, "own", pair.namespace)).toBe(12 + byOne);
  },
  90_000,
);

test("a call that runs when the Cluster is back is held on both nodes from then on, and settled once", async () => {
  const gateway = await start(pair.namespace, "timeouts: {total: 20s}");
  const running = (): Promise<number> =>
    gateway.stores.quota
      .peek(clusterNamespace, "sidegate-system/org/running/all", { type: "Concurrency" })
      .catch(() => -1);
  const known = await openRaw(gateway.url);
  known.write(callBytes({ streamed: true, fake: "hang=headers" }));
  await until("it runs", () => gateway.provider.openRequests === 1);
  await refreshAll();
  for (const { redis } of pair.nodes) redis.pause();
  const away = await openRaw(gateway.url);
  away.write(callBytes({ streamed: true, fake: "hang=headers" }));
  await until("it runs by share", () => gateway.provider.openRequests === 2);
  pair.heal();
  await until("Redis has it", () => gateway.sidecar.shares.ledgerSize === 0, recoveryMsMax);
  await until("it is held", async () => (await running()) === 2, recoveryMsMax);
  away.socket.destroy();
  known.socket.destroy();
  await until("it is given back", async () => (await running()) === 0, recoveryMsMax);
  await until("both count", async () => (await used(gateway, "org")) === 2, recoveryMsMax);
  expect(await used(gateway, "own", pair.namespace)).toBe(2);
}, 60_000);
