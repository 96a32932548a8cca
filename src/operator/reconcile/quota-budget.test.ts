import { describe, expect, test } from "vitest";
import { type AIQuota, aiquotaSchema } from "../../api/aiquota.ts";
import { warningsMax } from "../../api/aiquota-status.ts";
import { effectiveQuota, quotaAdjustments } from "../../api/quota-adjustments.ts";
import type { UsageRow } from "../ports.ts";
import { crossingsOf, crossingText } from "./quota-budget.ts";
import { withinLimits } from "./quota-conditions.ts";
import { storedWarnings, warningsOf } from "./quota-warnings.ts";

const nowMs = Date.parse("2026-01-20T10:00:00Z");
const resetsAt = "2026-02-01T00:00:00.000Z";
const month = { type: "Calendar", period: "Month" };
const quotaWith = (limit: object, mode = "Enforce"): AIQuota =>
  aiquotaSchema.parse({
    apiVersion: "sidegate.dev/v1alpha1",
    kind: "AIQuota",
    metadata: { name: "q", namespace: "team", generation: 3 },
    spec: {
      mode,
      targetRefs: [{ group: "", kind: "Namespace", name: "team" }],
      limits: [{ name: "l", resource: "Requests", limit: 1000, window: month, ...limit }],
    },
  });
const rowOf = (used: string, remaining: string, more: Partial<UsageRow> = {}): UsageRow => ({
  ...{ limit: "l", subject: "", used, reserved: "0", remaining, resetsAt, observedAt: "2026-01-20T10:00:00.000Z" },
  ...more,
});
const thresholds = (limit: object, ...rows: UsageRow[]) =>
  crossingsOf(quotaWith(limit), rows, nowMs).map(({ threshold }) => threshold);
const warnAt = [50, 80];

describe("the highest threshold that was reached", () => {
  test.each([
    ["below", { warnAt }, rowOf("499", "501"), []],
    ["just at", { warnAt }, rowOf("500", "500"), [50]],
    ["held counts", { warnAt }, rowOf("400", "500", { reserved: "100" }), [50]],
    ["two at once: the higher", { warnAt }, rowOf("850", "150"), [80]],
    ["spent", { warnAt }, rowOf("1000", "0"), [100]],
    ["one request left", { warnAt }, rowOf("999", "1"), [80]],
    ["a budget without warnAt, spent", {}, rowOf("1000", "0"), [100]],
    ["a budget without warnAt, nearly", {}, rowOf("999", "1"), []],
    ["a rate without warnAt", { window: { type: "Sliding", duration: "1m" } }, rowOf("1000", "0"), []],
    ["a short Fixed window without warnAt", { window: { type: "Fixed", duration: "1m" } }, rowOf("1000", "0"), []],
    ["a long Fixed window without warnAt", { window: { type: "Fixed", duration: "2m" } }, rowOf("1000", "0"), [100]],
    ["a rate with warnAt", { warnAt, window: { type: "Sliding", duration: "1m" } }, rowOf("1000", "0"), [100]],
    ["tokens: a thousandth left is not spent", { resource: "TotalTokens" }, rowOf("999", "1"), []],
    ["tokens: less is", { resource: "TotalTokens", limit: 10_000 }, rowOf("9991", "9"), [100]],
    [
      "money above what a limit may be",
      { resource: "Cost", currency: "USD", limit: "8999999.00" },
      rowOf("9000000.00", "0.00"),
      [100],
    ],
    ["a limit of nothing", { limit: 0 }, rowOf("0", "0"), [100]],
    ["lowered below what was used", { limit: 10, warnAt }, rowOf("500", "0"), [100]],
    [
      "money, to the nano-dollar below",
      { resource: "Cost", currency: "USD", limit: "2.00", warnAt },
      rowOf("0.999999999", "1.000000001"),
      [],
    ],
    [
      "money, to the nano-dollar at",
      { resource: "Cost", currency: "USD", limit: "2.00", warnAt },
      rowOf("1.00", "1.00"),
      [50],
    ],
    [
      "beyond what a double holds",
      { resource: "Cost", currency: "USD", limit: "8999999.999999999", warnAt: [99] },
      rowOf("8909999.999999999", "90000.00"),
      [],
    ],
    [
      "beyond what a double holds, at",
      { resource: "Cost", currency: "USD", limit: "8999999.999999999", warnAt: [99] },
      rowOf("8910000.00", "89999.999999999"),
      [99],
    ],
  ])("%s", (_, limit, row, expected) => {
    expect(thresholds(limit, row)).toEqual(expected);
  });
});

