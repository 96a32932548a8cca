/** Headers that tell a caller how much is left. */
import type { LimitConfig, QuotaConfig } from "../../config/quota.ts";
import type { Claim, ClaimState, ReserveResult } from "../ports/quota-store.ts";
import type { PlannedClaim } from "./plan.ts";

/** Most limits that the RateLimit headers list; of more than that, those that are exceeded come first. */
const limitsShownMax = 8;

/** What `flatRateLimitHeaders` makes, as names with their values. */
export function rateLimitHeaders(
  planned: readonly PlannedClaim[],
  result: ReserveResult,
  isLocal = false,
): [string, string][] {
  const flat = flatRateLimitHeaders(planned, result, isLocal);
  const headers: [string, string][] = [];
  for (let at = 0; at < flat.length; at += 2) headers.push([flat[at] ?? "", flat[at + 1] ?? ""]);
  return headers;
}

/**
 * Names and values in turn: `RateLimit-Policy` and `RateLimit` (IETF draft-ietf-httpapi-ratelimit-headers-10): q quota, w window in s, r remaining,
 * t seconds until it resets. Enforced limits with a window, as they stand with this request counted. `isLocal`: they are this sidecar's
 * shares, which the parameter `local-share` says.
 */
export function flatRateLimitHeaders(
  planned: readonly PlannedClaim[],
  result: ReserveResult,
  isLocal = false,
): readonly string[] {
  const order = planned.length > limitsShownMax ? exceededFirst(planned, result) : undefined;
  const policies: string[] = [];
  let first: Words | undefined;
  let states = "";
  for (let i = 0; i < planned.length && policies.length < limitsShownMax; i++) {
    const index = order?.[i] ?? i;
    const one = planned[index];
    const state = result.claims[index];
    if (!one || !state || !isListed(one, state)) continue;
    const words = wordsOf(one);
    const left = Math.max(0, one.claim.max - state.used);
    states += `${first ? ", " : ""}${words.name};r=${left};t=${Math.ceil(state.resetMs / 1000)}`;
    policies.push(words.policy);
    first ??= words;
  }
  if (first === undefined) return [];
  const headers = ["ratelimit-policy", joined(first, policies, isLocal), "ratelimit", states];
  addOpenaiHeaders(headers, "requests", planned, result);
  addOpenaiHeaders(headers, "tokens", planned, result);
  return headers;
}

const isListed = (one: PlannedClaim, state: ClaimState): boolean =>
  !state.isUnseen && isShown(one) && one.limit.resource !== "Cost";

/** Where the claims stand that are listed, the exceeded ones before the others; undefined: all have room in the list. */
function exceededFirst(planned: readonly PlannedClaim[], { claims }: ReserveResult): readonly number[] | undefined {
  const exceeded: number[] = [];
  const others: number[] = [];
  for (const [index, one] of planned.entries()) {
    const state = claims[index];
    if (state && isListed(one, state)) (state.exceeded ? exceeded : others).push(index);
  }
  return exceeded.length + others.length > limitsShownMax ? [...exceeded, ...others] : undefined;
}

/** Enforced, and of a window that ends. */
const isShown = ({ claim }: PlannedClaim): boolean => claim.enforced && claim.window.type !== "Concurrency";

/** What stays the same from request to request. */
interface Words {
  readonly quota: QuotaConfig;
  readonly max: number;
  readonly name: string;
  readonly policy: string;
  /** The last list of policies that began with this one. */
  last: { readonly of: readonly string[]; readonly isLocal: boolean; readonly text: string } | undefined;
}
const known = new WeakMap<LimitConfig, Words>();

const wordsOf = ({ quota, limit, claim }: PlannedClaim): Words => {
  const before = known.get(limit);
  if (before?.quota === quota && before.max === claim.max) return before;
  const name = `"${quota.name}/${limit.name}"`;
  const policy = `${name};q=${claim.max}${windowParameter(claim)}`;
  const words = { quota, max: claim.max, name, policy, last: undefined };
  known.set(limit, words);
  return words;
};

/** The policies as one text: the same while they are the same. */
const joined = (first: Words, policies: readonly string[], isLocal: boolean): string => {
  const { last } = first;
  const isSame = last?.isLocal === isLocal && last.of.length === policies.length;
  if (isSame && last.of.every((policy, i) => policy === policies[i])) return last.text;
  const text = policies.map((policy) => `${policy}${isLocal ? ";local-share" : ""}`).join(", ");
  first.last = { of: policies, isLocal, text };
  return text;
};

const windowParameter = ({ window }: Claim): string =>
  window.type === "Sliding" || window.type === "Fixed" ? `;w=${window.durationMs / 1000}` : "";

/**
 * `x-ratelimit-limit-requests` and its like, which the SDKs' users know from OpenAI: of the limit that has least left. They stand in place of
 * the provider's, which are of the whole account.
 */
function addOpenaiHeaders(
  headers: string[],
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
  headers.push(limitName, String(max), remainingName, String(least), resetName, durationText(resetMs));
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
