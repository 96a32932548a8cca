import { expect, test } from "vitest";
import { pricesAsOf } from "../compile/models.ts";
import { priceAgeDaysMax } from "./price-age.ts";
import { validateFiles } from "./validate.ts";

const files = (models: string, limit: string) => [
  {
    path: "all.yaml",
    text: `apiVersion: v1
kind: Secret
metadata: {name: openai, labels: {sidegate.dev/credential: "true"}}
stringData: {key: sk-1}
---
apiVersion: sidegate.dev/v1alpha1
kind: AIRoute
metadata: {name: r}
spec:
  parentRefs: [{name: default}]
  backends: [{name: main, type: OpenAI, credentials: [{type: Secret, secretRef: {name: openai, key: key}}]}]
  rules: [{name: all, matches: [{models: [{type: Exact, value: gpt-4o}]}], backendRefs: [{name: main}]}]
  models: ${models}
---
apiVersion: sidegate.dev/v1alpha1
kind: AIQuota
metadata: {name: q}
spec:
  targetRefs: [{group: sidegate.dev, kind: AIRoute, name: r}]
  limits:
    - {name: rpm, resource: Requests, limit: 5, window: {type: Sliding, duration: 1m}}
    - ${limit}
`,
  },
];
const cost = '{name: usd, resource: Cost, limit: "5", currency: USD, window: {type: Calendar, period: Day}}';
const asOfMs = Date.parse(`${pricesAsOf}-01T00:00:00Z`);
const notesAt = (days: number, models = "[]", limit = cost): readonly string[] => {
  const { faults, notes } = validateFiles(files(models, limit), asOfMs + days * 86_400_000);
  expect(faults).toEqual([]);
  return notes.map(({ path, message }) => `${path}: ${message}`);
};

test("a Cost limit by built-in prices that are old is told of, with the models and the remedy", () => {
  expect(notesAt(priceAgeDaysMax)).toEqual([]);
  expect(notesAt(priceAgeDaysMax + 1)).toEqual([
    `spec.limits[1]: counts gpt-4o by built-in prices of ${pricesAsOf}, more than 180 days ago; compare them with the provider's list and set spec.models[].pricing of the route where they differ`,
  ]);
});

test("prices of the route's own never are, nor is a limit that counts no cost", () => {
  const own = '[{name: gpt-4o, pricing: {inputPerMTok: "2", outputPerMTok: "8"}}]';
  expect(notesAt(1000, own)).toEqual([]);
  expect(notesAt(1000, "[{name: gpt-4o, outputTokensMax: 5}]")).toHaveLength(1);
  const tokens = "{name: t, resource: TotalTokens, limit: 5, window: {type: Calendar, period: Day}}";
  expect(notesAt(1000, "[]", tokens)).toEqual([]);
});
