/** Headers that tell a caller how much is left. */
import type { LimitConfig } from "../../config/quota.ts";
import type { ReserveResult } from "../ports/quota-store.ts";
import type { PlannedClaim } from "./plan.ts";

/** Most limits that the RateLimit headers list. */
const limitsShownMax = 8;

/**
 * `RateLimit-Policy` and `RateLimit` (IETF draft-ietf-httpapi-ratelimit-headers-10): q quota, w window in s, r remaining,
 * t seconds until it resets. Enforced limits with a window, as they stand with this request counted. `isLocal`: they are this sidecar's
 * shares, which the parameter `local-share` says.
 */
export function rateLimitHeaders(
  planned: readonly PlannedClaim[],
  result: ReserveResult,
  isLocal = false,
): [string, string][] {
  const policies: string[] = [];
  const states: string[] = [];
  for (const [i, { quota, limit, claim }] of planned.entries()) {
    const state = result.claims[i];
    if (!state || !claim.enforced || claim.window.type === "Concurrency" || limit.resource === "Cost") continue;
    if (policies.length >= limitsShownMax) break;
    const window = claim.window.type === "Calendar" ? "" : `;w=${claim.window.durationMs / 1000}`;
    policies.push(`"${quota.name}/${limit.name}";q=${claim.max}${window}${isLocal ? ";local-share" : ""}`);
    states.push(
      `"${quota.name}/${limit.name}";r=${Math.max(0, claim.max - state.used)};t=${Math.ceil(state.resetMs / 1000)}`,
    );
  }
  if (policies.length === 0) return [];
  return [
    ["ratelimit-policy", policies.join(", ")],
    ["ratelimit", states.join(", ")],
    ...openaiHeaders("requests", planned, result),
    ...openaiHeaders("tokens", planned, result),
  ];
}

/**
 * `x-ratelimit-limit-requests` and its like, which the SDKs' users know from OpenAI: of the limit that has least left. They stand in place of
 * the provider's, which are of the whole account.
 */
function openaiHeaders(
  unit: "requests" | "tokens",
  planned: readonly PlannedClaim[],
  { claims }: ReserveResult,
): [string, string][] {
  let least: { max: number; left: number; resetMs: number } | undefined;
  for (const [i, { limit, claim }] of planned.entries()) {
    const state = claims[i];
    if (!state || !claim.enforced || claim.window.type === "Concurrency" || units[limit.resource] !== unit) continue;
    const left = Math.max(0, claim.max - state.used);
    if (least === undefined || left < least.left) least = { max: claim.max, left, resetMs: state.resetMs };
  }
  if (least === undefined) return [];
  return [
    [`x-ratelimit-limit-${unit}`, String(least.max)],
    [`x-ratelimit-remaining-${unit}`, String(least.left)],
    [`x-ratelimit-reset-${unit}`, durationText(least.resetMs)],
  ];
}

const units: Readonly<Partial<Record<LimitConfig["resource"], "requests" | "tokens">>> = {
  Requests: "requests",
  InputTokens: "tokens",
  OutputTokens: "tokens",
  TotalTokens: "tokens",
};

/** As OpenAI writes it: `120ms`, `6m0s`. */
function durationText(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.ceil(ms))}ms`;
  const seconds = Math.ceil(ms / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 3600), "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  return parts
    .slice(first)
    .map(([value, unit]) => `${value}${unit}`)
    .join("");
}
