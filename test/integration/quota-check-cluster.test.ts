/** `sidegate quota check` on a Redis Cluster: keys in several slots, and holds with two records. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { judge } from "../../src/cli/quota/check/judgement.ts";
import { readRedis } from "../../src/cli/quota/check/reading.ts";
import { clusterHoldKey } from "../../src/redis/keys.ts";
import { RedisLink } from "../../src/redis/link.ts";
import { readResources } from "../../src/resources/read.ts";
import { openRedis } from "../../src/sidecar/stores/redis/open.ts";
import { startRedisCluster, type TestCluster } from "../fixtures/redis-cluster.ts";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startRedisCluster();
}, 60_000);
afterAll(() => cluster.stop());

const quota = (namespace: string, name: string, target: string, limit: number): string => `
apiVersion: sidegate.dev/v1alpha1
kind: AIQuota
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  targetRefs: [{group: "", kind: Namespace, ${target}}]
  limits: [{name: day, resource: Requests, limit: ${limit}, window: {type: Fixed, duration: 24h}}]
---`;

test("counters of all slots are compared, and both records of a hold are known", { timeout: 30_000 }, async () => {
  const settings = { log: silentLog(), clock: systemClock };
  const sidecar = openRedis({ ...settings, url: cluster.url, commandTimeoutMs: 5_000 });
  const link = new RedisLink({ ...settings, place: { url: cluster.url }, name: "t", timeoutMs: 5_000 });
  await Promise.all([sidecar.ready(), link.ready()]);
  const namespaces = ["one", "two", "three"];
  const window = { type: "Fixed", durationMs: 86_400_000 } as const;
  for (const namespace of namespaces) {
    const claim = { window, max: 1_000, amount: 4, enforced: true };
    const own = { ...claim, counter: `${namespace}/own/day/all` };
    const org = { ...claim, counter: "sidegate-system/org/day/all", scope: "Cluster" as const };
    await sidecar.quota.reserve({ namespace, holdId: `h-${namespace}`, leaseMs: 60_000, claims: [own, org] });
  }
  const text = [
    ...namespaces.map((namespace) => quota(namespace, "own", `name: ${namespace}`, namespace === "two" ? 3 : 4)),
    quota("sidegate-system", "org", "selector: {}", 11),
  ];
  const { quotas } = readResources([{ path: "q.yaml", text: text.join("\n") }]);
  const look = async () => {
    const results = judge(await readRedis(link, undefined), quotas);
    return results.flatMap(({ name, verdict, details = [] }) => (verdict === "ok" ? [] : [[name, ...details]]));
  };
  const above = [
    "within-limits",
    "AIQuota two/own, limit day, for all: 4, limit 3",
    "AIQuota sidegate-system/org, limit day, for all: 12, limit 11",
  ];
  expect((await look()).map((each) => each.toSorted())).toEqual([above.toSorted()]);

  const record = clusterHoldKey("three", "h-three");
  const { primary } = await cluster.ownersOf(record);
  await primary.command(`DEL ${record}`);
  expect((await look()).find(([name]) => name === "holds-recorded")?.[1]).toContain(`${record} has no record`);
  link.close();
  await sidecar.close();
});
