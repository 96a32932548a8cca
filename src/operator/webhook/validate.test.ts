import { describe, expect, test } from "vitest";
import { documentRows } from "../../../test/apiserver/manifest-rows/document-rows.ts";
import { aiquotaBase } from "../../api/aiquota.rows.ts";
import { type AIQuota, aiquotaSchema } from "../../api/aiquota.ts";
import { airouteBase } from "../../api/airoute.rows.ts";
import { type AIRoute, airouteSchema } from "../../api/airoute.ts";
import { secretFromManifest, secretManifestSchema } from "../../api/secret.ts";
import { readResources } from "../../resources/read.ts";
import { validateFiles } from "../../resources/validate.ts";
import type { ResourceView } from "../ports.ts";
import { type Decision, parseReview } from "./review.ts";
import { createValidateHandler } from "./validate.ts";

type Manifest = Readonly<Record<string, unknown>>;
const manifest = (kind: "AIRoute" | "AIQuota", name: string, spec: object, metadata: object = {}): Manifest => ({
  apiVersion: "sidegate.dev/v1alpha1",
  kind,
  metadata: { name, namespace: "default", ...metadata },
  spec,
});
const route = (name: string, set: object = {}, metadata: object = {}) =>
  manifest("AIRoute", name, { ...airouteBase, ...set }, metadata);
const quota = (set: object = {}, name = "q") => manifest("AIQuota", name, { ...aiquotaBase, ...set });
const [rpm, usd] = aiquotaBase.limits;
const permitted = { "sidegate.dev/credential": "true" };

/** The namespace as the informers know it; a Secret without the label is not among it. */
const viewOf = (beside: readonly object[], isSynced = true): ResourceView => {
  const of = (kind: string) => beside.filter((object) => (object as Manifest)["kind"] === kind);
  const routes: AIRoute[] = of("AIRoute").map((object) => airouteSchema.parse(object));
  const quotas: AIQuota[] = of("AIQuota").map((object) => aiquotaSchema.parse(object));
  const secrets = of("Secret").map((object) => secretFromManifest(secretManifestSchema.parse(object)));
  return {
    isSynced,
    routes: () => routes,
    quotas: () => quotas,
    secrets: () => secrets.filter(({ labels }) => labels["sidegate.dev/credential"] === "true"),
  };
};

const decide = async (
  object: Manifest,
  more: { view?: ResourceView; old?: Manifest; operation?: string } = {},
): Promise<Decision> => {
  const request = {
    uid: "u",
    kind: { group: "sidegate.dev", version: "v1alpha1", kind: object["kind"] },
    operation: more.operation ?? (more.old ? "UPDATE" : "CREATE"),
    namespace: "default",
    object,
    oldObject: more.old ?? null,
  };
  const review = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request };
  return createValidateHandler({ view: more.view ?? viewOf([]) })(parseReview(Buffer.from(JSON.stringify(review))));
};

const cliLines = (object: object, beside: readonly object[]) => {
  const files = [object, ...beside].map((value, index) => ({ path: `${index}.json`, text: JSON.stringify(value) }));
  const { faults, notes } = validateFiles(files);
  const own = (all: typeof faults) =>
    all.filter(({ file }) => file === "0.json").map(({ path, message }) => `${path}: ${message}`);
  return { faults: own(faults), notes: own(notes) };
};

