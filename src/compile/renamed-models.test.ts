import { expect, test } from "vitest";
import { aiquotaSchema } from "../api/aiquota.ts";
import { airouteBase } from "../api/airoute.rows.ts";
import { airouteSchema } from "../api/airoute.ts";
import { compile } from "./compile.ts";
import { renamedModels } from "./renamed-models.ts";
import { targetedRules } from "./targeted-rules.ts";

const metadata = { name: "support", namespace: "team" };
const prefixed = { models: [{ type: "Prefix", value: "gpt-" }] };
const routeWith = (match: object, ref: object = { model: "gpt-4o" }) =>
  airouteSchema.parse({
    ...{ apiVersion: "sidegate.dev/v1alpha1", kind: "AIRoute", metadata },
    spec: {
      ...airouteBase,
      rules: [{ name: "chat", matches: [match], backendRefs: [{ name: "openai", ...ref }] }],
    },
  });
const window = { type: "Sliding", duration: "1h" };
const requests = { name: "l", resource: "Requests", limit: 5, window };
const cost = { name: "l", resource: "Cost", limit: "5.00", currency: "USD", window };
const quotaWith = (limit: object, per: readonly string[] = []) =>
  aiquotaSchema.parse({
    ...{ apiVersion: "sidegate.dev/v1alpha1", kind: "AIQuota", metadata: { ...metadata, name: "q" } },
    spec: { targetRefs: [{ group: "sidegate.dev", kind: "AIRoute", name: "support" }], per, limits: [limit] },
  });
const found = (route: ReturnType<typeof routeWith>, limit: object, per?: readonly string[]) => {
  const quota = quotaWith(limit, per);
  return renamedModels(quota, targetedRules(quota, [route]));
};

test.each([
  { name: "Cost has its price", limit: cost, says: "has its price" },
  { name: "a limit with models chooses", limit: { ...requests, models: ["gpt-4o"] }, says: "chooses what it counts" },
  { name: "per Model has its counters", limit: requests, per: ["Model"], says: "has its counters" },
])("$name by a name that the application may choose", ({ limit, per, says }) => {
  const [finding, ...others] = found(routeWith(prefixed), limit, per);
  expect(others).toEqual([]);
  expect(finding).toMatchObject({
    kind: "AIQuota",
    name: "q",
    path: ["spec", "limits", 0],
    isPending: true,
    isAdvice: true,
  });
  expect(finding?.message).toBe(
    `limit l ${says} by the model's name, but rule chat of AIRoute support sends each name that begins with gpt- to gpt-4o, so that the application chooses the name it is counted by; name the models there one by one, or take backendRefs[].model away`,
  );
});

test("it is advice: the quota is accepted all the same", () => {
  const quotas = [quotaWith(cost)];
  const route = routeWith(prefixed);
  const serviceAccount = route.spec.parentRefs[0]?.name ?? "";
  const keys = [{ id: "k", secret: Buffer.alloc(32).toString("base64") }];
  const result = compile({ namespace: "team", serviceAccount, routes: [route], quotas, secrets: [], keys });
  expect(result.findings.some(({ isAdvice }) => isAdvice)).toBe(true);
  expect(result.quotas[0]?.ancestors.map(({ conditions: [accepted] }) => accepted?.status)).toEqual(["True"]);
});

test("a match without models takes any name", () => {
  expect(found(routeWith({ endpoints: ["Embeddings"] }), cost)[0]?.message).toContain("sends any name to gpt-4o");
});

test.each([
  {
    name: "names that are written one by one",
    route: routeWith({ models: [{ value: "gpt-4o" }, { value: "o3" }] }),
    limit: cost,
  },
  { name: "a backend that is sent the name as it came", route: routeWith(prefixed, {}), limit: cost },
  { name: "a limit that no name decides", route: routeWith(prefixed), limit: requests },
  { name: "a limit on other models", route: routeWith(prefixed), limit: { ...requests, models: ["o3"] } },
  { name: "a limit at other endpoints", route: routeWith(prefixed), limit: { ...cost, endpoints: ["Batches"] } },
  {
    name: "endpoints without a model",
    route: routeWith({ endpoints: ["Files"] }),
    limit: { ...requests, models: ["gpt-4o"] },
  },
])("nothing is said of $name", ({ route, limit }) => {
  expect(found(route, limit)).toEqual([]);
});
