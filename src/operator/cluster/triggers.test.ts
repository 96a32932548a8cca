import { beforeEach, expect, test } from "vitest";
import type { AIRoute } from "../../api/airoute.ts";
import { FakeClock } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import { configSecretName } from "../../inject/workload.ts";
import type { KubeApi, KubeObject, Resource, Selection } from "../../kube/port.ts";
import { Caches } from "./caches.ts";
import { podOf, quotaEntryOf } from "./projections.ts";
import { Triggers } from "./triggers.ts";

/** An API server that lists what it was given and whose watches say nothing. */
const listingApi = (objects: readonly KubeObject[]): KubeApi => {
  const refuse = (): Promise<never> => Promise.reject(new Error("not part of this test"));
  return {
    get: refuse,
    list: async (resource: Resource, { labelSelector }: Selection) => ({
      items: objects.filter(
        ({ kind, metadata }) =>
          kind === resource.kind && (!labelSelector || metadata.labels?.[labelSelector.split("=")[0] ?? ""] === "true"),
      ),
      resourceVersion: "1",
    }),
    watch: (_resource, _selection, _onEvent, signal) =>
      new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true })),
    create: refuse,
    replace: refuse,
    apply: refuse,
    mergePatch: refuse,
    delete: refuse,
    raw: refuse,
  };
};

const route = (name: string, accounts: readonly string[], secret = "openai"): KubeObject => ({
  apiVersion: "sidegate.dev/v1alpha1",
  kind: "AIRoute",
  metadata: { name, namespace: "team", uid: name, generation: 1, resourceVersion: "1" },
  spec: {
    parentRefs: accounts.map((account) => ({ name: account })),
    backends: [
      { name: "openai", type: "OpenAI", credentials: [{ type: "Secret", secretRef: { name: secret, key: "key" } }] },
    ],
    rules: [{ name: "chat", matches: [{ models: [{ value: "gpt-4o" }] }], backendRefs: [{ name: "openai" }] }],
  },
});
const quota = (name: string, kind: string, target: string): KubeObject => ({
  apiVersion: "sidegate.dev/v1alpha1",
  kind: "AIQuota",
  metadata: { name, namespace: "team", uid: name, generation: 1, resourceVersion: "1" },
  spec: {
    targetRefs: [{ group: kind === "AIRoute" ? "sidegate.dev" : "", kind, name: target }],
    limits: [{ name: "rpm", resource: "Requests", limit: 5, window: { type: "Sliding", duration: "1m" } }],
  },
});
const pod = (name: string, account: string, pick?: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name,
    namespace: "team",
    uid: name,
    labels: { "sidegate.dev/injected": "true", "sidegate.dev/contract": "1" },
    annotations: { ...(pick && { "sidegate.dev/route": pick }) },
  },
  spec: { serviceAccountName: account },
  status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
});

const keys: string[] = [];
let caches: Caches;
let triggers: Triggers;

const started = async (...objects: readonly KubeObject[]): Promise<void> => {
  triggers = new Triggers(
    () => caches,
    (key) => keys.push(key),
  );
  caches = new Caches({
    api: listingApi(objects),
    namespaces: [],
    clock: new FakeClock(),
    log: silentLog(),
    listener: triggers,
  });
  await caches.start();
  keys.length = 0;
};
const asked = (): string[] => [...new Set(keys)].sort();

beforeEach(() => {
  keys.length = 0;
  return () => caches.stop();
});

test("a Redis that may have lost its users asks for every namespace, once each", async () => {
  await started(route("support", ["bot"]), pod("bot-1", "bot"));
  triggers.namespaces();
  expect(keys).toEqual(["namespace:team"]);
});

test("a changed route asks for its service accounts, its picks, its status and the quotas that target it", async () => {
  await started(
    route("support", ["bot", "web"]),
    quota("monthly", "AIRoute", "support"),
    quota("other", "AIRoute", "else"),
  );
  const entry = caches.routeEntry("team", "support");
  triggers.route(entry && { ...entry, metadata: { ...entry.metadata, generation: 0 } }, entry);
  expect(asked()).toEqual([
    "namespace:team",
    "quota:team/monthly",
    "route:team/support",
    "workload:team/bot/",
    "workload:team/bot/support",
    "workload:team/web/",
    "workload:team/web/support",
  ]);
});

test("a service account that comes or goes asks for the routes and the quotas that name it", async () => {
  await started(
    route("support", ["bot"]),
    quota("own", "ServiceAccount", "bot"),
    quota("other", "ServiceAccount", "web"),
    quota("route", "AIRoute", "bot"),
  );
  triggers.serviceAccount("team", "bot");
  expect(asked()).toEqual(["quota:team/own", "route:team/support"]);
});

test("a changed route asks for pods of others that picked it: they are told that they may not", async () => {
  const name = configSecretName({ namespace: "team", serviceAccount: "web", routePick: "support" });
  await started(route("support", ["bot"]), {
    apiVersion: "v1",
    kind: "Secret",
    metadata: {
      name,
      namespace: "team",
      uid: name,
      labels: { "sidegate.dev/config": "true" },
      annotations: { "sidegate.dev/service-account": "web", "sidegate.dev/route": "support" },
    },
  });
  const entry = caches.routeEntry("team", "support");
  triggers.route(undefined, entry);
  expect(asked()).toContain("workload:team/web/support");
});

