// The in-chart Redis goes away, and comes back without anything that it knew.
import { connect } from "node:net";
import { beforeAll, describe, expect, test } from "vitest";
import { aclUserOf } from "../../src/redis/acl.ts";
import { isOwnCluster } from "./harness/cluster.ts";
import { startProvider } from "./harness/fake-provider.ts";
import { say } from "./harness/figures.ts";
import { installSidegate, systemNamespace } from "./harness/installation.ts";
import { apply, exec, get, type KubeObject, kubectl, type Pod, podsOf, remove, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { operatorSettled } from "./harness/operator.ts";
import { airoute, credential, injected, requestsQuota } from "./harness/route.ts";
import { isAcknowledged, routeStatus } from "./harness/route-status.ts";
import { trafficDeployment, trafficOf } from "./harness/traffic.ts";
import { until } from "./harness/until.ts";

/** Calls pass again, and the status is well, after Redis takes connections, ms. */
const recoveredMsMax = 10_000;
const redisDeployment = "deployment/sidegate-redis";
const redisSelector = "app.kubernetes.io/component=redis";

const metered = useNamespace("metered");
const free = useNamespace("unmetered");
let meteredPod: Pod;
let freePod: Pod;

const startApp = async (namespace: string, name: string): Promise<Pod> => {
  const provider = await startProvider(namespace);
  await apply([credential(namespace, "sk-redis"), airoute({ namespace, provider })]);
  await apply(trafficDeployment({ name, namespace, mode: "calls", pauseMs: 200, annotations: injected }));
  await waitFor(`deployment/${name}`, "condition=Available", namespace);
  const [pod] = await podsOf(`app=${name}`, namespace);
  if (!pod) throw new Error("no pod");
  await until("the route is programmed", async () => isAcknowledged(await routeStatus(namespace), 1));
  return pod;
};

/**
 * Resolves with the time at which a new Redis takes connections and the old one takes none: a pod that is deleted
 * with force is gone from the API server at once, and its container answers until the kubelet has killed it.
 */
const redisBack = async (old: Pod): Promise<number> => {
  await until("Redis takes connections", async () => {
    const [pod] = await podsOf(redisSelector, systemNamespace);
    const address = pod?.metadata.uid === old.metadata.uid ? undefined : pod?.status.podIP;
    return address !== undefined && (await connects(address));
  });
  let backAtMs = 0;
  await until("the old Redis takes none", async () => {
    backAtMs = Date.now();
    return !(await connects(old.status.podIP ?? ""));
  });
  return backAtMs;
};

const connects = (host: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port: 6379, timeout: 500 });
    const ends = (is: boolean) => () => {
      socket.destroy();
      resolve(is);
    };
    socket.on("connect", ends(true)).on("error", ends(false)).on("timeout", ends(false));
  });

const redisPod = async (): Promise<Pod> => {
  const [pod] = await podsOf(redisSelector, systemNamespace);
  if (!pod?.status.podIP) throw new Error("Redis has no pod with an address");
  return pod;
};

/** The users that Redis knows. */
const users = async (): Promise<string> => {
  const pod = await redisPod();
  const secret = await get<KubeObject & { data: Record<string, string> }>("secret", "sidegate-redis", systemNamespace);
  const password = Buffer.from(secret?.data["password"] ?? "", "base64").toString("utf8");
  const ask = ["env", `REDISCLI_AUTH=${password}`, "redis-cli", "--user", "sidegate-operator", "ACL", "USERS"];
  return await exec({ namespace: systemNamespace, pod: pod.metadata.name }, ask);
};

/** Until calls pass, the status is well and Redis knows the users again; says how long that took and what failed. */
const recovered = async (what: string, failedBefore: number, backAtMs: number): Promise<void> => {
  const at = await trafficOf(meteredPod);
  await until("calls pass", async () => (await trafficOf(meteredPod)).whole > at.whole);
  const passMs = Date.now() - backAtMs;
  await until("the status is well", async () => isAcknowledged(await routeStatus(metered), 1));
  const statusMs = Date.now() - backAtMs;
  await until("Redis knows the users", async () => {
    const known = (await users()).split("\n");
    return [metered, free].every((namespace) => known.includes(aclUserOf(namespace)));
  });
  const usersMs = Date.now() - backAtMs;
  const { failed, faults } = await trafficOf(meteredPod);
  const own = faults.slice(faults.length - (failed - failedBefore));
  const lastMs = (own.at(-1)?.atMs ?? backAtMs) - backAtMs;
  say(
    `${what}: ${own.length} calls refused, the last one ${lastMs} ms after Redis was back; first answer within ${passMs} ms, status well within ${statusMs} ms, users known within ${usersMs} ms`,
  );
  expect(own.map(({ status, code }) => `${status} ${code}`)).toEqual(own.map(() => "503 quota_store_unavailable"));
  expect(own.every(({ retryAfter }) => Number(retryAfter) > 0)).toBe(true);
  expect(Math.max(lastMs, passMs, statusMs, usersMs)).toBeLessThan(recoveredMsMax);
};

beforeAll(async () => {
  await installSidegate();
  await operatorSettled();
  meteredPod = await startApp(metered, "app");
  freePod = await startApp(free, "app");
  await apply(requestsQuota(metered, 100_000));
  await until(
    "the quota is in force",
    async () => (await kubectl(["get", "aiquota", "-n", metered, "-o", "jsonpath={.items[*].status.usage}"])) !== "",
  );
});

describe.skipIf(!isOwnCluster)("a Redis that keeps nothing over a restart", () => {
  test("is away: calls with quotas are refused with a time to come back, others pass, and the status says it", async () => {
    const { failed } = await trafficOf(meteredPod);
    const old = await redisPod();
    await kubectl(["scale", redisDeployment, "--replicas=0", "-n", systemNamespace]);
    await until("the status says it", async () => {
      const programmed = (await routeStatus(metered)).conditions["Programmed"];
      return programmed?.status === "Unknown" && programmed.reason === "QuotaStoreUnavailable";
    });
    const before = await trafficOf(freePod);
    await until("others are answered", async () => (await trafficOf(freePod)).whole > before.whole + 5);
    await kubectl(["scale", redisDeployment, "--replicas=1", "-n", systemNamespace]);
    await recovered("Redis away and back", failed, await redisBack(old));
  });

  test("is killed: everything comes back by itself", async () => {
    const { failed } = await trafficOf(meteredPod);
    const old = await redisPod();
    await remove([`pod/${old.metadata.name}`, "--grace-period=0", "--force"], systemNamespace);
    await recovered("Redis' pod killed", failed, await redisBack(old));
    const { failed: freeFailed, faults } = await trafficOf(freePod);
    expect({ freeFailed, faults }).toEqual({ freeFailed: 0, faults: [] });
  });
});
