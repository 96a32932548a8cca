/** Admission of edits that change what running counters mean. */
import { describe, expect, test } from "vitest";
import { aiquotaBase } from "../../api/aiquota.rows.ts";
import type { ClusterScope } from "../../compile/cluster-quota.ts";
import { parseReview } from "./review.ts";
import { createValidateHandler } from "./validate.ts";

const month = { type: "Calendar", period: "Month", timeZone: "Europe/Warsaw" };
const usd = { name: "usd", resource: "Cost", limit: "500.00", currency: "USD", window: month };
const rpm = { name: "rpm", resource: "Requests", limit: 600, window: { type: "Sliding", duration: "1m" } };
const rph = { name: "rph", resource: "Requests", limit: 600, window: { type: "Fixed", duration: "1h" } };
const running = { name: "running", resource: "Concurrency", limit: 4 };

interface Options {
  readonly isSynced?: boolean;
  readonly scope?: ClusterScope;
  readonly operation?: string;
}
const manifest = (spec: object) => ({
  ...{ apiVersion: "sidegate.dev/v1alpha1", kind: "AIQuota", metadata: { name: "q", namespace: "default" } },
  spec: { ...aiquotaBase, targetRefs: [{ group: "", kind: "Namespace", name: "default" }], ...spec },
});
const decide = (before: object, after: object, { isSynced = true, scope = {}, operation = "UPDATE" }: Options = {}) => {
  const view = { isSynced, routes: () => [], quotas: () => [], secrets: () => [], clusterScope: () => scope };
  const kind = { group: "sidegate.dev", version: "v1alpha1", kind: "AIQuota" };
  const oldObject = operation === "UPDATE" ? manifest(before) : null;
  const request = { uid: "u", kind, operation, namespace: "default", object: manifest(after), oldObject };
  const review = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request };
  return createValidateHandler({ view })(parseReview(Buffer.from(JSON.stringify(review))));
};
const edit = (before: object, after: object, options?: Options) =>
  decide({ limits: [before] }, { limits: [after] }, options);

const tokens = { name: "usd", resource: "TotalTokens", limit: 1_000_000, window: month };

describe("an edit that lets a counter go on and be misread is refused", () => {
  test.each([
    {
      name: "dollars for tokens",
      before: usd,
      after: tokens,
      says: "spec.limits[0].resource: limit usd would take what it has counted by Cost for TotalTokens; give the limit another name: it counts from zero; or put Cost back",
    },
    {
      name: "another resource in a Sliding window, however its duration is written",
      before: rpm,
      after: { ...rpm, resource: "InputTokens", window: { type: "Sliding", duration: "60s" } },
      says: "spec.limits[0].resource: limit rpm would take what it has counted by Requests for InputTokens; ",
    },
    {
      name: "another resource in a Fixed window",
      before: rph,
      after: { ...rph, resource: "OutputTokens" },
      says: "spec.limits[0].resource: ",
    },
    {
      name: "another period",
      before: usd,
      after: { ...usd, window: { ...month, period: "Week" } },
      says: "spec.limits[0].window.period: limit usd would take what it has counted by Month for Week; ",
    },
    {
      name: "another time zone",
      before: usd,
      after: { ...usd, window: { ...month, timeZone: "America/New_York" } },
      says: "spec.limits[0].window.timeZone: limit usd would take what it has counted by Europe/Warsaw for America/New_York; ",
    },
    {
      name: "a time zone that is left out",
      before: usd,
      after: { ...usd, window: { type: "Calendar", period: "Month" } },
      says: "for UTC; give the limit another name: it counts from zero; or put Europe/Warsaw back",
    },
  ])("$name", async ({ before, after, says }) => {
    const decision = await edit(before, after);
    expect(decision).toMatchObject({ kind: "refused", reason: "CounterMisread" });
    expect(decision.kind === "refused" && decision.message).toContain(says);
  });

  test("before the resources are known, too", async () => {
    expect(await edit(usd, tokens, { isSynced: false })).toMatchObject({ kind: "refused", reason: "CounterMisread" });
    expect(await edit(usd, usd, { isSynced: false })).toMatchObject({ kind: "allowed" });
  });

  test("beside what else is wrong", async () => {
    const other = { ...tokens, name: "other", endpoints: ["Files"] };
    const decision = await decide({ limits: [usd] }, { limits: [tokens, other] });
    expect(decision).toMatchObject({ kind: "refused", reason: "Invalid" });
    expect(decision.kind === "refused" && decision.message.split("\n")).toHaveLength(2);
  });

  test("as often as the limit stands at another place of the list", async () => {
    const decision = await decide({ limits: [usd, rpm] }, { limits: [rpm, tokens] });
    expect(decision.kind === "refused" && decision.message).toMatch(/^spec\.limits\[1\]\.resource: /);
  });
});

