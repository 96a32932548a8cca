import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { createKubeApi } from "../../src/kube/client.ts";
import { kubeconfigConnection } from "../../src/kube/connection.ts";
import { Informer } from "../../src/kube/informer.ts";
import { LeaderElection } from "../../src/kube/leader.ts";
import { type KubeApi, resources } from "../../src/kube/port.ts";
import { configMap } from "../fixtures/fake-cluster.ts";
import { ask, installCrds, usePrivateApiServer } from "./harness.ts";

const server = usePrivateApiServer();
const { configMaps, airoutes } = resources;

const connect = async (timeoutMs?: number): Promise<KubeApi> =>
  createKubeApi(await kubeconfigConnection({ file: server().kubeconfig }), { ...(timeoutMs && { timeoutMs }) });

const until = async (isMet: () => boolean, msMax: number): Promise<number> => {
  const startMs = performance.now();
  while (!isMet()) {
    if (performance.now() - startMs > msMax) throw new Error(`it did not happen within ${msMax} ms`);
    await sleep(20);
  }
  return performance.now() - startMs;
};

const followed = (api: KubeApi, resource: typeof configMaps = configMaps) => {
  const changes: string[] = [];
  const informer = new Informer<string>({
    api,
    resource,
    namespaces: ["default"],
    project: ({ metadata }) => metadata.name,
    onChange: (previous, current) =>
      changes.push(`${previous === undefined ? "+" : current === undefined ? "-" : "~"}${current ?? previous}`),
    clock: systemClock,
    log: silentLog(),
  });
  informer.start();
  return { informer, changes };
};

test.each(["SIGKILL", "SIGTERM"] as const)(
  "an informer outlives a restart of the API server by %s and misses nothing",
  async (signal) => {
    const api = await connect();
    const name = `during-${signal.toLowerCase()}`;
    const { informer, changes } = followed(api);
    await informer.whenSynced();
    await server().restart(signal);
    await api.create(configMaps, configMap(name, { namespace: "default" }));
    const tookMs = await until(() => informer.get("default", name) !== undefined, 40_000);
    console.log(`up to date ${Math.round(tookMs)} ms after the restart; ${JSON.stringify(informer.counts)}`);
    await api.delete(configMaps, { namespace: "default", name });
    await until(() => informer.get("default", name) === undefined, 5_000);
    expect(changes.filter((change) => change.endsWith(name))).toEqual([`+${name}`, `-${name}`]);
    expect(informer.counts.lists).toBeLessThan(10);
    await informer.stop();
  },
  90_000,
);

test("an informer and a leader outlive an API server that is frozen for some seconds", async () => {
  const api = await connect(2_000);
  const { informer } = followed(api);
  await informer.whenSynced();
  const calls: string[] = [];
  const leader = new LeaderElection({
    ...{ api, namespace: "default", name: "frozen", identity: "a", clock: systemClock, log: silentLog() },
    onStarted: () => void calls.push("started"),
    onStopped: () => void calls.push("stopped"),
  });
  leader.start();
  await until(() => leader.isLeading(), 5_000);
  server().pause();
  await sleep(6_000);
  server().resume();
  await api.create(configMaps, configMap("thawed", { namespace: "default" }));
  await until(() => informer.get("default", "thawed") !== undefined, 10_000);
  await sleep(3_000);
  expect([leader.isLeading(), calls]).toEqual([true, ["started"]]);
  await Promise.all([informer.stop(), leader.stop()]);
}, 60_000);

test("an informer keeps going while its CRD is deleted, and finds the objects of the next one", async () => {
  const api = await connect();
  await installCrds(server());
  const path = "/apis/sidegate.dev/v1alpha1/namespaces/default/airoutes";
  const route = {
    apiVersion: "sidegate.dev/v1alpha1",
    kind: "AIRoute",
    metadata: { name: "support", namespace: "default" },
    spec: {
      parentRefs: [{ name: "support-bot" }],
      backends: [
        {
          name: "openai",
          type: "OpenAI",
          credentials: [{ type: "Secret", secretRef: { name: "openai", key: "key" } }],
        },
      ],
      rules: [{ name: "chat", matches: [{ models: [{ value: "gpt-4o" }] }], backendRefs: [{ name: "openai" }] }],
    },
  };
  expect(await ask(server(), "POST", path, route)).toMatchObject({ status: 201 });
  const { informer, changes } = followed(api, airoutes);
  await informer.whenSynced();
  await ask(server(), "DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/airoutes.sidegate.dev");
  await until(() => informer.size === 0, 15_000);
  await sleep(2_000);
  expect(informer.isSynced).toBe(true);
  await installCrds(server());
  expect(await ask(server(), "POST", path, route)).toMatchObject({ status: 201 });
  await until(() => informer.size === 1, 40_000);
  expect(changes).toEqual(["+support", "-support", "+support"]);
  await informer.stop();
}, 90_000);
