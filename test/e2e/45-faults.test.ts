// What applications notice when the control plane is away or its work is spoilt: nothing.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { configSecretName } from "../../src/inject/workload.ts";
import { isOwnCluster } from "./harness/cluster.ts";
import { startDaemons, stopDaemon } from "./harness/daemons.ts";
import { type ClusterProvider, startProvider } from "./harness/fake-provider.ts";
import { say } from "./harness/figures.ts";
import { installSidegate, systemNamespace } from "./harness/installation.ts";
import { apply, get, type KubeObject, kubectl, list, type Pod, podsOf, remove, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { operatorDeployment, operatorSettled, processesOf } from "./harness/operator.ts";
import { digestInForce, podPage } from "./harness/pod-page.ts";
import { airoute, credential, injected } from "./harness/route.ts";
import { isAcknowledged, routeStatus } from "./harness/route-status.ts";
import { trafficDeployment, trafficOf, trafficOfAll } from "./harness/traffic.ts";
import { until } from "./harness/until.ts";

/** How long the API server stays away, ms; SIDEGATE_E2E_LONG=1: five minutes. */
const apiServerAwayMs = process.env["SIDEGATE_E2E_LONG"] === "1" ? 300_000 : 60_000;
/** How long there is no operator, ms. */
const operatorAwayMs = 20_000;
/** Bounds after the API server is back and the change has been accepted, ms: until the operator has published it, */
const publishedMsMax = 10_000;
/** and until it is in force. The kubelet's watches may pause for a minute; what they miss it reads within another minute and a half. */
const inForceMsMax = 180_000;
/** How long the statuses take to be well after that, ms. */
const statusMsMax = 60_000;
/** After this a change is not waited for any more, ms. */
const turnMsMax = 200_000;
/** Until a killed sidecar serves again, ms: the kubelet starts it at once when it has not ended lately. */
const restartMsMax = 20_000;
/** How often it is made sure that calls go on, ms. */
const lookMs = 5_000;

const namespace = useNamespace("faults");
const secretName = configSecretName({ namespace, serviceAccount: "default" });
let provider: ClusterProvider;
let pods: readonly Pod[] = [];

const routeWith = (prompt: string) => airoute({ namespace, provider, rule: { request: { systemPrompt: prompt } } });

/** Waits until so many ms have gone by, and sees calls being answered all the while. */
const servedFor = async (ms: number): Promise<void> => {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs) {
    const before = await trafficOfAll(pods);
    await sleep(Math.min(lookMs, Math.max(0, endMs - performance.now())) + 500);
    expect((await trafficOfAll(pods)).whole).toBeGreaterThan(before.whole);
  }
};

/** Calls and streams that have failed since `before`. */
const faultsSince = async (before: number) => {
  const { failed, faults, whole } = await trafficOfAll(pods);
  return { whole, failed: failed - before, faults: faults.slice(faults.length - (failed - before)) };
};

/** ms until every sidecar runs another config than `before`. */
const turnedMs = async (before: string, startMs: number): Promise<number> => {
  await until(
    "every sidecar has the change",
    async () => {
      const digests = await Promise.all(pods.map(digestInForce));
      return digests.every((digest) => digest !== before);
    },
    turnMsMax,
  );
  return Math.round(performance.now() - startMs);
};

/** Every sidecar runs what is published, and the status says so. */
const isSettled = async (): Promise<boolean> => {
  const { configDigest } = await routeStatus(namespace);
  return (
    (await acknowledged()) && (await Promise.all(pods.map(digestInForce))).every((digest) => digest === configDigest)
  );
};
const anyDigest = async (): Promise<string> => (pods[0] ? await digestInForce(pods[0]) : "");
const acknowledged = async (): Promise<boolean> => isAcknowledged(await routeStatus(namespace), pods.length);