test("a route whose status alone was written asks for its status alone", async () => {
  await started(route("support", ["bot"]));
  const entry = caches.routeEntry("team", "support");
  triggers.route(entry, entry);
  expect(asked()).toEqual(["route:team/support"]);
});

test("a service account that a route no longer names is asked for, too", async () => {
  await started(route("support", ["bot"]));
  const current = caches.routeEntry("team", "support");
  const spec: AIRoute["spec"] | undefined = current?.resource?.spec;
  if (!current?.resource || !spec) throw new Error("the route was not read");
  const before = {
    ...current,
    metadata: { ...current.metadata, generation: 0 },
    resource: {
      ...current.resource,
      spec: { ...spec, parentRefs: spec.parentRefs.map((ref) => ({ ...ref, name: "old" })) },
    },
  };
  triggers.route(before, current);
  expect(asked()).toContain("workload:team/old/");
});

test.each([
  { kind: "ServiceAccount", target: "web", want: ["workload:team/web/", "workload:team/web/shop"] },
  { kind: "AIRoute", target: "support", want: ["workload:team/bot/", "workload:team/bot/support"] },
  {
    kind: "Namespace",
    target: "team",
    want: ["workload:team/bot/", "workload:team/bot/support", "workload:team/web/", "workload:team/web/shop"],
  },
])("a changed quota asks for whom a target of kind $kind reaches", async ({ kind, target, want }) => {
  await started(route("support", ["bot"]), route("shop", ["web"]), quota("monthly", kind, target));
  const entry = caches.quotaEntry("team", "monthly");
  expect(entry?.faults).toEqual([]);
  triggers.quota(undefined, entry);
  expect(asked().filter((key) => key.startsWith("workload:"))).toEqual(want);
});

test("a changed Secret asks for the service accounts of the routes that use it", async () => {
  await started(route("support", ["bot"], "openai"), route("shop", ["web"], "azure"));
  triggers.credential(undefined, { namespace: "team", name: "azure", labels: {}, annotations: {}, values: new Map() });
  expect(asked().filter((key) => key.startsWith("workload:"))).toEqual([
    "workload:team/web/",
    "workload:team/web/shop",
  ]);
});

test.each([
  { what: "API keys", set: { identity: { require: "APIKey", apiKeys: { secretRef: { name: "own" } } } } },
  { what: "the certificate", set: { listener: { tls: { secretRef: { name: "own" } } } } },
])("a changed Secret of $what asks for them, too", async ({ set }) => {
  const shop = route("shop", ["web"]);
  await started(route("support", ["bot"]), { ...shop, spec: Object.assign({}, shop["spec"], set) });
  triggers.credential({ namespace: "team", name: "own", labels: {}, annotations: {}, values: new Map() }, undefined);
  expect(asked().filter((key) => key.startsWith("workload:"))).toEqual([
    "workload:team/web/",
    "workload:team/web/shop",
  ]);
});

test("a pod that becomes ready asks for its routes' status, and whether it has its config", async () => {
  await started(route("support", ["bot"]));
  const ready = podOf(pod("bot-1", "bot"));
  triggers.pod({ ...ready, isLive: false }, ready);
  expect(asked()).toEqual(["route:team/support", "workload:team/bot/"]);
});

test("everything is every workload that a route, a pod or a Secret stands for", async () => {
  await started(route("support", ["bot"]), quota("monthly", "AIRoute", "support"), pod("lone", "nobody", "gone"));
  triggers.all();
  expect(asked()).toEqual([
    "namespace:team",
    "quota:team/monthly",
    "route:team/support",
    "workload:team/bot/",
    "workload:team/bot/support",
    "workload:team/nobody/gone",
  ]);
});

test("an override or a reset asks for whom its quota reaches, another annotation or a status for nobody", async () => {
  await started(route("support", ["bot"]), quota("monthly", "AIRoute", "support"));
  const entry = caches.quotaEntry("team", "monthly");
  if (!entry) throw new Error("the quota is not there");
  const annotated = (annotations: Record<string, string>) => ({
    ...entry,
    metadata: {
      ...entry.metadata,
      ...quotaEntryOf({ ...quota("monthly", "AIRoute", "support"), metadata: { ...entry.metadata, annotations } })
        .metadata,
    },
  });
  triggers.quota(entry, annotated({ "example.com/note": "x" }));
  triggers.quota(annotated({ "sidegate.dev/reset": "[]" }), annotated({ "sidegate.dev/reset": "[]" }));
  expect(asked().filter((key) => key.startsWith("workload:"))).toEqual([]);
  triggers.quota(entry, annotated({ "sidegate.dev/override": "[]" }));
  expect(asked().filter((key) => key.startsWith("workload:"))).toEqual([
    "workload:team/bot/",
    "workload:team/bot/support",
  ]);
});
