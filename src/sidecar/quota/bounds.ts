/** Refuses what a limit counts and nobody can bound: to let it through would be to spend more than the limit. */
import type { ModelConfig } from "../../config/contract.ts";
import type { LimitConfig, QuotaConfig } from "../../config/quota.ts";
import { type GatewayError, refuse } from "../errors.ts";
import type { Shaped } from "../exchange.ts";
import type { PlannedClaim } from "./plan.ts";

const countsTokens = ({ resource }: LimitConfig): boolean =>
  resource === "InputTokens" || resource === "OutputTokens" || resource === "TotalTokens";

/** Throws price_unknown or usage_unbounded, where an enforced limit counts what has no price or no bound. */
export function checkBounds(planned: readonly PlannedClaim[], { model: name, estimate }: Shaped, model: ModelConfig) {
  const { unbounded, unpriced } = estimate;
  if (model.pricing !== undefined && unbounded === undefined && unpriced === undefined) return;
  for (const { claim, quota, limit } of planned) {
    if (!claim.enforced) continue;
    const isCost = limit.resource === "Cost";
    if (isCost && model.pricing === undefined) throw refuse("price_unknown", name.slice(0, 100));
    if (isCost && unpriced !== undefined) throw unboundedBy(quota, limit, unpriced, unpricedRemedy);
    if (unbounded !== undefined && (isCost || limit.resource === "InputTokens" || limit.resource === "TotalTokens"))
      throw unboundedBy(quota, limit, unbounded, remedyFor(model));
  }
}

/**
 * Throws usage_unbounded for work that costs later and that an enforced limit would have to count, whatever models it names: nobody sees which
 * ones the work will use. A limit that names other endpoints does not count it.
 */
export function checkLater(quotas: readonly QuotaConfig[], { match: { endpoint }, rule }: Shaped): void {
  if (endpoint.later === undefined) return;
  for (const quota of quotas) {
    if (quota.mode !== "Enforce" || quota.rules?.includes(rule.name) === false) continue;
    for (const limit of quota.limits) {
      const counts = limit.resource === "Cost" || (endpoint.later === "tokens" && countsTokens(limit));
      if (!counts || limit.endpoints?.includes(endpoint.name) === false) continue;
      throw unboundedBy(quota, limit, `${endpoint.name}, which costs after the call`, laterRemedy);
    }
  }
}

const laterRemedy = "name the endpoints that it counts in limits[].endpoints of the AIQuota";
const unpricedRemedy = "leave it out of the request, or do not count such models or endpoints in that limit";
const remedyFor = ({ inputTokensMax }: ModelConfig): string =>
  inputTokensMax === undefined
    ? "set spec.models[].inputTokensMax of the AIRoute, which is then held"
    : "leave it out of the request, or send max_tool_calls where it counts the calls of such tools";

const unboundedBy = (quota: QuotaConfig, limit: LimitConfig, what: string, remedy: string): GatewayError =>
  refuse("usage_unbounded", what, `quota ${quota.namespace}/${quota.name}, limit ${limit.name},`, remedy);
