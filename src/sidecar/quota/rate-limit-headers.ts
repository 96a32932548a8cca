/** Headers that tell a caller how much is left. */
import type { LimitConfig, QuotaConfig } from "../../config/quota.ts";
import type { Claim, ReserveResult } from "../ports/quota-store.ts";
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
  let policies = "";
  let states = "";
  let shown = 0;
  for (let i = 0; i < planned.length && shown < limitsShownMax; i++) {
    const one = planned[i];
    const state = result.claims[i];
    if (!one || !state || state.isUnseen || !isShown(one) || one.limit.resource === "Cost") continue;
    const { name, policy } = wordsOf(one);
    const separator = shown === 0 ? "" : ", ";
    policies += `${separator}${policy}${isLocal ? ";local-share" : ""}`;
    states += `${separator}${name};r=${Math.max(0, one.claim.max - state.used)};t=${Math.ceil(state.resetMs / 1000)}`;
    shown++;
  }
  if (shown === 0) return [];
  const headers: [string, string][] = [
    ["ratelimit-policy", policies],
    ["ratelimit", states],
  ];
  addOpenaiHeaders(headers, "requests", planned, result);
  addOpenaiHeaders(headers, "tokens", planned, result);
  return headers;
}

/** Enforced, and of a window that ends. */
const isShown = ({ claim }: PlannedClaim): boolean => claim.enforced && claim.window.type !== "Concurrency";

/** What stays the same from request to request. */
interface Words {
  readonly quota: QuotaConfig;
  readonly max: number;
  readonly name: string;
  readonly policy: string;
}
const known = new WeakMap<LimitConfig, Words>();

const wordsOf = ({ quota, limit, claim }: PlannedClaim): Words => {
  const before = known.get(limit);
  if (before?.quota === quota && before.max === claim.max) return before;
  const name = `"${quota.name}/${limit.name}"`;
  const words = { quota, max: claim.max, name, policy: `${name};q=${claim.max}${windowParameter(claim)}` };
  known.set(limit, words);
  return words;
};

const windowParameter = ({ window }: Claim): string =>
  window.type === "Sliding" || window.type === "Fixed" ? `;w=${window.durationMs / 1000}` : "";

/**
 * `x-ratelimit-limit-requests` and its like, which the SDKs' users know from OpenAI: of the limit that has least left. They stand in place of
 * the provider's, which are of the whole account.
 */
function addOpenaiHeaders(
  headers: [string, string][],
  unit: "requests" | "tokens",
  planned: readonly PlannedClaim[],
  { claims }: ReserveResult,
): void {
  let [max, least, resetMs] = [0, Number.POSITIVE_INFINITY, 0];
  for (let i = 0; i < planned.length; i++) {
    const one = planned[i];
    const state = claims[i];
    if (!one || !state || state.isUnseen || !isShown(one) || units[one.limit.resource] !== unit) continue;
    const left = Math.max(0, one.claim.max - state.used);
    if (left < least) [max, least, resetMs] = [one.claim.max, left, state.resetMs];
  }
  if (least === Number.POSITIVE_INFINITY) return;
  const [limitName, remainingName, resetName] = openaiNames[unit];
  headers.push([limitName, String(max)], [remainingName, String(least)], [resetName, durationText(resetMs)]);
}

const openaiNames = {
  requests: ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
  tokens: ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
} as const;

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
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  if (hours > 0) return `${hours}h${minutes}m${seconds % 60}s`;
  return minutes > 0 ? `${minutes}m${seconds % 60}s` : `${seconds}s`;
}