describe("what only compile can say", () => {
  const rows = documentRows.filter(({ refusedBy }) => refusedBy === "Webhook");
  const isSecret = ({ path }: { path: string }) => path.includes("secretRef");

  test.each(rows.filter((row) => !isSecret(row)))("$name: refused in the words of sidegate validate", async (row) => {
    const decision = await decide(row.manifest, { view: viewOf(row.beside ?? []) });
    const { faults } = cliLines(row.manifest, row.beside ?? []);
    expect(decision.kind).toBe("refused");
    expect(decision.kind === "refused" && decision.message.split("\n")).toEqual(faults);
    expect(faults.join()).toContain(row.says);
  });

  test.each(rows.filter(isSecret))("$name: a warning, since a Secret may be mended after the route", async (row) => {
    const decision = await decide(row.manifest, { view: viewOf(row.beside ?? []) });
    expect(decision).toMatchObject({ kind: "allowed", reason: "Valid" });
    expect(decision.warnings?.join()).toContain(`${row.path}: backend `);
  });

  test("what may still arrive is a warning, in the words of the command's notes", async () => {
    for (const object of [route("support"), quota()]) {
      const decision = await decide(object);
      expect(decision).toMatchObject({ kind: "allowed" });
      expect(decision.warnings).toEqual(cliLines(object, []).notes);
      expect(decision.warnings).not.toEqual([]);
    }
  });

  test("every example that validate accepts is admitted", async () => {
    const secret = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "openai", namespace: "default", labels: permitted },
      stringData: { "key-a": "sk" },
    };
    const text = [route("support"), quota(), secret].map((object) => JSON.stringify(object)).join("\n---\n");
    expect(readResources([{ path: "f", text }]).faults).toEqual([]);
    expect(await decide(quota(), { view: viewOf([route("support"), secret]) })).toEqual({
      kind: "allowed",
      reason: "Valid",
      warnings: [],
    });
  });
});

test("a second route for a service account is a warning that names the first", async () => {
  const older = route("first", {}, { creationTimestamp: "2026-01-01T00:00:00Z" });
  const decision = await decide(route("second", {}, { creationTimestamp: "2026-01-02T00:00:00Z" }), {
    view: viewOf([older]),
  });
  expect(decision.kind).toBe("allowed");
  expect(decision.warnings?.join()).toContain("is served by the older AIRoute first");
});

test("a route that takes a service account from another says so, and names the loser", async () => {
  const younger = route("other", { parentRefs: [{ name: "shared" }] }, { creationTimestamp: "2026-01-02T00:00:00Z" });
  const stamp = { creationTimestamp: "2026-01-01T00:00:00Z" };
  const old = route("own", { parentRefs: [{ name: "mine" }] }, stamp);
  const decision = await decide(route("own", { parentRefs: [{ name: "mine" }, { name: "shared" }] }, stamp), {
    old,
    view: viewOf([younger, old]),
  });
  expect(decision.warnings?.join()).toContain(
    "AIRoute other: spec.parentRefs[0]: service account shared is served by the older AIRoute own",
  );
});

test("a route that makes a quota unenforceable warns of it", async () => {
  const old = route("support");
  const unpriced = route("support", {
    rules: [{ ...airouteBase.rules[0], matches: [{ models: [{ value: "in-house" }] }] }],
  });
  const decision = await decide(unpriced, { old, view: viewOf([old, quota()]) });
  expect(decision.kind).toBe("allowed");
  expect(decision.warnings?.join()).toContain(
    "AIQuota q: spec.limits[1].resource: limit usd counts cost, but in-house has no price",
  );
});

describe("ratcheting", () => {
  const broken = quota({ limits: [{ ...usd, window: { type: "Calendar", period: "Day", timeZone: "Mars/Base" } }] });
  const view = viewOf([route("support")]);

  test("an invalid object may have its metadata changed", async () => {
    const labelled = { ...broken, metadata: { name: "q", namespace: "default", labels: { a: "b" } } };
    expect(await decide(labelled, { old: broken, view })).toEqual({ kind: "allowed", reason: "Unchanged" });
  });

  test("an invalid object may be deleted, finalizers and all", async () => {
    const going = quota({ limits: [] });
    const metadata = { name: "q", namespace: "default", deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: [] };
    expect(await decide({ ...going, metadata }, { old: broken, view })).toEqual({ kind: "allowed", reason: "Deleted" });
  });

  test("what stood against it before is a warning, what is new is refused", async () => {
    const renamed = quota({ limits: broken["spec"] && (broken["spec"] as typeof aiquotaBase).limits, per: ["Pod"] });
    const same = await decide(renamed, { old: broken, view });
    expect(same).toMatchObject({ kind: "allowed", reason: "InvalidBefore" });
    expect(same.warnings?.join()).toContain("Mars/Base is no time zone");
    const worse = quota({
      limits: [
        ...(broken["spec"] as typeof aiquotaBase).limits,
        { ...rpm, window: { type: "Calendar", period: "Day", timeZone: "Venus/Base" }, burst: 0 },
      ],
    });
    const refused = await decide(worse, { old: broken, view });
    expect(refused).toMatchObject({ kind: "refused", reason: "UnsupportedValue" });
    expect(refused.kind === "refused" && refused.message).toContain("Venus/Base");
    expect(refused.kind === "refused" && refused.message).not.toContain("Mars/Base");
  });

  test("a schema fault from an older release is a warning, a new one is refused", async () => {
    const old = route("r", { backends: [] });
    expect(await decide({ ...route("r", { backends: [], models: [] }) }, { old })).toMatchObject({
      kind: "allowed",
      reason: "InvalidBefore",
    });
    expect(await decide(route("r", { backends: [], rules: [] }), { old })).toMatchObject({
      kind: "refused",
      reason: "SchemaInvalid",
    });
  });
});

