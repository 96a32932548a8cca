import { afterEach, expect, test } from "vitest";
import { FakeCluster } from "../../../test/fixtures/fake-cluster.ts";
import { FakeClock } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import { compile } from "../../compile/compile.ts";
import { EventRecorder } from "../../kube/events.ts";
import { type KubeObject, resources } from "../../kube/port.ts";
import { Caches } from "../cluster/caches.ts";
import { Triggers } from "../cluster/triggers.ts";
import { MemoryState } from "../state/memory-state.ts";
import { Figures } from "./figures.ts";
import { Outcomes } from "./outcomes.ts";
import { QuotaReconciler } from "./quota-reconciler.ts";
import { QuotaTeller } from "./quota-teller.ts";
import { StatusWriter } from "./status-writer.ts";
import { listIn, memberOf } from "./stored-status.ts";

const quotaOf = (target: object, limit: object = {}): KubeObject => ({
  ...{
    apiVersion: "sidegate.dev/v1alpha1",
    kind: "AIQuota",
    metadata: { name: "q", namespace: "team", generation: 1 },
  },
  spec: {
    targetRefs: [target],
    limits: [{ name: "rpm", resource: "Requests", limit: 5, window: { type: "Sliding", duration: "1m" }, ...limit }],
  },
});
const routeOf = (model: string, generation = 1): KubeObject => ({
  ...{ apiVersion: "sidegate.dev/v1alpha1", kind: "AIRoute" },
  metadata: { name: "support", namespace: "team", generation },
  spec: {
    parentRefs: [{ name: "bot" }],
    backends: [{ name: "local", type: "OpenAICompatible", endpoint: "https://vllm.example.com/v1" }],
    rules: [{ name: "chat", matches: [{ models: [{ value: model }] }], backendRefs: [{ name: "local" }] }],
  },
});
const account: KubeObject = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "bot", namespace: "team" } };

let caches: Caches;
afterEach(() => caches.stop());

/** A cluster with a quota and its reconciler; `accepted` reconciles and says what the status then holds. */
const stage = async (quota: KubeObject, ...routes: readonly KubeObject[]) => {
  const [cluster, clock, log] = [new FakeCluster(), new FakeClock(), silentLog()];
  cluster.put(resources.aiquotas, quota);
  for (const route of routes) cluster.put(resources.airoutes, route);
  const listener = new Triggers(
    () => caches,
    () => undefined,
  );
  caches = new Caches({ api: cluster.api(), namespaces: [], clock, log, listener });
  await caches.start();
  const events = new EventRecorder({ api: cluster.api(), clock, log, reportingInstance: "operator-0" });
  const [outcomes, figures, nowMs] = [new Outcomes(), new Figures(), () => clock.nowMs()];
  const reconciler = new QuotaReconciler({
    ...{ caches, outcomes, figures, nowMs, state: new MemoryState(clock) },
    writer: new StatusWriter({ api: cluster.api(), events, clock }),
    teller: new QuotaTeller({
      ...{ events, figures, nowMs, hosts: [], secretsOf: () => [] },
      notifier: { offer: () => undefined, resultOf: () => undefined },
    }),
  });
  const accepted = async (): Promise<unknown> => {
    await reconciler.reconcile("team", "q");
    const status = cluster.find(resources.aiquotas, { namespace: "team", name: "q" })?.status;
    const [condition] = listIn(listIn(status, "ancestors")[0], "conditions");
    return [memberOf(condition, "reason"), memberOf(condition, "message")];
  };
  return { cluster, outcomes, accepted };
};
const isAccepted = ["Accepted", "Nothing stands against it."];

test("a service account that does not exist is a target that is not found, until it comes", async () => {
  const { cluster, accepted } = await stage(quotaOf({ group: "", kind: "ServiceAccount", name: "bot" }));
  expect(await accepted()).toEqual(["TargetNotFound", "service account bot does not exist in namespace team"]);
  cluster.put(resources.serviceAccounts, account);
  await expect.poll(() => caches.hasServiceAccount("team", "bot")).toBe(true);
  expect(await accepted()).toEqual(isAccepted);
});

test.each([
  { group: "", kind: "Namespace", name: "team" },
  { group: "sidegate.dev", kind: "AIRoute", name: "support" },
])("a target of kind $kind is no service account", async (target) => {
  const { accepted } = await stage(quotaOf(target), routeOf("gpt-4o"));
  expect(await accepted()).toEqual(isAccepted);
});

test("a limit on a model that no rule serves is told, and no longer than that is so, whatever a workload's compile said before", async () => {
  const quota = quotaOf({ group: "sidegate.dev", kind: "AIRoute", name: "support" }, { models: ["gpt-4o"] });
  const { cluster, outcomes, accepted } = await stage(quota, routeOf("gpt-4.1"));
  const idle = "limit rpm limits nothing yet: no rule of its targets serves gpt-4o";
  expect(await accepted()).toEqual(["Invalid", idle]);
  const workload = { namespace: "team", serviceAccount: "web" };
  const keys = [{ id: "k", secret: Buffer.alloc(32).toString("base64") }];
  const quotas = caches.quotas("team");
  const before = compile({ ...workload, routes: caches.routes("team"), quotas, secrets: [], keys });
  outcomes.set({
    ...{ workload, routes: [], quotas: before.quotas, isServing: false, configDigest: "", digests: new Map() },
    isPublished: true,
  });
  expect(await accepted()).toEqual(["Invalid", idle]);
  cluster.put(resources.airoutes, routeOf("gpt-4o", 2));
  await expect.poll(() => caches.routeEntry("team", "support")?.metadata.generation).toBe(2);
  expect(await accepted()).toEqual(isAccepted);
});
