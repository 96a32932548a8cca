import { expect, test } from "vitest";
import { quotaSchema } from "../../config/quota.ts";
import { unseenClaim } from "../ports/quota-store.ts";
import type { PlannedClaim } from "./plan.ts";
import { flatRateLimitHeaders, rateLimitHeaders } from "./rate-limit-headers.ts";

const plannedOf = (resource: "Requests" | "TotalTokens", limitOf: number, name = "q"): PlannedClaim => {
  const quota = quotaSchema.parse({
    ...{ namespace: "team", name, mode: "Enforce", failurePolicy: "Deny", per: [] },
    limits: [{ name: resource, resource, limit: limitOf, burst: 0, window: { type: "Fixed", durationMs: 60_000 } }],
    reservation: { output: "Cap", leaseMs: 60_000, onUnknownUsage: "ChargeReserved" },
  });
  const [limit] = quota.limits;
  if (!limit) throw new Error("it has one");
  const window = { type: "Fixed", durationMs: 60_000 } as const;
  const claim = { counter: `team/q/${resource}/all`, window, max: limitOf, amount: 1, enforced: true };
  return { quota, limit, subject: "all", claim };
};
const planned = [plannedOf("Requests", 10), plannedOf("TotalTokens", 1_000)];
const spent = { used: 10, resetMs: 30_000, exceeded: true, retryAfterMs: 30_000 };

test("what is left of each limit is told, and of requests and tokens as OpenAI tells it", () => {
  const claims = [spent, { used: 400, resetMs: 90_000, exceeded: false, retryAfterMs: 0 }];
  expect(Object.fromEntries(rateLimitHeaders(planned, { admitted: false, outputGranted: 0, claims }))).toEqual({
    "ratelimit-policy": '"q/Requests";q=10;w=60, "q/TotalTokens";q=1000;w=60',
    ratelimit: '"q/Requests";r=0;t=30, "q/TotalTokens";r=600;t=90',
    "x-ratelimit-limit-requests": "10",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "30s",
    "x-ratelimit-limit-tokens": "1000",
    "x-ratelimit-remaining-tokens": "600",
    "x-ratelimit-reset-tokens": "1m30s",
  });
});

test("of a limit that nobody looked at nothing is told: it may be full", () => {
  const claims = [spent, unseenClaim];
  const names = rateLimitHeaders(planned, { admitted: false, outputGranted: 0, claims });
  expect(Object.fromEntries(names)).toEqual({
    "ratelimit-policy": '"q/Requests";q=10;w=60',
    ratelimit: '"q/Requests";r=0;t=30',
    "x-ratelimit-limit-requests": "10",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "30s",
  });
});

const roomy = { used: 0, resetMs: 60_000, exceeded: false, retryAfterMs: 0 };
const namesIn = (list: string | undefined): string[] => (list ?? "").split(", ").map((one) => one.split(";")[0] ?? "");

test("of more than eight limits those that are exceeded are told first, and of eight each in its place", () => {
  const many = Array.from({ length: 10 }, (_, i) => plannedOf("Requests", 10, `q${i}`));
  const told = (count: number): string[][] => {
    const some = many.slice(0, count);
    const claims = some.map((_, i) => (i === count - 1 || i === 3 ? spent : roomy));
    const headers = Object.fromEntries(rateLimitHeaders(some, { admitted: false, outputGranted: 0, claims }));
    return [namesIn(headers["ratelimit-policy"]), namesIn(headers["ratelimit"])];
  };
  const names = (...numbers: number[]): string[] => numbers.map((number) => `"q${number}/Requests"`);
  expect(told(10)).toEqual([names(3, 9, 0, 1, 2, 4, 5, 6), names(3, 9, 0, 1, 2, 4, 5, 6)]);
  expect(told(8)).toEqual([names(0, 1, 2, 3, 4, 5, 6, 7), names(0, 1, 2, 3, 4, 5, 6, 7)]);
});

test("the policies are those of this request's limits, whichever were told before", () => {
  const policy = (list: readonly PlannedClaim[], isLocal = false): string | undefined => {
    const result = { admitted: true, outputGranted: 0, claims: list.map(() => roomy) };
    expect(rateLimitHeaders(list, result, isLocal).flat()).toEqual(flatRateLimitHeaders(list, result, isLocal));
    return flatRateLimitHeaders(list, result, isLocal)[1];
  };
  const [requests, tokens] = planned;
  if (!requests || !tokens) throw new Error("there are two");
  const raised = { ...requests, claim: { ...requests.claim, max: 20 } };
  const fewer = { ...tokens, claim: { ...tokens.claim, max: 500 } };
  const both = '"q/Requests";q=10;w=60, "q/TotalTokens";q=1000;w=60';
  for (const _round of [1, 2]) {
    expect(policy(planned)).toBe(both);
    expect(policy([requests, fewer])).toBe(both.replace("1000", "500"));
    expect(policy([requests])).toBe('"q/Requests";q=10;w=60');
    expect(policy([raised, tokens])).toBe(both.replace("q=10;", "q=20;"));
    expect(policy(planned, true)).toBe(both.replaceAll("w=60", "w=60;local-share"));
  }
});
