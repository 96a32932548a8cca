import { expect, test } from "vitest";
import { airouteBase } from "../../api/airoute.rows.ts";
import { type AIRoute, airouteSchema } from "../../api/airoute.ts";
import { inject } from "../../inject/inject.ts";
import { injectionSettingsSchema } from "../../inject/settings.ts";
import type { ResourceView } from "../ports.ts";
import { createMutateHandler } from "./mutate.ts";
import { type AdmissionRequest, type Decision, parseReview } from "./review.ts";

const route = (name: string, account = "bot"): AIRoute =>
  airouteSchema.parse({
    apiVersion: "sidegate.dev/v1alpha1",
    kind: "AIRoute",
    metadata: { name, namespace: "team" },
    spec: { ...airouteBase, parentRefs: [{ name: account }] },
  });
const viewOf = (routes: readonly AIRoute[], isSynced = true): ResourceView => ({
  isSynced,
  routes: (namespace) => routes.filter(({ metadata }) => metadata.namespace === namespace),
  quotas: () => [],
  secrets: () => [],
});
const pod = (annotations: object = { "sidegate.dev/inject": "true" }, spec: object = {}) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "app", annotations },
  spec: { serviceAccountName: "bot", containers: [{ name: "app", image: "app" }], ...spec },
});
const question = (object: unknown, more: object = {}): AdmissionRequest =>
  parseReview(
    Buffer.from(
      JSON.stringify({
        apiVersion: "admission.k8s.io/v1",
        kind: "AdmissionReview",
        request: {
          uid: "u",
          kind: { group: "", version: "v1", kind: "Pod" },
          operation: "CREATE",
          namespace: "team",
          object,
          ...more,
        },
      }),
    ),
  );
const decide = async (request: AdmissionRequest, view = viewOf([route("a")])): Promise<Decision> =>
  createMutateHandler({ inject, settings: injectionSettingsSchema.parse({ image: "sidegate:1" }), view })(request);

test("an annotated pod is patched, without a word where one route names its service account", async () => {
  const decision = await decide(question(pod()));
  expect(decision).toMatchObject({ kind: "patched", reason: "Injected", warnings: [] });
  expect(JSON.stringify(decision)).toContain("sidegate:1");
});

test("a dry run is answered with the very same patch", async () => {
  expect(await decide(question(pod(), { dryRun: true }))).toEqual(await decide(question(pod())));
});

test("the namespace is the request's, whatever the pod says", async () => {
  const inPod = { ...pod(), metadata: { ...pod().metadata, namespace: "other" } };
  const decision = await decide(question(inPod, { namespace: "team" }));
  expect(decision).toMatchObject({ kind: "patched", warnings: [] });
});

test.each([
  {
    name: "no route",
    routes: [],
    picks: {},
    says: ["no AIRoute names service account bot yet: the sidecar refuses every call until one does"],
  },
  {
    name: "a route of another account",
    routes: [route("a", "else")],
    picks: {},
    says: [expect.stringContaining("no AIRoute names")],
  },
  {
    name: "two routes",
    routes: [route("a"), route("b")],
    picks: {},
    says: ["2 AIRoutes name service account bot; the oldest serves. Pick one by annotation sidegate.dev/route"],
  },
  { name: "two routes and a pick", routes: [route("a"), route("b")], picks: { "sidegate.dev/route": "b" }, says: [] },
  {
    name: "a pick that is not there",
    routes: [route("a")],
    picks: { "sidegate.dev/route": "b" },
    says: ["no AIRoute b names service account bot yet: the sidecar refuses every call until it does"],
  },
])("$name is a warning, never a refusal", async ({ routes, picks, says }) => {
  const decision = await decide(question(pod({ "sidegate.dev/inject": "true", ...picks })), viewOf(routes));
  expect(decision).toMatchObject({ kind: "patched", warnings: says });
  for (const warning of decision.warnings ?? []) expect(warning.length).toBeLessThanOrEqual(120);
});

test("before the resources are known nothing is said about them", async () => {
  expect(await decide(question(pod()), viewOf([], false))).toMatchObject({ kind: "patched", warnings: [] });
});

test("a pod that does not ask is left alone", async () => {
  expect(await decide(question(pod({})))).toEqual({ kind: "allowed", reason: "Unchanged" });
});

test("a pod that cannot be injected is refused with the reason's code and the field", async () => {
  const decision = await decide(question(pod(undefined, { hostNetwork: true })));
  expect(decision).toMatchObject({ kind: "refused", reason: "HostNetwork" });
  expect(decision.kind === "refused" && decision.message).toContain("spec.hostNetwork");
});

test.each([
  { name: "another kind", more: { kind: { group: "apps", version: "v1", kind: "Deployment" } } },
  { name: "an update", more: { operation: "UPDATE" } },
  { name: "a subresource", more: { subResource: "ephemeralcontainers" } },
])("$name is refused: the configuration is wrong", async ({ more }) => {
  expect(await decide(question(pod(), more))).toMatchObject({ kind: "refused", reason: "UnexpectedKind" });
});
