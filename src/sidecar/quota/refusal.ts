/** What a caller is told who is refused: the 429 that names quota, limit, window, subject and reset. */
import type { LimitConfig } from "../../config/quota.ts";
import { subjectText } from "../../redis/subject-text.ts";
import { GatewayError, retryAfterMsMax } from "../errors.ts";
import type { Claim, ClaimState, ReserveResult } from "../ports/quota-store.ts";
import type { PlannedClaim } from "./plan.ts";
import { rateLimitHeaders } from "./rate-limit-headers.ts";

const dollars = (nano: number): string => (nano / 1e9).toFixed(nano % 1e7 === 0 ? 2 : 6);
/** An amount with its unit: `600 requests`. */
export const amountText = (limit: LimitConfig, amount: number): string =>
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

/** The window of a limit: ` per 60 s`; nothing for Concurrency. */
export function windowText(limit: LimitConfig): string {
  const window = limit.window;
  if (window === undefined) return "";
  if (window.type === "Calendar")
    return ` per ${(window.period ?? "Month").toLowerCase()} (${window.timeZone ?? "UTC"})`;
  return ` per ${(window.durationMs ?? 0) / 1000} s`;
}

/** A concurrency limit frees when any request ends: nobody knows when, so the client is told to ask again soon, in ms. */
const concurrencyRetryMs = 1_000;

/** How long a claim that refuses has to wait, ms, as clients are told; Infinity: it never fits. 0: it does not refuse. */
export const refusalWaitMs = ({ enforced, window }: Claim, state: ClaimState | undefined): number => {
  if (!state?.exceeded || !enforced) return 0;
  const isUnknown = window.type === "Concurrency" && Number.isFinite(state.retryAfterMs);
  return isUnknown ? concurrencyRetryMs : state.retryAfterMs;
};

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
  const headers = rateLimitHeaders(planned, result);
  const amount = Math.ceil(claim.claim.amount + (claim.claim.perOutput ?? 0) * outputTokensMin);
  const head = `quota ${quota.namespace}/${quota.name}, limit ${limit.name} (${amountText(limit, claim.claim.max)}${windowText(limit)}) for ${subjectText(subject)}`;
  const figures = `used ${amountText(limit, state.used)}, this request needs at least ${amountText(limit, amount)}`;
  if (!Number.isFinite(state.retryAfterMs))
    return new GatewayError("request_too_large_for_limit", [`${head}; ${figures}.`], { headers });
  if (limit.resource === "Concurrency") {
    const retryAfterMs = concurrencyRetryMs;
    return new GatewayError("rate_limit_exceeded", [`${head}; ${figures}.`], { retryAfterMs, headers });
  }
  const words = [`${head}; ${figures}; resets in ${secondsText(state.retryAfterMs)}.`];
  const isBudget =
    limit.resource === "Cost" || (limit.window?.type !== "Sliding" && state.retryAfterMs > retryAfterMsMax);
  return new GatewayError(isBudget ? "insufficient_quota" : "rate_limit_exceeded", words, {
    retryAfterMs: state.retryAfterMs,
    headers,
  });
}
