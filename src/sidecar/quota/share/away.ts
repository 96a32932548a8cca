/** What becomes of a request that meets a store that is away: each quota's `failurePolicy` decides. */

import { subjectText } from "../../../redis/subject-text.ts";
import { GatewayError } from "../../errors.ts";
import type { Shaped } from "../../exchange.ts";
import type { SidecarMetrics } from "../../metrics.ts";
import type { ReserveRequest } from "../../ports/quota-store.ts";
import type { StoreUnavailable } from "../../ports/store-unavailable.ts";
import type { PlannedClaim } from "../plan.ts";
import { rateLimitHeaders } from "../rate-limit-headers.ts";
import { amountText, windowText } from "../refusal.ts";
import type { LocalDecision, LocalShares } from "./local-shares.ts";

/** What the decision needs. `random`: 0 to below 1. */
export interface AwayDeps {
  readonly shares: LocalShares;
  readonly metrics: Pick<SidecarMetrics, "quotaUnenforced">;
  readonly random: () => number;
}

/** When to ask again, in ms: 1 to 5 s, spread, so that not all come back at once. */
const askAgainMs = (random: () => number): number => 1000 + Math.floor(random() * 4000);

/**
 * One quota that denies is enough to refuse. Then all LocalShare quotas decide by this sidecar's shares; those that allow count nothing.
 * undefined: nothing counts the request. Throws GatewayError `quota_store_unavailable`.
 */
export const whileAway = (
  { shares, metrics, random }: AwayDeps,
  exchange: Pick<Shaped, "identity" | "call">,
  planned: readonly PlannedClaim[],
  asked: {
    readonly cause: StoreUnavailable;
    readonly leaseMs: number;
    readonly output: NonNullable<ReserveRequest["output"]>;
  },
): LocalDecision | undefined => {
  const { cause, leaseMs, output } = asked;
  if (planned.some(({ quota }) => quota.mode === "Enforce" && quota.failurePolicy === "Deny")) {
    metrics.quotaUnenforced("denied");
    throw new GatewayError("quota_store_unavailable", [], { cause, retryAfterMs: askAgainMs(random) });
  }
  const isLocal = planned.some(({ quota }) => quota.mode === "Enforce" && quota.failurePolicy === "LocalShare");
  exchange.call.isUnenforced = !isLocal || planned.some(({ claim, quota }) => claim.enforced && isOpen(quota));
  exchange.call.isLocalShare = isLocal;
  const decision = planned.some(isShared)
    ? shares.admit({ namespace: exchange.identity.namespace, leaseMs, planned, output })
    : undefined;
  const isAdmitted = decision?.result.admitted === true;
  if (isLocal) metrics.quotaUnenforced(isAdmitted ? "local_admitted" : "local_refused");
  else metrics.quotaUnenforced("allowed");
  return isLocal || isAdmitted ? decision : undefined; // where the ledger is full a quota in mode Audit counts no more; it refuses nobody
};

const isShared = ({ quota }: PlannedClaim): boolean => quota.failurePolicy === "LocalShare";
const isOpen = ({ failurePolicy }: PlannedClaim["quota"]): boolean => failurePolicy === "Allow";

/** Says that it is the share that is spent, not the limit. Always to be repeated: the store may be back at any moment. */
export const shareRefusal = (
  { planned, result }: Pick<LocalDecision, "planned" | "result">,
  limits: readonly PlannedClaim[],
  outputTokensMin: number,
  random: () => number,
): GatewayError => {
  const index = planned.findIndex(({ claim }, at) => claim.enforced && result.claims[at]?.exceeded);
  const [refusing, state] = [planned[index], result.claims[index]];
  const how = { retryAfterMs: askAgainMs(random), headers: rateLimitHeaders(planned, result, true) };
  if (!refusing || !state) {
    const words = "too many requests run that the quota store does not know of, as it is away";
    return new GatewayError("rate_limit_exceeded", [words], how);
  }
  const { quota, limit, claim, subject } = refusing;
  const whole = limits.find((each) => each.claim.counter === claim.counter)?.claim.max ?? claim.max;
  const amount = claim.amount + (claim.perOutput ?? 0) * outputTokensMin;
  const words = [
    `quota ${quota.namespace}/${quota.name}, limit ${limit.name}: while the quota store is away,`,
    `this sidecar's share of ${amountText(limit, whole)}${windowText(limit)} for ${subjectText(subject)} is ${amountText(limit, claim.max)};`,
    `used ${amountText(limit, state.used)}, this request needs at least ${amountText(limit, amount)}.`,
  ];
  return new GatewayError("rate_limit_exceeded", [words.join(" ")], how);
};