describe("an edit that lets counters go on as they are is admitted without a word", () => {
  test.each([
    { name: "a higher limit", before: usd, after: { ...usd, limit: "800.00" } },
    { name: "a lower limit", before: usd, after: { ...usd, limit: "1.00" } },
    { name: "a burst and thresholds", before: rpm, after: { ...rpm, burst: 5, warnAt: [80] } },
    {
      name: "models and endpoints",
      before: rpm,
      after: { ...rpm, models: ["gpt-4o"], endpoints: ["ChatCompletions"] },
    },
    { name: "a duration in other words", before: rph, after: { ...rph, window: { type: "Fixed", duration: "60m" } } },
    {
      name: "the same time zone by its older name",
      before: { ...usd, window: { ...month, timeZone: "Asia/Calcutta" } },
      after: { ...usd, window: { ...month, timeZone: "Asia/Kolkata" } },
    },
    {
      name: "UTC that is written out",
      before: { ...usd, window: { type: "Calendar", period: "Month" } },
      after: { ...usd, window: { type: "Calendar", period: "Month", timeZone: "UTC" } },
    },
    {
      name: "a time zone in place of one in which nothing could be counted",
      before: { ...usd, window: { ...month, timeZone: "IST" } },
      after: { ...usd, window: { ...month, timeZone: "Asia/Kolkata" } },
    },
    { name: "another number of places", before: running, after: { ...running, limit: 8 } },
  ])("$name", async ({ before, after }) => {
    expect(await edit(before, after)).toEqual({ kind: "allowed", reason: "Valid", warnings: [] });
  });

  test.each([
    { name: "mode", set: { mode: "Audit" } },
    { name: "precision", set: { precision: "Leased" } },
    { name: "a condition", set: { when: "request.model != 'gpt-4o'" } },
    { name: "another limit beside it", set: { limits: [usd, rpm] } },
    { name: "no place any more", before: { limits: [usd, running] }, set: { limits: [usd] } },
  ])("$name", async ({ before = { limits: [usd] }, set }) => {
    expect(await decide(before, { limits: [usd], ...set })).toEqual({ kind: "allowed", reason: "Valid", warnings: [] });
  });

  test("a quota that is made anew", async () => {
    expect(await edit(usd, tokens, { operation: "CREATE" })).toMatchObject({ kind: "allowed" });
  });
});

describe("an edit that begins a counter in the middle of a window is a warning", () => {
  const anew = "begins at zero: what was used in the running window counts no more";
  test.each([
    {
      name: "a limit of another name",
      before: { limits: [usd] },
      after: { limits: [{ ...tokens, name: "tokens" }] },
      says: [`spec.limits: limit usd is gone; under another name a limit ${anew}`],
    },
    {
      name: "another kind of window, whatever the resource",
      before: { limits: [usd] },
      after: { limits: [{ ...tokens, window: { type: "Fixed", duration: "24h" } }] },
      says: [`spec.limits[0].window: limit usd ${anew}`],
    },
    {
      name: "another duration",
      before: { limits: [rpm, usd] },
      after: { limits: [{ ...rpm, window: { type: "Sliding", duration: "2m" } }, usd] },
      says: [`spec.limits[0].window: limit rpm ${anew}`],
    },
    {
      name: "the same parts in another order",
      before: { limits: [rpm, usd], per: ["Pod", "Model"] },
      after: { limits: [rpm], per: ["Model", "Pod"] },
      says: [`spec.per: every limit of the quota ${anew}; the order of the parts is part of a counter's name`],
    },
    {
      name: "parts, and another resource with them: nothing is left to misread",
      before: { limits: [usd], per: [] },
      after: { limits: [tokens], per: ["ServiceAccount"] },
      says: [`spec.per: every limit of the quota ${anew}; the order of the parts is part of a counter's name`],
    },
  ])("$name", async ({ before, after, says }) => {
    expect(await decide(before, after)).toEqual({ kind: "allowed", reason: "Valid", warnings: says });
  });

  test("targets in other namespaces", async () => {
    const targetRefs = [{ group: "", kind: "Namespace", selector: {} }];
    const decision = await decide({}, { targetRefs }, { scope: { operatorNamespace: "default" } });
    expect(decision.warnings?.[0]).toBe(
      `spec.targetRefs: every limit of the quota ${anew}; counters over namespaces are others`,
    );
  });
});