test("the sentence names limit, amounts, subject and end", () => {
  const [crossing] = crossingsOf(
    quotaWith({ resource: "Cost", currency: "USD", limit: "500.00", warnAt }),
    [rowOf("400.10", "99.90", { subject: "user=alice" })],
    nowMs,
  );
  expect(crossing && crossingText(crossing, "Enforce")).toBe(
    "limit l: 400.10 of 500.00 USD used by user=alice, over 80 %",
  );
  const [spent] = crossingsOf(quotaWith({}), [rowOf("1000", "0")], nowMs);
  expect(spent && crossingText(spent, "Enforce")).toBe(
    "limit l: 1000 of 1000 requests used; requests are refused until 2026-02-01T00:00:00Z",
  );
  expect(spent && crossingText(spent, "Audit")).toContain("would be refused in mode Enforce");
});

test("what a limit of 0 refuses goes to another model, but not what an override to 0 refuses", () => {
  const onExceeded = { action: "Downgrade", model: "gpt-4o-mini" };
  const text = (quota: AIQuota) => {
    const counted = effectiveQuota(quota, quotaAdjustments(quota, nowMs), nowMs);
    return crossingsOf(counted, [rowOf("0", "0")], nowMs).map((crossing) => crossingText(crossing, "Enforce"));
  };
  const quota = quotaWith({ limit: 0, models: ["gpt-4o"], onExceeded });
  expect(text(quota)).toEqual([expect.stringContaining("; requests go to gpt-4o-mini until ")]);
  const override = [{ limit: "l", to: 0, until: resetsAt, by: "ana", reason: "loop" }];
  const annotations = { "sidegate.dev/override": JSON.stringify(override) };
  expect(text({ ...quota, metadata: { ...quota.metadata, annotations } })).toEqual([
    expect.stringContaining("; requests are refused until "),
  ]);
});

describe("the condition", () => {
  const conditionWith = (limit: object, ...rows: UsageRow[]) => {
    const quota = quotaWith(limit);
    const condition = withinLimits(quota, crossingsOf(quota, rows, nowMs));
    return condition && `${condition.status}/${condition.reason}/${condition.observedGeneration}`;
  };
  test.each([
    ["nobody at a threshold", { warnAt }, [rowOf("1", "999")], "True/WithinLimits/3"],
    ["somebody", { warnAt }, [rowOf("600", "400")], "False/ThresholdReached/3"],
    [
      "one of two spent",
      { warnAt },
      [rowOf("600", "400", { subject: "a" }), rowOf("1000", "0", { subject: "b" })],
      "False/Exhausted/3",
    ],
    ["nothing is watched", { window: { type: "Sliding", duration: "1m" } }, [rowOf("1000", "0")], undefined],
  ])("%s", (_, limit, rows, expected) => {
    expect(conditionWith(limit, ...rows)).toBe(expected);
  });

  test("lists five, the spent ones first", () => {
    const quota = quotaWith({ warnAt });
    const rows = Array.from({ length: 7 }, (_, i) => rowOf("600", "400", { subject: `pod=${i}` }));
    const message = withinLimits(
      quota,
      crossingsOf(quota, [...rows, rowOf("1000", "0", { subject: "pod=spent" })], nowMs),
    )?.message;
    expect(message).toMatch(/^limit l: 1000 of 1000 requests used by pod=spent/);
    expect(message).toMatch(/and 3 more$/);
  });
});

