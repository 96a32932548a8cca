import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aiquotaBase } from "../../src/api/aiquota.rows.ts";
import { airouteBase } from "../../src/api/airoute.rows.ts";
import { installCrds, useApiServer } from "./harness.ts";
import { annotated, podOf, type Stage, startStage } from "./webhook-stage.ts";

const server = useApiServer();
let stage: Stage;
beforeAll(async () => {
  await installCrds(server());
  stage = await startStage(server());
});
afterAll(() => stage?.stop());

const pods = (): string => `/api/v1/namespaces/${stage.namespace}/pods`;
const ours = (plural: string): string => `/apis/sidegate.dev/v1alpha1/namespaces/${stage.namespace}/${plural}`;
const manifest = (kind: "AIRoute" | "AIQuota", name: string, spec: object, metadata: object = {}) => ({
  apiVersion: "sidegate.dev/v1alpha1",
  kind,
  metadata: { name, namespace: stage.namespace, ...metadata },
  spec,
});
/** Runs `act` and answers how many admissions it caused. */
const admissions = async (act: () => Promise<unknown>): Promise<number> => {
  const before = stage.admitted.length;
  await act();
  return stage.admitted.length - before;
};

describe("pods", () => {
  test("an annotated pod is injected by the API server, the sidecar first", async () => {
    const { status, body } = await stage.send("POST", pods(), podOf("injected", annotated));
    expect(status, JSON.stringify(body)).toBe(201);
    expect(body).toMatchObject({
      metadata: { labels: { "sidegate.dev/injected": "true" } },
      spec: { initContainers: [{ name: "sidegate", image: "sidegate:test", restartPolicy: "Always" }] },
    });
  });

  test("the owner is told that no route serves the pod yet", async () => {
    const { warnings } = await stage.send("POST", `${pods()}?dryRun=All`, podOf("warned", annotated));
    expect(warnings.join()).toContain("no AIRoute names service account default yet");
  });

  test.each([
    { name: "no annotations at all", pod: { ...podOf("plain"), metadata: { name: "plain" } } },
    { name: "other annotations", pod: podOf("other", { a: "b" }) },
    { name: "the annotation false", pod: podOf("off", { "sidegate.dev/inject": "false" }) },
    { name: "the annotation True", pod: podOf("misspelt", { "sidegate.dev/inject": "True" }) },
  ])("a pod with $name never reaches the webhook", async ({ pod }) => {
    let status = 0;
    expect(await admissions(async () => ({ status } = await stage.send("POST", `${pods()}?dryRun=All`, pod)))).toBe(0);
    expect(status).toBe(201);
  });

  test("100 pods without the annotation: 0 admissions", async () => {
    const all = Array.from({ length: 100 }, (_, index) => podOf(`many-${index}`));
    expect(await admissions(() => Promise.all(all.map((pod) => stage.send("POST", `${pods()}?dryRun=All`, pod))))).toBe(
      0,
    );
  });

  test("a dry run is patched and leaves nothing behind", async () => {
    const { status, body } = await stage.send("POST", `${pods()}?dryRun=All`, podOf("dry", annotated));
    expect(status).toBe(201);
    expect(JSON.stringify(body)).toContain("sidegate:test");
    expect((await stage.send("GET", `${pods()}/dry`)).status).toBe(404);
  });

  test("a pod that cannot be injected is refused with field and reason", async () => {
    const { status, body } = await stage.send("POST", pods(), podOf("host", annotated, { hostNetwork: true }));
    expect(status).toBe(422);
    expect(body).toMatchObject({ reason: "Invalid" });
    expect(body.message).toContain("spec.hostNetwork");
  });

  test("an injected pod may be labelled and deleted without the webhook", async () => {
    const calls = await admissions(async () => {
      const labels = { metadata: { labels: { a: "b" } } };
      const patched = await stage.send("PATCH", `${pods()}/injected`, labels, "application/merge-patch+json");
      expect(patched.status).toBe(200);
      expect((await stage.send("DELETE", `${pods()}/injected?gracePeriodSeconds=0`)).status).toBe(200);
    });
    expect(calls).toBe(0);
  });
});

