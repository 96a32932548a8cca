/** What a quota over namespaces, and the labels of a namespace, ask for. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import type { KubeApi, KubeObject, Resource, Selection } from "../../kube/port.ts";
import { Caches } from "./caches.ts";
import { Triggers } from "./triggers.ts";

/** An API server that lists what it was given and whose watches say nothing. */
const listingApi = (objects: readonly KubeObject[]): KubeApi => {
  const refuse = (): Promise<never> => Promise.reject(new Error("not part of this test"));
  return {
    get: refuse,
    list: async (resource: Resource, _selection: Selection) => ({
      items: objects.filter(({ kind }) => kind === resource.kind),
      resourceVersion: "1",
    }),
    watch: (_resource, _selection, _onEvent, signal) =>
      new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true })),
    ...{ create: refuse, replace: refuse, apply: refuse, mergePatch: refuse, delete: refuse, raw: refuse },
  };
};

const route = (namespace: string): KubeObject => ({
  apiVersion: "sidegate.dev/v1alpha1",
  kind: "AIRoute",
  metadata: { name: "main", namespace, uid: namespace, generation: 1, resourceVersion: "1" },
  spec: {
    parentRefs: [{ name: "bot" }],
    backends: [{ name: "local", type: "OpenAICompatible", endpoint: "https://vllm.example.com/v1" }],
    rules: [{ name: "chat", matches: [{ models: [{ value: "gpt-4o" }] }], backendRefs: [{ name: "local" }] }],
  },
});
const quota = (namespace: string, target: object, limit = 5): KubeObject => ({
  apiVersion: "sidegate.dev/v1alpha1",
  kind: "AIQuota",
  metadata: { name: "org", namespace, uid: "org", generation: 1, resourceVersion: "1" },
  spec: {
    targetRefs: [{ group: "", kind: "Namespace", ...target }],
    limits: [{ name: "rpm", resource: "Requests", limit, window: { type: "Sliding", duration: "1m" } }],
  },
});
const space = (name: string, labels: Record<string, string>): KubeObject => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, uid: name, resourceVersion: "1", labels },
});

const keys: string[] = [];
let caches: Caches;
let triggers: Triggers;

const started = async (objects: readonly KubeObject[], namespaces: readonly string[] = []): Promise<void> => {
  triggers = new Triggers(
    () => caches,
    (key) => keys.push(key),
  );
  const world = [route("ops"), route("a"), route("b"), space("ops", {}), space("a", { team: "x" }), space("b", {})];
  caches = new Caches({
    api: listingApi([...world, ...objects]),
    namespaces,
    operatorNamespace: "ops",
    clock: new FakeClock(),
    log: silentLog(),
    listener: triggers,
  });
  await caches.start();
  keys.length = 0;
};
const asked = (): string[] => [...new Set(keys)].sort();
const of = (namespace: string): string[] => [
  `namespace:${namespace}`,
  `workload:${namespace}/bot/`,
  `workload:${namespace}/bot/main`,
];
const changed = (): void => {
  const entry = caches.quotaEntry("ops", "org");
  triggers.quota(entry && { ...entry, metadata: { ...entry.metadata, generation: 0 } }, entry);
};

beforeEach(() => {
  keys.length = 0;
});
afterEach(() => caches.stop());

test.each([
  { what: "a label", target: { selector: { matchLabels: { team: "x" } } }, reaches: ["a"] },
  { what: "another label", target: { selector: { matchLabels: { team: "y" } } }, reaches: [] },
  { what: "everything", target: { selector: {} }, reaches: ["a", "b", "ops"] },
  { what: "a name", target: { name: "b" }, reaches: ["b"] },
])(
  "a changed quota over namespaces by $what asks for their workloads, the users first",
  async ({ target, reaches }) => {
    await started([quota("ops", target)]);
    changed();
    const own = reaches.includes("ops") || "selector" in target ? ["ops"] : [];
    const expected = [...new Set([...reaches, ...own])].flatMap(of);
    expect(asked().filter((key) => !key.includes(":ops"))).toEqual(
      expected.filter((key) => !key.includes(":ops")).sort(),
    );
    expect(asked()).toContain("quota:ops/org");
    for (const namespace of reaches)
      expect(keys.indexOf(`namespace:${namespace}`)).toBeLessThan(keys.indexOf(`workload:${namespace}/bot/`));
  },
);

test("one that cannot be read asks for all that it may mean", async () => {
  await started([quota("ops", { selector: { matchLabels: { team: "y" } } }, -5)]);
  changed();
  expect(asked()).toEqual(expect.arrayContaining([...of("a"), ...of("b")]));
});

test("labels ask for the namespace where they change which quotas mean it, and only there", async () => {
  await started([quota("ops", { selector: { matchLabels: { team: "x" } } })]);
  triggers.namespace({ name: "a", labels: { team: "x" } }, { name: "a", labels: { team: "x", more: "1" } });
  expect(asked()).toEqual([]);
  triggers.namespace({ name: "a", labels: { team: "x" } }, { name: "a", labels: {} });
  expect(asked()).toEqual([...of("a"), "quota:ops/org"].sort());
});

test("a namespace that was not known is taken to be meant until its labels are", async () => {
  await started([quota("ops", { selector: { matchLabels: { team: "x" } } })]);
  expect(caches.clusterScope("new").namespaceLabels).toBeUndefined();
  triggers.namespace(undefined, { name: "b", labels: {} });
  expect(asked()).toEqual([...of("b"), "quota:ops/org"].sort());
});

test("an operator of some namespaces reads no labels and knows no quotas over namespaces", async () => {
  await started([quota("ops", { selector: {} })], ["ops", "a"]);
  expect(caches.clusterScope("a")).toEqual({});
  expect(Object.keys(caches.informers())).not.toContain("namespaces");
  changed();
  expect(asked().some((key) => key.includes(":a"))).toBe(false);
});
