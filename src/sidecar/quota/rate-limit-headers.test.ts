import { expect, test } from "vitest";
import type { LimitConfig, QuotaConfig } from "../../config/quota.ts";
import type { PlannedClaim } from "./plan.ts";
import { rateLimitHeaders } from "./rate-limit-headers.ts";

const quota = { namespace: "team", name: "q" } as unknown as QuotaConfig; // nothing else is read
const minute = { type: "Sliding", durationMs: 60_000 } as const;
const limitOf = (resource: LimitConfig["resource"], name: string): LimitConfig => ({
  ...{ name, resource, limit: 100, burst: 0 },
});
const plannedOf = (limit: LimitConfig, more: Partial<PlannedClaim["claim"]> = {}): PlannedClaim => ({
  ...{ quota, limit, subject: "all" },
  claim: { counter: limit.name, window: minute, max: 100, amount: 1, enforced: true, ...more },
});
const stateOf = (used: number, resetMs: number) => ({ used, resetMs, exceeded: false, retryAfterMs: 0 });
const headersOf = (planned: readonly PlannedClaim[], states: ReturnType<typeof stateOf>[], isLocal = false) =>
  Object.fromEntries(rateLimitHeaders(planned, { admitted: true, outputGranted: 0, claims: states }, isLocal));

test("a caller is told of enforced limits that have a window, but not of money", () => {
  const requests = limitOf("Requests", "rpm");
  const month = { type: "Calendar", boundariesMs: [0, 1] } as const;
  const planned = [
    plannedOf(requests),
    plannedOf(limitOf("Cost", "usd")),
    plannedOf(limitOf("TotalTokens", "month"), { window: month }),
    plannedOf(limitOf("Concurrency", "running"), { window: { type: "Concurrency" } }),
    plannedOf(limitOf("Requests", "audit"), { enforced: false }),
  ];
  const states = [stateOf(7, 1_001), stateOf(1, 1), stateOf(130, 90_061_000), stateOf(1, 0), stateOf(99, 1)];
  expect(headersOf(planned, states)).toEqual({
    "ratelimit-policy": '"q/rpm";q=100;w=60, "q/month";q=100',
    ratelimit: '"q/rpm";r=93;t=2, "q/month";r=0;t=90061',
    "x-ratelimit-limit-requests": "100",
    "x-ratelimit-remaining-requests": "93",
    "x-ratelimit-reset-requests": "2s",
    "x-ratelimit-limit-tokens": "100",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-tokens": "25h1m1s",
  });
  // of a share, and with another maximum, the same limit is told anew
  const share = [plannedOf(requests, { max: 10 })];
  expect(headersOf(share, [stateOf(7, 1)], true)["ratelimit-policy"]).toBe('"q/rpm";q=10;w=60;local-share');
  expect(headersOf([plannedOf(requests)], [stateOf(7, 1)])["ratelimit-policy"]).toBe('"q/rpm";q=100;w=60');
});

test.each([
  [0, "0ms"],
  [119.2, "120ms"],
  [1_000, "1s"],
  [59_001, "1m0s"],
  [360_000, "6m0s"],
  [3_600_000, "1h0m0s"],
])("a reset in %d ms is told as %s", (resetMs, text) => {
  const headers = headersOf([plannedOf(limitOf("Requests", "rpm"))], [stateOf(1, resetMs)]);
  expect(headers["x-ratelimit-reset-requests"]).toBe(text);
});

test("of many limits the first eight are listed, and the SDKs' headers are of the one with the least left", () => {
  const planned = Array.from({ length: 12 }, (_, i) => plannedOf(limitOf("Requests", `l${i}`)));
  const headers = headersOf(
    planned,
    planned.map((_, i) => stateOf(i * 5, 1)),
  );
  expect(headers["ratelimit"]?.split(", ")).toHaveLength(8);
  expect(headers["x-ratelimit-remaining-requests"]).toBe("45");
});
