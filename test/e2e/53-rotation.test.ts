// Credentials that change under load on a real cluster: keys that are replaced every second, and a token endpoint that goes away.
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { type ClusterProvider, startProvider } from "./harness/fake-provider.ts";
import { inWords, say } from "./harness/figures.ts";
import { exchangeHost, installSidegate } from "./harness/installation.ts";
import { apply, type KubeObject, type Pod, podsOf, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { airoute, credential, injected } from "./harness/route.ts";
import { serviceAddress } from "./harness/service-call.ts";
import { endTraffic, type TrafficCounts, trafficDeployment, trafficOf } from "./harness/traffic.ts";
import { until } from "./harness/until.ts";

const namespace = useNamespace("rotation");
/** With SIDEGATE_LONG=1 a minute. */
const rotations = process.env["SIDEGATE_LONG"] === "1" ? 60 : 20;
const periodMs = 1_000;
/** A replaced key stays good for this long, ms: the kubelet brings a Secret within seconds. */
const overlapMs = 15_000;
/** Life of an exchanged token, s; it is renewed for the last third of it. */
const lifeSeconds = 15;
/** Between the token's end and the first refusal at most, ms. */
const noticedMsMax = 3_000;

const keyOf = (turn: number): string => `sk-e2e-turn-${turn}`;

let provider: ClusterProvider;
let exchange: ClusterProvider;

const account = (name: string): KubeObject => ({
  apiVersion: "v1",
  kind: "ServiceAccount",
  metadata: { name, namespace },
});

const keylessRoute = (): KubeObject =>
  airoute({
    ...{ namespace, provider: exchange, name: "keyless", serviceAccount: "keyless" },
    spec: {
      backends: [
        {
          ...{ name: "fake", type: "OpenAI", endpoint: `${exchange.url}/v1`, insecure: true },
          credentials: [
            {
              type: "WorkloadIdentity",
              workloadIdentity: {
                ...{ identityProviderID: "idp-e2e", serviceAccountID: "sa-e2e" },
                tokenURL: `http://${exchangeHost.name}:${exchangeHost.port}/oauth/token`,
              },
            },
          ],
        },
      ],
    },
  });

const podOf = async (app: string): Promise<Pod> => {
  await waitFor(`deployment/${app}`, "condition=Available", namespace);
  const [pod] = await podsOf(`app=${app}`, namespace);
  if (!pod) throw new Error(`no pod of ${app}`);
  return pod;
};

const calling = async (pod: Pod): Promise<TrafficCounts> =>
  await until("the application is answered", async () => {
    const counts = await trafficOf(pod);
    return counts.whole > 10 && counts;
  });

beforeAll(async () => {
  await installSidegate();
  [provider, exchange] = await Promise.all([
    startProvider(namespace, { keys: [keyOf(0)] }),
    startProvider(namespace, { name: "exchange", keys: ["nobody-has-this"] }),
  ]);
  await exchange.behaveAtExchange(`expires=${lifeSeconds}`);
  await apply([
    ...["keyed", "keyless"].map(account),
    credential(namespace, keyOf(0)),
    airoute({ namespace, provider, name: "keyed", serviceAccount: "keyed" }),
    keylessRoute(),
  ]);
});

describe("a provider key", () => {
  test("that is replaced every second, with an overlap, fails no call", async () => {
    const app = { name: "keyed", namespace, serviceAccount: "keyed", annotations: injected };
    await apply(trafficDeployment({ ...app, mode: "calls", loops: 20, pauseMs: 80 }));
    const pod = await podOf("keyed");
    const before = await calling(pod);
    const startMs = performance.now();
    const madeMs = [startMs];
    for (let turn = 1; turn <= rotations; turn += 1) {
      await sleep(Math.max(0, startMs + turn * periodMs - performance.now()));
      madeMs.push(performance.now());
      const isGood = (made: number): boolean => (madeMs[made + 1] ?? Infinity) + overlapMs > performance.now();
      await provider.acceptKeys(
        madeMs
          .map((_, made) => made)
          .filter(isGood)
          .map(keyOf),
      );
      await apply(credential(namespace, keyOf(turn)));
    }
    const seen = await until("the last key is used", async () => {
      const used = new Set((await provider.requests()).map(({ headers }) => headers["authorization"]));
      return used.has(`Bearer ${keyOf(rotations)}`) && used;
    });
    const seconds = (performance.now() - startMs) / 1000;
    const { whole, started, failed, faults } = await endTraffic([pod]);
    const rate = Math.round((whole - before.whole) / seconds);
    say(
      `${rotations} keys in ${Math.round(seconds)} s under ${rate} calls/s: ${whole} calls, ${failed} failed, ${seen.size} keys seen`,
    );
    expect({ failed, faults }).toEqual({ failed: 0, faults: [] });
    expect(whole).toBe(started);
    expect(seen.size).toBeGreaterThan(2);
  });
});

describe("a token endpoint", () => {
  test("that is away fails no call until the token ends; then 503 says why; and it comes back by itself", async () => {
    const hostAliases = [{ ip: await serviceAddress(exchange.service), hostnames: [exchangeHost.name] }];
    const app = { name: "keyless", namespace, serviceAccount: "keyless", annotations: injected, spec: { hostAliases } };
    await apply(trafficDeployment({ ...app, mode: "calls", loops: 4, pauseMs: 100 }));
    const pod = await podOf("keyless");
    await calling(pod);
    await exchange.behaveAtExchange("status=503");
    const outMs = Date.now();
    const down = await until("calls are refused", async () => {
      const counts = await trafficOf(pod);
      return counts.failed > 5 && counts;
    });
    await exchange.behaveAtExchange(`expires=${lifeSeconds}`);
    const backMs = Date.now();
    await until("calls are answered again", async () => (await trafficOf(pod)).whole > down.whole + 10, 30_000);
    const { faults, whole, started, failed } = await endTraffic([pod]);

    const asked = (await exchange.requests()).filter(({ path }) => path === "/oauth/token");
    const last = asked.findLast(({ status, atMs }) => status === 200 && atMs < outMs);
    const endMs = (last?.atMs ?? 0) + lifeSeconds * 1_000;
    const tries = asked.filter(({ status, atMs }) => status === 503 && atMs < endMs);
    const healed = asked.find(({ status, atMs }) => status === 200 && atMs > backMs);
    const [first] = faults;
    say(
      `token endpoint away: ${tries.length} failed tries before the token's end, first 503 ${(first?.atMs ?? 0) - endMs} ms after it, ` +
        `answered again ${(healed?.atMs ?? Infinity) - backMs} ms after the endpoint was; ${whole} answered, ${failed} refused`,
    );
    expect(tries.length).toBeGreaterThan(0);
    expect(new Set(faults.map(({ status, code }) => `${status} ${code}`))).toEqual(
      new Set(["503 credential_unavailable"]),
    );
    // The sidecar counts from before its request, so that it never sends a token that has ended.
    expect(first?.atMs).toBeGreaterThan(endMs - 1_000);
    expect(first?.atMs).toBeLessThan(endMs + noticedMsMax);
    expect(first?.message).toContain("answered 503");
    expect(whole + failed).toBe(started);
    say(`credential_unavailable: retry-after ${inWords(faults.map(({ retryAfter }) => Number(retryAfter) * 1_000))}`);
  });
});