test("before the resources are known only the schema is judged, and that is said", async () => {
  const view = viewOf([], false);
  const wrong = route("r", { rules: [{ ...airouteBase.rules[0], backendRefs: [{ name: "opnai" }] }] });
  expect(await decide(wrong, { view })).toMatchObject({
    kind: "allowed",
    reason: "SchemaOnly",
    warnings: [expect.stringContaining("only the schema")],
  });
  expect(await decide(route("r", { backends: [] }), { view })).toMatchObject({
    kind: "refused",
    reason: "SchemaInvalid",
  });
});

test("a config that no Secret holds is refused with its size", async () => {
  const rule = (index: number) => ({
    ...airouteBase.rules[0],
    name: `r-${index}`,
    matches: Array.from({ length: 16 }, (_, match) => ({
      models: Array.from({ length: 64 }, (_, model) => ({ value: `m${"x".repeat(40)}-${match}-${model}` })),
    })),
  });
  const decision = await decide(route("big", { rules: Array.from({ length: 32 }, (_, index) => rule(index)) }));
  expect(decision).toMatchObject({ kind: "refused", reason: "ConfigTooLarge" });
  expect(decision.kind === "refused" && decision.message).toMatch(
    /^spec: the config of service account \S+ would have \d{7} bytes, a Secret takes 983616; /,
  );
});

test("a kind that is not ours is refused: the configuration is wrong", async () => {
  expect(await decide({ kind: "Pod" })).toMatchObject({ kind: "refused", reason: "UnexpectedKind" });
});

test("metadata that a newer API server knows is no fault", async () => {
  const later = { name: "support", namespace: "default", later: { a: 1 } };
  expect(await decide({ ...route("support"), metadata: later })).toMatchObject({ kind: "allowed" });
});

test("what pods' tokens may be sent to is a warning in the words of the status, since the chart's values can mend it", async () => {
  const identity = { identityProviderID: "i", serviceAccountID: "s", tokenURL: "https://collector.example/t" };
  const credentials = [{ type: "WorkloadIdentity", workloadIdentity: identity }];
  const backends = [{ name: "openai", type: "OpenAI", credentials }, ...airouteBase.backends.slice(1)];
  const decideWith = async (deps: object): Promise<Decision> => {
    const request = { uid: "u", operation: "CREATE", namespace: "default", oldObject: null };
    const kind = { group: "sidegate.dev", version: "v1alpha1", kind: "AIRoute" };
    const review = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview" };
    const body = { ...review, request: { ...request, kind, object: route("keyless", { backends }) } };
    return createValidateHandler({ view: viewOf([]), ...deps })(parseReview(Buffer.from(JSON.stringify(body))));
  };
  const judged = await decideWith({ tokenHosts: ["auth.openai.com"] });
  expect(judged.kind).toBe("allowed");
  expect(judged.warnings?.join()).toContain(
    "spec.backends[0].credentials[0].workloadIdentity.tokenURL: backend openai: pods' tokens may not go to collector.example",
  );
  const allowed = await decideWith({ tokenHosts: ["collector.example"] });
  expect(allowed.warnings?.join() ?? "").not.toContain("may not go");
});
