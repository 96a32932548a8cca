import { expect, test } from "vitest";
import { compile } from "../../compile/compile.ts";
import { quotaEntryOf, routeEntryOf } from "../cluster/projections.ts";
import { unreadableQuotas } from "./unreadable-quotas.ts";

const route = routeEntryOf({
  apiVersion: "sidegate.dev/v1alpha1",
  kind: "AIRoute",
  metadata: { name: "support", namespace: "team" },
  spec: {
    parentRefs: [{ name: "bot" }],
    backends: [{ name: "local", type: "OpenAICompatible", endpoint: "https://vllm.example.com/v1" }],
    rules: [{ name: "chat", matches: [{ models: [{ value: "gpt-4o" }] }], backendRefs: [{ name: "local" }] }],
  },
}).resource;

/** A quota whose limit no rule of today lets through. */
const stored = (spec: object) =>
  quotaEntryOf({
    apiVersion: "sidegate.dev/v1alpha1",
    kind: "AIQuota",
    metadata: { name: "old", namespace: "team" },
    spec: { limits: [{ name: "rpm", resource: "Requests", limit: -5 }], ...spec },
  });
const target = (kind: string, name: string) => ({
  targetRefs: [{ group: kind === "AIRoute" ? "sidegate.dev" : "", kind, name }],
});

test.each([
  { name: "the workload's route", spec: target("AIRoute", "support"), concerns: true },
  { name: "another route", spec: target("AIRoute", "shop"), concerns: false },
  { name: "the service account", spec: target("ServiceAccount", "bot"), concerns: true },
  { name: "another service account", spec: target("ServiceAccount", "web"), concerns: false },
  { name: "the namespace", spec: target("Namespace", "team"), concerns: true },
  { name: "a kind that nobody knows", spec: target("Gateway", "x"), concerns: true },
  { name: "nothing that can be read", spec: { targetRefs: "all" }, concerns: true },
  { name: "the route, in mode Audit", spec: { ...target("AIRoute", "support"), mode: "Audit" }, concerns: false },
])("a quota that cannot be read and targets $name closes the route: $concerns", ({ spec, concerns }) => {
  const entry = stored(spec);
  expect(entry.resource).toBeUndefined();
  if (!route) throw new Error("the route was not read");
  const workload = { namespace: "team", serviceAccount: "bot" };
  const unreadable = unreadableQuotas(workload, {
    quotaEntries: () => [entry],
    routesNaming: () => [route],
    clusterScope: () => ({}),
  });
  expect(unreadable.map(({ name }) => name)).toEqual(concerns ? ["old"] : []);
  const keys = [{ id: "k", secret: Buffer.alloc(32).toString("base64") }];
  const { config, routes } = compile({
    ...workload,
    routes: [route],
    quotas: [],
    secrets: [],
    unreadableQuotas: unreadable,
    keys,
  });
  expect(config.route === undefined).toBe(concerns);
  expect(routes[0]?.conditions[0]?.reason).toBe(concerns ? "QuotaNotEnforceable" : "Accepted");
});
