/** What a caller is told of the quotas: the 429 that names quota, limit, subject and reset, and the RateLimit headers. */
import type { LimitConfig } from "../../config/contract.ts";
import { GatewayError, retryAfterMsMax } from "../errors.ts";
import type { ClaimState, ReserveResult } from "../ports/quota-store.ts";
import type { PlannedClaim } from "./plan.ts";

const dollars = (nano: number): string => (nano / 1e9).toFixed(nano % 1e7 === 0 ? 2 : 6);
const amountText = (limit: LimitConfig, amount: number): string =>
  limit.resource === "Cost" ? `${dollars(amount)} USD` : `${Math.ceil(amount)} ${unit[limit.resource]}`;
const unit: Record<LimitConfig["resource"], string> = {
  Requests: "requests",
  InputTokens: "input tokens",
  OutputTokens: "output tokens",
  TotalTokens: "tokens",
  Cost: "USD",
  Concurrency: "requests at once",
};
const secondsText = (ms: number): string => (Number.isFinite(ms) ? `${Math.max(1, Math.ceil(ms / 1000))} s` : "never");

function windowText(limit: LimitConfig): string {
  const window = limit.window;
  if (window === undefined) return "";
  if (window.type === "Calendar")
    return ` per ${(window.period ?? "Month").toLowerCase()} (${window.timeZone ?? "UTC"})`;
  return ` per ${(window.durationMs ?? 0) / 1000} s`;
}

/** A concurrency limit frees when any request ends: nobody knows when, so the client is told to ask again soon, in ms. */
const concurrencyRetryMs = 1_000;

/** The refusal for the claim that has to wait longest. `outputTokensMin`: the least output that was asked for. */
export function quotaRefusal(
  planned: readonly PlannedClaim[],
  result: ReserveResult,
  outputTokensMin: number,
): GatewayError {
  let worst: { claim: PlannedClaim; state: ClaimState } | undefined;
  for (const [i, claim] of planned.entries()) {
    const state = result.claims[i];
    if (!state?.exceeded || !claim.claim.enforced) continue;
    if (!worst || state.retryAfterMs > worst.state.retryAfterMs) worst = { claim, state };
  }
  if (!worst) return new GatewayError("rate_limit_exceeded", ["a quota refused"], { retryAfterMs: 1000 });
  const { claim, state } = worst;
  const { quota, limit, subject } = claim;
  const amount = Math.ceil(claim.claim.amount + (claim.claim.perOutput ?? 0) * outputTokensMin);
  const head = `quota ${quota.namespace}/${quota.name}, limit ${limit.name} (${amountText(limit, claim.claim.max)}${windowText(limit)}) for ${subject}`;
  const figures = `used ${amountText(limit, state.used)}, this request needs at least ${amountText(limit, amount)}`;
  if (!Number.isFinite(state.retryAfterMs))
    return new GatewayError("request_too_large_for_limit", [`${head}; ${figures}.`]);
  if (limit.resource === "Concurrency") {
    return new GatewayError("rate_limit_exceeded", [`${head}; ${figures}.`], { retryAfterMs: concurrencyRetryMs });
  }
  const words = [`${head}; ${figures}; resets in ${secondsText(state.retryAfterMs)}.`];
  const isBudget =
    limit.resource === "Cost" || (limit.window?.type !== "Sliding" && state.retryAfterMs > retryAfterMsMax);
  return new GatewayError(isBudget ? "insufficient_quota" : "rate_limit_exceeded", words, {
    retryAfterMs: state.retryAfterMs,
  });
}

/** Most limits that the RateLimit headers list. */
const limitsShownMax = 8;

/**
 * `RateLimit-Policy` and `RateLimit` (IETF draft-ietf-httpapi-ratelimit-headers-10): q quota, w window in s, r remaining,
 * t seconds until it resets. Enforced limits with a window, as they stand with this request counted.
 */
export function rateLimitHeaders(planned: readonly PlannedClaim[], result: ReserveResult): [string, string][] {
  const policies: string[] = [];
  const states: string[] = [];
  for (const [i, { quota, limit, claim }] of planned.entries()) {
    const state = result.claims[i];
    if (!state || !claim.enforced || claim.window.type === "Concurrency" || limit.resource === "Cost") continue;
    if (policies.length >= limitsShownMax) break;
    const window = claim.window.type === "Calendar" ? "" : `;w=${claim.window.durationMs / 1000}`;
    policies.push(`"${quota.name}/${limit.name}";q=${claim.max}${window}`);
    states.push(
      `"${quota.name}/${limit.name}";r=${Math.max(0, claim.max - state.used)};t=${Math.ceil(state.resetMs / 1000)}`,
    );
  }
  if (policies.length === 0) return [];
  return [
    ["ratelimit-policy", policies.join(", ")],
    ["ratelimit", states.join(", ")],
  ];
}
