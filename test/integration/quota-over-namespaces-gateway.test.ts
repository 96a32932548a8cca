/** Sidecars of two namespaces under one quota over namespaces: what one spends the other cannot. */
import { afterEach, expect, test } from "vitest";
import { clusterNamespace } from "../../src/redis/keys.ts";
import { chat, send, until } from "../fixtures/calls.ts";
import { startRedis } from "../fixtures/redis.ts";
import { startRedisCluster } from "../fixtures/redis-cluster.ts";
import { openRoute, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const quotas = (limit: string, more = ""): string => `---
apiVersion: sidegate.dev/v1alpha1
kind: AIQuota
metadata: {name: org, namespace: sidegate-system}
spec:
  targetRefs: [{group: "", kind: Namespace, selector: {}}]
  ${more}
  limits:
    - ${limit}
---
apiVersion: sidegate.dev/v1alpha1
kind: AIQuota
metadata: {name: own, namespace: default}
spec:
  targetRefs: [{group: sidegate.dev, kind: AIRoute, name: test}]
  limits:
    - {name: tpm, resource: TotalTokens, limit: 100000, window: {type: Sliding, duration: 1h}}
`;
const gatewayOf = async (namespace: string, redisUrl: string, yaml: string): Promise<TestGateway> => {
  const gateway = await startTestGateway({
    redisUrl,
    caller: { namespace },
    yaml: (url) => openRoute(url, { quotas: yaml }).replaceAll("namespace: default", `namespace: ${namespace}`),
  });
  ends.push(() => gateway.close());
  await until("its nodes are known", () =>
    Promise.all([gateway.stores.quota.liveHolds(namespace), gateway.stores.quota.liveHolds(clusterNamespace)]).then(
      () => true,
      () => false,
    ),
  );
  return gateway;
};
const ask = (gateway: TestGateway) => send(`${gateway.url}/v1/chat/completions`, { body: chat("hello there") });
const window = { type: "Sliding", durationMs: 3_600_000 } as const;

test.each([
  { name: "one server", start: startRedis },
  { name: "a Cluster", start: startRedisCluster },
])(
  "on $name: the limit is everybody's, the counters settle, and the refusal names the quota",
  async ({ start }) => {
    const redis = await start();
    ends.push(() => redis.stop());
    const yaml = quotas("{name: rpm, resource: Requests, limit: 3, window: {type: Sliding, duration: 1h}}");
    const one = await gatewayOf("default", redis.url, yaml);
    const two = await gatewayOf("other", redis.url, yaml);
    expect([(await ask(one)).status, (await ask(two)).status, (await ask(one)).status]).toEqual([200, 200, 200]);
    const refused = await ask(two);
    expect(refused.status).toBe(429);
    expect(refused.json.error?.message).toMatch(/quota sidegate-system\/org, limit rpm \(3 requests/);
    for (const [gateway, namespace] of [
      [one, "default"],
      [two, "other"],
    ] as const)
      await until("settled", async () => (await gateway.stores.quota.liveHolds(namespace)) === 0);
    expect(await one.stores.quota.peek(clusterNamespace, "sidegate-system/org/rpm/all", window)).toBe(3);
    // Each namespace's own quota counted its own, and nothing for what was refused.
    const own = await Promise.all(
      [one, two].map((gateway, i) =>
        gateway.stores.quota.peek(
          i === 0 ? "default" : "other",
          `${i === 0 ? "default" : "other"}/own/tpm/all`,
          window,
        ),
      ),
    );
    expect(own[0]).toBe((own[1] ?? 0) * 2);
    expect(own[1]).toBeGreaterThan(0);
  },
  60_000,
);

test("per Namespace each has a counter of its own, in one place", async () => {
  const redis = await startRedis();
  ends.push(() => redis.stop());
  const yaml = quotas(
    "{name: rpm, resource: Requests, limit: 1, window: {type: Sliding, duration: 1h}}",
    "per: [Namespace]",
  );
  const one = await gatewayOf("default", redis.url, yaml);
  const two = await gatewayOf("other", redis.url, yaml);
  expect([(await ask(one)).status, (await ask(one)).status, (await ask(two)).status]).toEqual([200, 429, 200]);
  const counter = (subject: string) =>
    one.stores.quota.peek(clusterNamespace, `sidegate-system/org/rpm/${subject}`, window);
  expect([await counter("ns=default"), await counter("ns=other")]).toEqual([1, 1]);
});