describe("routes and quotas", () => {
  test("a route that contradicts itself is refused with the field, for each fault one line", async () => {
    const [rule] = airouteBase.rules;
    const spec = { ...airouteBase, rules: [{ ...rule, backendRefs: [{ name: "opnai" }, { name: "azuer" }] }] };
    const { status, body } = await stage.send("POST", ours("airoutes"), manifest("AIRoute", "wrong", spec));
    expect(status).toBe(422);
    expect(body.message).toContain("spec.rules[0].backendRefs[0].name: rule chat: the route has no backend opnai\n");
    expect(body.message).toContain("spec.rules[0].backendRefs[1].name: rule chat: the route has no backend azuer");
  });

  test("a quota that limits nothing is refused with the fix", async () => {
    const limits = [{ ...aiquotaBase.limits[0], resource: "TotalTokens", endpoints: ["Files"] }];
    const { status, body } = await stage.send(
      "POST",
      ours("aiquotas"),
      manifest("AIQuota", "idle", { ...aiquotaBase, limits }),
    );
    expect(status).toBe(422);
    expect(body.message).toContain("count Requests there");
  });

  test("a cost without a price is refused by what the informers know of the route", async () => {
    const [rule] = airouteBase.rules;
    const rules = [{ ...rule, matches: [{ models: [{ value: "in-house" }] }] }];
    stage.held.hold(manifest("AIRoute", "support", { ...airouteBase, models: [], rules }));
    const { status, body } = await stage.send("POST", ours("aiquotas"), manifest("AIQuota", "cost", aiquotaBase));
    stage.held.hold();
    expect(status).toBe(422);
    expect(body.message).toContain("in-house has no price; add pricing to the route's models");
  });

  test("what may still arrive is a warning", async () => {
    const { status, warnings } = await stage.send("POST", ours("aiquotas"), manifest("AIQuota", "early", aiquotaBase));
    expect(status).toBe(201);
    expect(warnings).toEqual([
      `spec.targetRefs[0].name: AIRoute support does not exist in namespace ${stage.namespace}`,
    ]);
  });

  test("an edit is compared with what stands: what would make a counter misread is refused, and made anew it is admitted", async () => {
    const window = { type: "Calendar", period: "Month" };
    const usd = { name: "usd", resource: "Cost", limit: "500.00", currency: "USD", window };
    const specWith = (...limits: object[]) => ({ ...aiquotaBase, limits });
    const tokens = { name: "usd", resource: "TotalTokens", limit: 1_000_000, window };
    const create = (spec: object) => stage.send("POST", ours("aiquotas"), manifest("AIQuota", "edited", spec));
    const path = `${ours("aiquotas")}/edited`;
    const patch = (limits: object[]) => stage.send("PATCH", path, { spec: { limits } }, "application/merge-patch+json");
    expect((await create(specWith(usd))).status).toBe(201);
    const refused = await patch([tokens]);
    expect([refused.status, refused.body.message]).toEqual([
      422,
      expect.stringContaining(
        "spec.limits[0].resource: limit usd would take what it has counted by Cost for TotalTokens",
      ),
    ]);
    const warned = await patch([{ ...tokens, name: "tokens" }]);
    expect([warned.status, warned.warnings.join()]).toEqual([200, expect.stringContaining("limit usd is gone")]);
    expect((await stage.send("DELETE", path)).status).toBe(200);
    expect((await create(specWith(tokens))).status).toBe(201);
  });

  test("metadata, status and deletion never reach the webhook; a changed spec does", async () => {
    expect(
      (
        await stage.send(
          "POST",
          ours("airoutes"),
          manifest("AIRoute", "kept", airouteBase, { finalizers: ["example.com/x"] }),
        )
      ).status,
    ).toBe(201);
    const path = `${ours("airoutes")}/kept`;
    const patch = (body: object, sub = "") =>
      stage.send("PATCH", `${path}${sub}`, body, "application/merge-patch+json");
    const silent = await admissions(async () => {
      expect((await patch({ metadata: { labels: { a: "b" } } })).status).toBe(200);
      expect((await patch({ status: { configDigest: "sha256:0" } }, "/status")).status).toBe(200);
    });
    expect(silent).toBe(0);
    expect(await admissions(() => patch({ spec: { audit: { sink: "None" } } }))).toBe(1);
    const gone = await admissions(async () => {
      expect((await stage.send("DELETE", path)).status).toBe(200);
      expect((await patch({ metadata: { finalizers: null } })).status).toBe(200);
    });
    expect(gone).toBe(0);
    expect((await stage.send("GET", path)).status).toBe(404);
  });
});
