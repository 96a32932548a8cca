import { describe, expect, test } from "vitest";
import { aiquotaSchema } from "../../api/aiquota.ts";
import type { LimitSpec } from "../../api/aiquota-limit.ts";
import { dollarText, knownSubjects, usageRows, usageSubjectsMax, windowOfLimit } from "./usage-rows.ts";

const nowMs = Date.parse("2026-05-17T12:00:00Z");
const quota = (per: readonly string[], ...limits: readonly object[]) =>
  aiquotaSchema.parse({
    apiVersion: "sidegate.dev/v1alpha1",
    kind: "AIQuota",
    metadata: { name: "q", namespace: "team" },
    spec: { targetRefs: [{ group: "", kind: "Namespace", name: "team" }], per, limits },
  });
const limit = (spec: object): LimitSpec => {
  const [first] = quota([], { name: "l", ...spec }).spec.limits;
  if (!first) throw new Error("no limit");
  return first;
};
const rpm = limit({ resource: "Requests", limit: 100, burst: 5, window: { type: "Sliding", duration: "1m" } });
const usd = limit({
  resource: "Cost",
  limit: "500.00",
  currency: "USD",
  window: { type: "Calendar", period: "Month" },
});

test.each([
  [0, "0.00"],
  [1, "0.000000001"],
  [12_500_000_000, "12.50"],
  [1_234_567_890, "1.23456789"],
  [8_999_999_999_999_999, "8999999.999999999"],
])("%i nano-dollars are %s dollars", (nanos, text) => {
  expect(dollarText(nanos)).toBe(text);
});

describe("a row", () => {
  test("parts what is charged from what is held, and leaves what a caller is told", () => {
    expect(usageRows([{ limit: rpm, subject: "all", used: 30, held: 4, resetMs: 20_000 }], nowMs)).toEqual([
      {
        limit: "l",
        subject: "",
        used: "26",
        reserved: "4",
        remaining: "75",
        resetsAt: "2026-05-17T12:00:20.000Z",
        observedAt: "2026-05-17T12:00:00.000Z",
      },
    ]);
  });

  test("of Cost is in dollars, and never below nothing", () => {
    const [row] = usageRows(
      [{ limit: usd, subject: "all", used: 500_250_000_000, held: 250_000_000, resetMs: 1 }],
      nowMs,
    );
    expect(row).toMatchObject({ used: "500.00", reserved: "0.25", remaining: "0.00" });
  });

  test("of Concurrency shows what runs, and no end", () => {
    const inflight = limit({ resource: "Concurrency", limit: 3 });
    const [row] = usageRows([{ limit: inflight, subject: "pod=a", used: 2, held: 2, resetMs: 0 }], nowMs);
    expect(row).toMatchObject({ subject: "pod=a", used: "2", reserved: "0", remaining: "1" });
    expect(row).not.toHaveProperty("resetsAt");
  });
});

test("each limit shows the twenty that used most, in an order that does not change by itself", () => {
  const many = Array.from({ length: 50 }, (_, i) => ({
    limit: rpm,
    subject: `pod=p${i}`,
    used: i % 25,
    held: 0,
    resetMs: 0,
  }));
  const rows = usageRows([...many, { limit: usd, subject: "all", used: 1, held: 0, resetMs: 0 }], nowMs);
  expect(rows).toHaveLength(usageSubjectsMax + 1);
  expect(rows.slice(0, 3).map(({ subject, used }) => `${subject} ${used}`)).toEqual([
    "pod=p24 24",
    "pod=p49 24",
    "pod=p23 23",
  ]);
  expect(usageRows(many.toReversed(), nowMs)).toEqual(usageRows(many, nowMs));
});

test("only quotas that count by what nobody lists are searched for", () => {
  expect(knownSubjects(quota([], rpm))).toEqual(["all"]);
  expect(knownSubjects(quota(["Namespace"], rpm))).toEqual(["ns=team"]);
  expect(knownSubjects(quota(["Namespace", "Model"], rpm))).toBeUndefined();
});

test("a time zone that nobody knows has no window", () => {
  expect(
    windowOfLimit({ ...usd, window: { type: "Calendar", period: "Day", timeZone: "Mars/Base" } }, nowMs),
  ).toBeUndefined();
});

test("what else goes wrong with a calendar is thrown, not shown as a limit without use", () => {
  const calendar = { ...usd, window: { type: "Calendar", period: "Day", timeZone: "Asia/Kolkata" } } as const;
  expect(() => windowOfLimit(calendar, Number.MAX_SAFE_INTEGER)).toThrow(RangeError);
});
