import { expect, test } from "vitest";
import { quotaSchema } from "../../config/quota.ts";
import { unseenClaim } from "../ports/quota-store.ts";
import type { PlannedClaim } from "./plan.ts";
import { rateLimitHeaders } from "./rate-limit-headers.ts";

const plannedOf = (resource: "Requests" | "TotalTokens", limitOf: number): PlannedClaim => {
  const quota = quotaSchema.parse({
    ...{ namespace: "team", name: "q", mode: "Enforce", failurePolicy: "Deny", per: [] },
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