describe("what is told once for each window, subject and threshold", () => {
  const at = (row: UsageRow, limit: object = { warnAt }, when = nowMs) => crossingsOf(quotaWith(limit), [row], when);
  const options = { nowMs, resets: [], notifies: true };

  test("the first time, not the second, and again for a higher threshold", () => {
    const first = warningsOf([], at(rowOf("600", "400")), options);
    expect(first.fresh).toHaveLength(1);
    expect(first.told).toEqual([
      {
        limit: "l",
        subject: "",
        threshold: 50,
        whole: "1000",
        at: "2026-01-20T10:00:00.000Z",
        until: "2026-02-01T00:00:00Z",
        notified: "Pending",
      },
    ]);
    const second = warningsOf(first.told, at(rowOf("700", "300")), options);
    expect([second.fresh.length, second.told]).toEqual([0, first.told]);
    const third = warningsOf(second.told, at(rowOf("900", "100")), options);
    expect([third.fresh.length, third.told.length, third.told[0]?.threshold]).toEqual([1, 1, 80]);
    expect(warningsOf(third.told, at(rowOf("600", "400")), options).fresh).toEqual([]);
    expect(warningsOf(third.told, at(rowOf("900", "100", { subject: "b" })), options).fresh).toHaveLength(1);
  });

  test("again in the next window, and what was told of the last one is forgotten", () => {
    const { told } = warningsOf([], at(rowOf("600", "400")), options);
    const nextMs = Date.parse("2026-02-01T00:00:00Z");
    expect(warningsOf(told, [], { ...options, nowMs: nextMs }).told).toEqual([]);
    expect(warningsOf(told, at(rowOf("600", "400")), { ...options, nowMs: nextMs }).fresh).toHaveLength(1);
  });

  test("a Sliding window is told of again when its duration is over", () => {
    const limit = { warnAt, window: { type: "Sliding", duration: "1h" } };
    const { told } = warningsOf([], at(rowOf("600", "400"), limit), options);
    const later = (ms: number) =>
      warningsOf(told, at(rowOf("600", "400"), limit, nowMs + ms), { ...options, nowMs: nowMs + ms });
    expect(later(3_599_000).fresh).toEqual([]);
    expect(later(3_600_000).fresh).toHaveLength(1);
  });

  test("again for a limit that was raised or lowered, and once for each", () => {
    const { told } = warningsOf([], at(rowOf("1000", "0")), options);
    expect(told[0]?.threshold).toBe(100);
    const raised = warningsOf(told, at(rowOf("1000", "600"), { warnAt, limit: 1600 }), options);
    expect(raised.fresh.map(({ warning }) => [warning.threshold, warning.whole])).toEqual([[50, "1600"]]);
    expect(warningsOf(raised.told, at(rowOf("1100", "500"), { warnAt, limit: 1600 }), options).fresh).toEqual([]);
    const spent = warningsOf(raised.told, at(rowOf("1600", "0"), { warnAt, limit: 1600 }), options);
    expect(spent.fresh.map(({ warning }) => warning.threshold)).toEqual([100]);
    expect(warningsOf(spent.told, at(rowOf("1600", "0"), { warnAt, limit: 1200 }), options).fresh).toHaveLength(1);
  });

  test("what an earlier release told without the limit's size is not told again", () => {
    const { told } = warningsOf([], at(rowOf("600", "400")), options);
    const stored = told.map(({ whole: _, ...rest }) => rest);
    expect(warningsOf(stored, at(rowOf("600", "400")), options).fresh).toEqual([]);
  });

  test("a window that was made shorter is told of again", () => {
    const day = { warnAt, window: { type: "Sliding", duration: "24h" } };
    const { told } = warningsOf([], at(rowOf("600", "400"), day), options);
    const hour = { warnAt, window: { type: "Sliding", duration: "1h" } };
    const { told: again, fresh } = warningsOf(told, at(rowOf("600", "400"), hour), options);
    expect(fresh).toHaveLength(1);
    expect(warningsOf(again, at(rowOf("600", "400"), hour), options).fresh).toEqual([]);
  });

  test("a reset lets it be told of again, for whom it is, and once, whatever time it names", () => {
    const crossings = at(rowOf("600", "400", { subject: "user=a" }));
    const { told } = warningsOf([], crossings, options);
    const who = { by: "ana", reason: "x" };
    const freshAfter = (reset: object): readonly number[] => {
      const after = { ...options, resets: [{ at: "2026-01-20T10:00:01Z", ...who, ...reset }] };
      const first = warningsOf(told, crossings, after);
      return [first.fresh.length, warningsOf(first.told, crossings, after).fresh.length];
    };
    for (const reset of [{}, { subject: "user=a" }, { limit: "l" }, { at: "2999-01-01T00:00:00Z" }])
      expect(freshAfter(reset), JSON.stringify(reset)).toEqual([1, 0]);
    for (const reset of [{ subject: "user=b" }, { limit: "other" }])
      expect(freshAfter(reset), JSON.stringify(reset)).toEqual([0, 0]);
  });

  test("a hundred are remembered; what is beyond is counted, and not told each time", () => {
    const rows = Array.from({ length: warningsMax + 5 }, (_, i) => rowOf("600", "400", { subject: `pod=${i}` }));
    const crossings = crossingsOf(quotaWith({ warnAt }), rows, nowMs);
    const first = warningsOf([], crossings, options);
    expect([first.told.length, first.fresh.length, first.untold]).toEqual([warningsMax, warningsMax, 5]);
    expect(warningsOf(first.told, crossings, options).fresh).toEqual([]);
  });

  test("what another release wrote is passed over", () => {
    const { told } = warningsOf([], at(rowOf("600", "400")), options);
    expect(storedWarnings([...told, { limit: 1 }, null, "x", { ...told[0], notified: "Maybe" }])).toEqual(told);
  });
});