beforeAll(async () => {
  await installSidegate();
  // By its address: Services forget the pods of a node that counts as lost for a moment.
  const started = await startProvider(namespace);
  const [pod] = await podsOf("app=fakeprovider", namespace);
  provider = { ...started, url: `http://${pod?.status.podIP}:8080` };
  await apply([credential(namespace, "sk-first"), routeWith("first")]);
  const common = { namespace, annotations: injected };
  await apply([
    trafficDeployment({ ...common, name: "calls", mode: "calls", loops: 2, pauseMs: 200 }),
    trafficDeployment({ ...common, name: "streams", mode: "streams", loops: 4, streamMs: 10_000, pauseMs: 100 }),
  ]);
  for (const name of ["calls", "streams"]) await waitFor(`deployment/${name}`, "condition=Available", namespace);
  pods = await podsOf("app in (calls, streams)", namespace);
  await operatorSettled();
});

beforeEach(async () => {
  await until("all is well", isSettled, 120_000);
});

afterAll(async () => {
  if (isOwnCluster) await startDaemons();
  await kubectl(["scale", operatorDeployment, "--replicas=2", "-n", systemNamespace]);
  await operatorSettled();
});

test.skipIf(!isOwnCluster)(
  "the API server is away: calls and streams go on, and afterwards all is well",
  async () => {
    const { failed: before } = await trafficOfAll(pods);
    const published = JSON.stringify(await dataOf());
    await stopDaemon("apiserver");
    await servedFor(apiServerAwayMs);
    const during = await faultsSince(before);
    const digest = await anyDigest();
    const [times] = await Promise.all([afterReturn(digest, published), startDaemons()]);
    const after = await faultsSince(before);
    say(
      `API server away for ${apiServerAwayMs / 1_000} s: ${during.failed} calls and streams failed, ${after.failed} until all was well; ` +
        `a change was accepted ${times.acceptedMs} ms after it was back, published ${times.publishedMs} ms and in force ${times.inForceMs} ms ` +
        `after that, statuses well ${times.statusMs} ms later`,
    );
    expect(after.faults).toEqual([]);
    expect(times.publishedMs).toBeLessThan(publishedMsMax);
    expect(times.inForceMs).toBeLessThan(inForceMsMax);
    expect(times.statusMs).toBeLessThan(statusMsMax);
  },
  apiServerAwayMs + 400_000,
);

/** From the API server's first answer: a change is accepted, then published and in force (both in ms after that), then acknowledged. */
const afterReturn = async (digest: string, published: string) => {
  const ms = (from: number): number => Math.round(performance.now() - from);
  await until("the API server answers", () => kubectl(["get", "--raw", "/readyz"]), 90_000);
  const back = performance.now();
  await until("the change is accepted", () => apply(routeWith("after")), 90_000);
  const acceptedMs = ms(back);
  const accepted = performance.now();
  await until("it is published", async () => JSON.stringify(await dataOf()) !== published);
  const publishedMs = ms(accepted);
  const inForceMs = await turnedMs(digest, accepted);
  const inForce = performance.now();
  await until("the status is well", acknowledged, 120_000);
  return { acceptedMs, publishedMs, inForceMs, statusMs: ms(inForce) };
};

test("a config Secret edited by hand is repaired, and nobody notices", async () => {
  const { failed: before } = await trafficOfAll(pods);
  const digest = await anyDigest();
  const good = await dataOf();
  const startMs = performance.now();
  await spoil(good);
  await until("it is repaired", async () => JSON.stringify(await dataOf()) === JSON.stringify(good), 10_000);
  say(`config Secret repaired after ${Math.round(performance.now() - startMs)} ms`);
  await touchPods("repaired");
  await servedFor(lookMs);
  expect(await Promise.all(pods.map(digestInForce))).toEqual(pods.map(() => digest));
  expect((await faultsSince(before)).faults).toEqual([]);
});

