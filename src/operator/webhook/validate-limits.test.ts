/** Admission of limits: what they count, and by which clock. */
import { describe, expect, test } from "vitest";
import { aiquotaBase } from "../../api/aiquota.rows.ts";
import { type AIQuota, aiquotaSchema } from "../../api/aiquota.ts";
import { airouteBase } from "../../api/airoute.rows.ts";
import { airouteSchema } from "../../api/airoute.ts";
import { parseReview } from "./review.ts";
import { createValidateHandler } from "./validate.ts";

const manifest = (kind: "AIRoute" | "AIQuota", name: string, spec: object) => ({
  ...{ apiVersion: "sidegate.dev/v1alpha1", kind, spec },
  metadata: { name, namespace: "default" },
});
const route = (set: object = {}) => manifest("AIRoute", "support", { ...airouteBase, ...set });
const quota = (set: object) => manifest("AIQuota", "q", { ...aiquotaBase, ...set });
const [rpm, usd] = aiquotaBase.limits;

const decide = (
  object: ReturnType<typeof manifest>,
  { routes = [], quotas = [], old }: { routes?: readonly object[]; quotas?: readonly AIQuota[]; old?: object } = {},
) => {
  const view = {
    ...{ isSynced: true, quotas: () => quotas, secrets: () => [] },
    routes: () => routes.map((each) => airouteSchema.parse(each)),
  };
  const kind = { group: "sidegate.dev", version: "v1alpha1", kind: object.kind };
  const operation = old ? "UPDATE" : "CREATE";
  const request = { uid: "u", kind, operation, namespace: "default", object, oldObject: old ?? null };
  const review = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request };
  return createValidateHandler({ view })(parseReview(Buffer.from(JSON.stringify(review))));
};

describe("limits that limit nothing", () => {
  test.each([
    {
      name: "tokens of files",
      limit: { ...rpm, resource: "TotalTokens", endpoints: ["Files", "Models"] },
      says: "TotalTokens is not metered at Files, Models",
    },
    { name: "the cost of batches", limit: { ...usd, endpoints: ["Batches"] }, says: "Cost is not metered at Batches" },
  ])("$name: refused with the fix", async ({ limit, says }) => {
    const decision = await decide(quota({ limits: [limit] }));
    expect(decision).toMatchObject({ kind: "refused", reason: "Invalid" });
    expect(decision.kind === "refused" && decision.message).toContain(says);
    expect(decision.kind === "refused" && decision.message).toMatch(
      /^spec\.limits\[0\]\.endpoints: limit \w+ limits nothing: .*; count Requests there, or name other endpoints$/,
    );
  });

  test("requests of Models alone: refused, as sidecars answer them before anything is counted", async () => {
    const decision = await decide(quota({ limits: [{ ...rpm, endpoints: ["Models"] }] }));
    expect(decision).toMatchObject({ kind: "refused", reason: "Invalid" });
    expect(decision.kind === "refused" && decision.message).toMatch(
      /^spec\.limits\[0\]\.endpoints: limit rpm limits nothing: sidecars answer Models by themselves/,
    );
    expect(await decide(quota({ limits: [{ ...rpm, endpoints: ["Models", "Files"] }] }))).toMatchObject({
      kind: "allowed",
    });
  });

  test("requests of files are counted", async () => {
    expect(await decide(quota({ limits: [{ ...rpm, endpoints: ["Files"] }] }))).toMatchObject({ kind: "allowed" });
  });

  test("a route that is edited so that a limit limits nothing is admitted with a warning", async () => {
    const serving = (value: string) =>
      route({ rules: [{ ...airouteBase.rules[0], matches: [{ models: [{ value }] }] }] });
    const old = serving("gpt-4o");
    const limited = aiquotaSchema.parse(quota({ limits: [{ ...rpm, models: ["gpt-4o"] }] }));
    const decision = await decide(serving("gpt-4.1"), { old, routes: [old], quotas: [limited] });
    expect(decision.kind).toBe("allowed");
    expect(decision.warnings).toContain(
      "AIQuota q: spec.limits[0]: limit rpm limits nothing yet: no rule of its targets serves gpt-4o",
    );
  });

  test("a model that no rule of the target serves is a warning: the route may follow", async () => {
    const decision = await decide(quota({ limits: [{ ...rpm, models: ["gpt-9"] }] }), {
      routes: [route()],
    });
    expect(decision).toMatchObject({
      kind: "allowed",
      warnings: ["spec.limits[0]: limit rpm limits nothing yet: no rule of its targets serves gpt-9"],
    });
  });
});

test.each(["IST", "PST", "SystemV/PST8"])(
  "%s is no time zone to count in: refused with a name that is",
  async (timeZone) => {
    const limits = [{ ...usd, window: { type: "Calendar", period: "Day", timeZone } }];
    expect(await decide(quota({ limits }), { routes: [route()] })).toMatchObject({
      kind: "refused",
      reason: "UnsupportedValue",
      message: `spec.limits[0].window.timeZone: ${timeZone} is no time zone; write an IANA name such as Europe/Warsaw or Asia/Kolkata`,
    });
  },
);
