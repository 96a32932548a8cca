// Quotas over namespaces on a real API server: who they count for follows their targets and the namespaces' labels.
import { afterAll, beforeAll, expect, test } from "vitest";
import { configSecretName } from "../../src/inject/workload.ts";
import { isKubeFault, type KubeApi, type KubeObject, resources } from "../../src/kube/port.ts";
import type { Operator } from "../../src/operator/operator.ts";
import type { MemoryState } from "../../src/operator/state/memory-state.ts";
import { type ApiServer, installCrds, startApiServer } from "./harness.ts";
import {
  apiOf,
  credentialOf,
  makeNamespace,
  makeWebhookConfigurations,
  operatorOf,
  routeOf,
  systemNamespace,
  until,
} from "./operator/stage.ts";

let server: ApiServer;
let api: KubeApi & { close(): void };
let operator: Operator;
let state: MemoryState;

beforeAll(async () => {
  server = await startApiServer();
  await installCrds(server);
  api = await apiOf(server);
  await makeNamespace(api, systemNamespace);
  await makeWebhookConfigurations(api);
  ({ operator, state } = operatorOf(api, "operator-a"));
  await operator.start();
}, 60_000);
afterAll(async () => {
  await operator?.stop();
  api?.close();
  await server?.stop();
}, 60_000);

const makeTeam = async (namespace: string): Promise<void> => {
  await makeNamespace(api, namespace);
  await api.apply(resources.serviceAccounts, {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "bot", namespace },
  });
  await api.apply(resources.secrets, credentialOf(namespace, "sk-test"));
  await api.apply(resources.airoutes, routeOf(namespace, "main", "bot"));
};
const quotaAt = (namespace: string, name: string, ...targets: readonly object[]): KubeObject => ({
  apiVersion: "sidegate.dev/v1alpha1",
  kind: "AIQuota",
  metadata: { name, namespace },
  spec: {
    targetRefs: targets.map((target) => ({ group: "", kind: "Namespace", ...target })),
    limits: [{ name: "rpm", resource: "Requests", limit: 5, window: { type: "Fixed", duration: "1m" } }],
  },
});
/** Quotas in the published config: `NAMESPACE/NAME SCOPE`. */
const quotasOf = async (namespace: string): Promise<readonly string[] | undefined> => {
  const name = configSecretName({ namespace, serviceAccount: "bot" });
  const secret = await api.get(resources.secrets, { namespace, name }).catch((fault: unknown) => {
    if (isKubeFault(fault, 404)) return undefined;
    throw fault;
  });
  const text = (secret?.["data"] as Record<string, string> | undefined)?.["config.v2.json"]; // a Secret's data
  if (text === undefined) return undefined;
  const config = JSON.parse(Buffer.from(text, "base64").toString("utf8")) as {
    quotas: { namespace: string; name: string; scope?: string }[];
  }; // our own config
  return config.quotas.map((quota) => `${quota.namespace}/${quota.name} ${quota.scope ?? ""}`);
};
const become = (namespace: string, quotas: readonly string[]): Promise<unknown> =>
  until(`${namespace} has ${quotas.join()}`, async () => {
    const found = await quotasOf(namespace);
    return JSON.stringify(found) === JSON.stringify(quotas);
  });
const label = (namespace: string, team: string | null): Promise<unknown> =>
  api.mergePatch(resources.namespaces, { name: namespace }, { metadata: { labels: { team } } });
const conditionsOf = async (namespace: string, name: string): Promise<readonly string[]> => {
  const quota = await api.get(resources.aiquotas, { namespace, name });
  const { ancestors = [] } = (quota["status"] ?? {}) as {
    ancestors?: { conditions: { type: string; status: string; reason: string }[] }[];
  }; // our own status
  return ancestors.map(({ conditions }) => {
    const accepted = conditions.find(({ type }) => type === "Accepted");
    return `${accepted?.status}/${accepted?.reason}`;
  });
};

test("a quota counts for the namespaces whose labels it selects, as they come and go", async () => {
  await makeTeam("one");
  await makeTeam("two");
  await label("one", "support");
  const org = quotaAt(systemNamespace, "org", { selector: { matchLabels: { team: "support" } } });
  await api.apply(resources.aiquotas, org);
  const counted = [`${systemNamespace}/org Cluster`];
  await become("one", counted);
  await become("two", []);
  expect(state.reaches.get("one")).toEqual([`${systemNamespace}/org`]);
  expect(state.reaches.get("two")).toEqual([]);
  await until("accepted", async () => (await conditionsOf(systemNamespace, "org")).join() === "True/Accepted");

  await label("two", "support");
  await become("two", counted);
  await until("its user reaches the counters", async () => state.reaches.get("two")?.length === 1);
  await label("one", null);
  await become("one", []);

  await api.apply(resources.aiquotas, quotaAt(systemNamespace, "org", { selector: {} }));
  await become("one", counted);
  await api.apply(resources.aiquotas, quotaAt(systemNamespace, "org", { name: "two" }, { name: "nowhere" }));
  await become("one", []);
  await become("two", counted);
  await api.delete(resources.aiquotas, { namespace: systemNamespace, name: "org" });
  await become("two", []);
}, 60_000);

test("outside the operator's namespace it is refused by its condition, and the rest of it counts", async () => {
  await makeTeam("three");
  await api.apply(resources.aiquotas, quotaAt("three", "wide", { name: "three" }, { name: "one" }, { selector: {} }));
  await until("judged", async () => {
    const conditions = await conditionsOf("three", "wide");
    return conditions.join() === "True/Accepted,False/Invalid,False/Invalid";
  });
  await become("three", ["three/wide "]);
}, 60_000);

test("a cost that has no price in one namespace closes its route alone, and the quota says whose it is", async () => {
  await makeTeam("four");
  await makeTeam("five");
  const unpriced = routeOf("four", "main", "bot");
  const text = JSON.stringify(unpriced).replaceAll("gpt-4o", "vendor-x");
  await api.apply(resources.airoutes, JSON.parse(text) as KubeObject); // the same route, another model
  const spec = {
    targetRefs: ["four", "five"].map((name) => ({ group: "", kind: "Namespace", name })),
    limits: [
      { name: "usd", resource: "Cost", limit: "5", currency: "USD", window: { type: "Calendar", period: "Month" } },
    ],
  };
  await api.apply(resources.aiquotas, { ...quotaAt(systemNamespace, "budget"), spec });
  await become("five", [`${systemNamespace}/budget Cluster`]);
  await until("said", async () => {
    const quota = await api.get(resources.aiquotas, { namespace: systemNamespace, name: "budget" });
    return JSON.stringify(quota["status"] ?? {}).includes("in namespace four: limit usd counts cost");
  });
  await become("four", []);
}, 60_000);