test("without an operator calls go on, a broken config is not taken, and what changed comes with the operator", async () => {
  const { failed: before } = await trafficOfAll(pods);
  const digest = await anyDigest();
  const good = await dataOf();
  await kubectl(["scale", operatorDeployment, "--replicas=0", "-n", systemNamespace]);
  const operators = ["-l", "app.kubernetes.io/component=operator"];
  await until("no operator is left", async () => (await list("pods", systemNamespace, operators)).length === 0);
  await spoil(good);
  await touchPods("spoilt");
  await until("the sidecars refuse the junk", async () => (await refusedConfigs()).every((count) => count > 0));
  expect(await Promise.all(pods.map(digestInForce))).toEqual(pods.map(() => digest));
  await apply(credential(namespace, "sk-second")); // Secrets need no admission of ours
  await servedFor(operatorAwayMs);
  expect(await Promise.all(pods.map(digestInForce))).toEqual(pods.map(() => digest));
  await kubectl(["scale", operatorDeployment, "--replicas=2", "-n", systemNamespace]);
  const startMs = performance.now();
  const inForceMs = await turnedMs(digest, startMs);
  await operatorSettled();
  await until("the status is well", acknowledged);
  const { failed, faults } = await faultsSince(before);
  say(
    `operator away for ${operatorAwayMs / 1_000} s: ${failed} failed; changes in force ${inForceMs} ms after it was called back`,
  );
  await provider.reset();
  await until("the new key is used", async () => {
    const keys = (await provider.requests()).map(({ headers }) => headers["authorization"]);
    return keys.length > 0 && keys.every((key) => key === "Bearer sk-second");
  });
  expect(faults).toEqual([]);
});

test.skipIf(!isOwnCluster)("a killed sidecar is refused for a moment and then serves again", async () => {
  const [pod] = await podsOf("app=calls", namespace);
  if (!pod) throw new Error("no pod");
  const [pid] = await processesOf(pod, (line) => line.includes("/sidecar"));
  if (pid === undefined) throw new Error("the sidecar has no process here");
  const before = await trafficOf(pod);
  const killedAtMs = Date.now();
  process.kill(pid, "SIGKILL");
  await until("calls fail", async () => (await trafficOf(pod)).failed > before.failed);
  await until(
    "calls are answered again",
    async () => {
      const first = await trafficOf(pod);
      await sleep(1_000);
      const second = await trafficOf(pod);
      return second.whole > first.whole && second.failed === first.failed;
    },
    restartMsMax,
  );
  const { failed, faults } = await trafficOf(pod);
  const own = faults.slice(faults.length - (failed - before.failed));
  say(
    `killed sidecar: ${own.length} calls failed, the last one ${(own.at(-1)?.atMs ?? 0) - killedAtMs} ms after the kill`,
  );
  expect(own.map(({ status }) => status)).toEqual(own.map(() => 0)); // no connection, and nothing worse
  expect((await get<Pod>("pod", pod.metadata.name, namespace))?.status.initContainerStatuses?.[0]?.restartCount).toBe(
    1,
  );
  await until("the route is programmed", acknowledged);
  await remove(["deployment/calls", "deployment/streams"], namespace);
});

interface ConfigSecret extends KubeObject {
  readonly data: Readonly<Record<string, string>>;
}

const dataOf = async (): Promise<ConfigSecret["data"]> =>
  (await get<ConfigSecret>("secret", secretName, namespace))?.data ?? {};

/** Every config of the Secret becomes text that is none. */
const spoil = async (good: ConfigSecret["data"]): Promise<void> => {
  const junk = Buffer.from('{"contractVersion": ').toString("base64");
  const data = Object.fromEntries(
    Object.keys(good).map((name) => [name, name.startsWith("config.") ? junk : good[name]]),
  );
  await kubectl(["patch", "secret", secretName, "-n", namespace, "--type=merge", "-p", JSON.stringify({ data })]);
};

/** A changed annotation makes the kubelet refresh the pods' volumes. */
const touchPods = async (value: string): Promise<void> => {
  for (const { metadata } of pods)
    await kubectl(["annotate", "pod", metadata.name, "-n", namespace, `e2e.test/touched=${value}`, "--overwrite"]);
};

const refusedConfigs = async (): Promise<readonly number[]> =>
  await Promise.all(
    pods.map(async (pod) =>
      Number(/^sidegate_config_reload_failures_total (\d+)/m.exec(await podPage(pod, 15_101, "/metrics"))?.[1] ?? 0),
    ),
  );
