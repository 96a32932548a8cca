// How fast a change reaches pods that run: routes and rotated keys, seen in every sidecar and at the provider.
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { isOwnCluster } from "./harness/cluster.ts";
import { type ClusterProvider, startProvider } from "./harness/fake-provider.ts";
import { inWords, percentile, say } from "./harness/figures.ts";
import { installSidegate } from "./harness/installation.ts";
import { apply, type Pod, podsOf, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { digestInForce } from "./harness/pod-page.ts";
import { airoute, credential, injected, type RouteOptions } from "./harness/route.ts";
import { isAcknowledged, routeStatus } from "./harness/route-status.ts";
import { endTraffic, trafficDeployment, trafficOfAll } from "./harness/traffic.ts";
import { until } from "./harness/until.ts";

/** Calls of all pods after which their start is over: about ten of each. */
const settledCalls = 200;
const podCount = 20;
const changeCount = 5;
/** Bounds, ms: from when kubectl was told that the change is accepted, and from when kubectl was called, which takes up to 2 s in a run's first change. */
const routeInForceMsMax = 2_000;
const inForceMsMax = 5_000;
/** How often each sidecar is asked; a duration is measured too long by up to this, ms. */
const pollMs = 50;
/** What the sidecar had begun before it turned reaches the provider within this, ms. */
const underWayMs = 200;
/** After this nothing is waited for any more, ms: past the kubelet's own period. */
const patienceMs = 120_000;

const keys = Array.from({ length: changeCount + 1 }, (_, index) => `sk-e2e-key-${index}`);
const lastKey = keys.at(-1) ?? "";

const namespace = useNamespace("changes");
let provider: ClusterProvider;
let pods: readonly Pod[] = [];

const routeWith = (prompt: string, options: Partial<RouteOptions> = {}) =>
  airoute({ namespace, provider, rule: { request: { systemPrompt: prompt } }, ...options });

/** ms until this pod's sidecar runs another config than `before`. */
const turnedAfterMs = async (pod: Pod, before: string, startMs: number): Promise<number> => {
  for (;;) {
    if ((await digestInForce(pod)) !== before) return performance.now() - startMs;
    if (performance.now() - startMs > patienceMs) throw new Error(`${pod.metadata.name} did not take the change`);
    await sleep(pollMs);
  }
};

/**
 * Changes something while every sidecar is watched; answers the ms of each pod, those until the status knew, when the last one turned, and how
 * long kubectl took of it, ms.
 */
const changed = async (change: () => Promise<unknown>) => {
  const [first] = pods;
  if (!first) throw new Error("no pods");
  const before = await digestInForce(first);
  const startMs = performance.now(); // kubectl's own time counts
  const watched = pods.map((pod) => turnedAfterMs(pod, before, startMs));
  await change();
  const kubectlMs = performance.now() - startMs;
  const podsMs = await Promise.all(watched);
  const turnedAtMs = Date.now();
  await until("the status acknowledges", async () => {
    const status = await routeStatus(namespace);
    return isAcknowledged(status, podCount) && status.configDigest !== before;
  });
  const statusMs = performance.now() - startMs;
  const digests = new Set(await Promise.all(pods.map(digestInForce)));
  expect(digests.size).toBe(1);
  return { podsMs, statusMs, turnedAtMs, kubectlMs };
};

beforeAll(async () => {
  await installSidegate();
  provider = await startProvider(namespace, { keys });
  await apply([credential(namespace, keys[0] ?? ""), routeWith("prompt 0")]);
  const replicas = podCount;
  await apply(
    trafficDeployment({ name: "app", namespace, mode: "calls", pauseMs: 1_000, replicas, annotations: injected }),
  );
  await waitFor("deployment/app", "condition=Available", namespace, 280_000);
  await until("all pods are ready", async () => isAcknowledged(await routeStatus(namespace), podCount));
  pods = await podsOf("app=app", namespace);
  // Twenty pods that start at once keep two cores busy for a while; what is measured is running pods.
  await until(
    "the pods have settled",
    async () => {
      const { whole } = await trafficOfAll(pods);
      return whole >= settledCalls;
    },
    60_000,
  );
}, 400_000);

describe.skipIf(!isOwnCluster)("in 20 pods that call without pause", () => {
  test("a changed route is in force within 2 s of its acceptance, and acknowledged", async () => {
    const inForceMs: number[] = [];
    const afterKubectlMs: number[] = [];
    const acknowledgedMs: number[] = [];
    for (let change = 1; change <= changeCount; change += 1) {
      const { podsMs, statusMs, turnedAtMs, kubectlMs } = await changed(() => apply(routeWith(`prompt ${change}`)));
      inForceMs.push(...podsMs);
      afterKubectlMs.push(...podsMs.map((ms) => Math.max(0, ms - kubectlMs)));
      acknowledgedMs.push(statusMs);
      const fromMs = turnedAtMs + underWayMs;
      await until("every pod has called again", async () => (await callsSince(fromMs)).pods.size === podCount);
      expect((await callsSince(fromMs)).prompts).toEqual(new Set([`prompt ${change}`]));
    }
    say(
      `changed route in force: ${inWords(inForceMs)}; without kubectl: ${inWords(afterKubectlMs)}; in status: ${inWords(acknowledgedMs)}`,
    );
    expect(percentile(afterKubectlMs, 0.99)).toBeLessThan(routeInForceMsMax);
    expect(Math.max(...inForceMs)).toBeLessThan(inForceMsMax);
    const { failed, faults } = await trafficOfAll(pods);
    expect({ failed, faults }).toEqual({ failed: 0, faults: [] });
  });

  test("a rotated key is used within 5 s, and no call fails", async () => {
    const inForceMs: number[] = [];
    const acknowledgedMs: number[] = [];
    for (const key of keys.slice(1)) {
      const { podsMs, statusMs, turnedAtMs } = await changed(() => apply(credential(namespace, key)));
      inForceMs.push(...podsMs);
      acknowledgedMs.push(statusMs);
      const fromMs = turnedAtMs + underWayMs;
      await until("every pod has called again", async () => (await callsSince(fromMs)).pods.size === podCount);
      expect((await callsSince(fromMs)).keys).toEqual(new Set([key]));
    }
    const { whole, failed, faults } = await trafficOfAll(pods);
    say(
      `rotated key in force: ${inWords(inForceMs)}; in status: ${inWords(acknowledgedMs)}; ${whole} calls, ${failed} failed`,
    );
    expect(Math.max(...inForceMs)).toBeLessThan(inForceMsMax);
    expect({ failed, faults }).toEqual({ failed: 0, faults: [] });
  });

  test("a provider that takes only the last key is called with it, and no call fails on the way there", async () => {
    const strict = await startProvider(namespace, { name: "strict", keys: [lastKey] });
    await changed(() => apply(routeWith("prompt last", { provider: strict })));
    await until("every pod calls there", async () => (await callsOf(strict, 0)).pods.size === podCount);
    const { started, whole, failed, faults } = await endTraffic(pods);
    expect({ failed, faults }).toEqual({ failed: 0, faults: [] });
    expect(whole).toBe(started);
  });
});

/** Who called the provider, with which keys and system prompts. */
const callsOf = async (called: ClusterProvider, sinceMs: number) => {
  const calls = (await called.requests()).filter(({ atMs, path }) => atMs > sinceMs && path === "/v1/chat/completions");
  const found = (text: string, pattern: RegExp): readonly string[] => pattern.exec(text)?.slice(1) ?? [];
  const bodies = calls.map(({ body }) => body);
  return {
    pods: new Set(bodies.flatMap((body) => found(body, /"from ([a-z0-9-]+) number/))),
    prompts: new Set(bodies.flatMap((body) => found(body, /"(prompt \w+)"/))),
    keys: new Set(calls.flatMap(({ headers }) => found(headers["authorization"] ?? "", /^Bearer (.+)$/))),
  };
};

const callsSince = (sinceMs: number) => callsOf(provider, sinceMs);
