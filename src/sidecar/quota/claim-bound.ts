/** Keeps a request's claims within what one reservation takes. */
import { refuse } from "../errors.ts";
import type { SidecarMetrics } from "../metrics.ts";
import { claimsMax } from "../stores/claims.ts";
import type { PlannedClaim } from "./plan.ts";

/**
 * The claims, if they are few enough. Refuses a request that meets more limits than can be reserved at once, counting each group of its
 * caller: to leave one out would be to pass it by. Claims of quotas in mode Audit are left out, from the end, and counted as such.
 */
export const boundClaims = (
  planned: readonly PlannedClaim[],
  metrics: Pick<SidecarMetrics, "quotaDecision">,
): readonly PlannedClaim[] => {
  if (planned.length <= claimsMax) return planned;
  const enforced = planned.filter(({ claim }) => claim.enforced).length;
  if (enforced > claimsMax) throw refuse("too_many_limits", String(enforced), String(claimsMax));
  let room = claimsMax - enforced;
  return planned.filter(({ claim, quota, limit }) => {
    if (claim.enforced) return true;
    room--;
    if (room < 0) metrics.quotaDecision(quota, limit.name, "not_counted");
    return room >= 0;
  });
};
