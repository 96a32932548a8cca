/**
 * Stage 6: reserves every quota that applies and looks the cache up, both in one round trip. What it took it gives back in
 * here: settled at what the call really cost, released when nothing was called.
 */
import type { ModelConfig, QuotaConfig, RouteConfig } from "../../config/contract.ts";
import { unknownModel } from "../../config/model-defaults.ts";
import { type CachePlan, planCache } from "../cache/plan.ts";
import type { CachedAnswer, CacheSeal } from "../cache/seal.ts";
import { GatewayError, refuse } from "../errors.ts";
import { type Admitted, type CacheableAnswer, know, type Shaped } from "../exchange.ts";
import type { SidecarMetrics } from "../metrics.ts";
import type { CacheStore } from "../ports/cache-store.ts";
import type { QuotaStore, ReserveResult } from "../ports/quota-store.ts";
import { StoreUnavailable } from "../ports/store-unavailable.ts";
import type { LeaseKeeper } from "../quota/leases.ts";
import { actualAmount, type PlannedClaim, planClaims } from "../quota/plan.ts";
import { quotaRefusal, rateLimitHeaders } from "../quota/refusal.ts";
import type { Settler } from "../quota/settler.ts";
import type { Stage } from "../stage.ts";
import { sendCached } from "./cached-answer.ts";

/** Smallest output that is worth a call, in tokens, when the client named no maximum and a quota is nearly spent. */
export const outputGrantTokensMin = 16;

/** What admit needs. `random`: 0 to below 1, spreads the waits that refused clients are told. */
export interface AdmitDeps {
  readonly route: RouteConfig;
  readonly quotas: readonly QuotaConfig[];
  readonly quotaStore: QuotaStore;
  readonly cacheStore: CacheStore;
  readonly seal: CacheSeal;
  readonly settler: Settler;
  readonly leases: LeaseKeeper;
  readonly metrics: SidecarMetrics;
  readonly random: () => number;
}

/** Refuses with 429 when a quota has no room; answers from the cache; else hands on with everything held. */
export const admit =
  (deps: AdmitDeps): Stage<Shaped, Admitted> =>
  (next) =>
  async (exchange) => {
    const model = deps.route.models[exchange.model] ?? unknownModel;
    const planned = planClaims(deps.quotas, exchange, model);
    checkPrices(planned, exchange, model);
    const plan = planCache(exchange, deps.route, deps.seal);
    // both are asked in one tick, so both travel in one write; neither waits for the other
    const reserving = planned.length === 0 ? undefined : reserve(deps, exchange, planned);
    const looking = plan?.control.lookUp === true ? lookUp(deps, plan, exchange) : undefined;
    const [result, found] = await Promise.all([reserving, looking]);
    if (result && !result.admitted) throw refused(deps, exchange, planned, result);
    if (result) {
      holdUntilEnd(deps, exchange, planned, result, model);
      exchange.answerHeaders.push(...rateLimitHeaders(planned, result));
    }
    if (plan) exchange.answerHeaders.push(["cache-status", cacheStatus(plan, found)]);
    if (found && plan) {
      sendCached(exchange, found);
      return undefined;
    }
    if (plan?.control.onlyIfCached) throw refuse("not_in_cache");
    const fillCache = plan?.control.store ? filler(deps, plan, exchange) : undefined;
    return next(know(exchange, { fillCache, sendOutputCap: capToSend(exchange, planned, result) }));
  };

function checkPrices(planned: readonly PlannedClaim[], exchange: Shaped, model: ModelConfig): void {
  if (model.pricing === undefined && planned.some((p) => p.limit.resource === "Cost" && p.claim.enforced)) {
    throw refuse("price_unknown", exchange.model.slice(0, 100));
  }
}

/** The least output that a hold must cover, in tokens. */
function outputMinOf({ estimate }: Shaped, planned: readonly PlannedClaim[]): number {
  const flexible = !estimate.capAsked && planned.every((p) => p.quota.reservation.output === "Cap");
  const least = Math.min(outputGrantTokensMin, estimate.outputCap) * estimate.choices;
  // where no tokens are counted nothing is held, whatever the model could write
  return flexible ? Math.min(least, estimate.outputTokens) : estimate.outputTokens;
}

/** undefined: the store is away and every quota that applies allows that. */
async function reserve(
  deps: AdmitDeps,
  exchange: Shaped,
  planned: readonly PlannedClaim[],
): Promise<ReserveResult | undefined> {
  const { estimate } = exchange;
  const min = outputMinOf(exchange, planned);
  try {
    return await deps.quotaStore.reserve({
      namespace: exchange.identity.namespace,
      holdId: exchange.id,
      leaseMs: leaseOf(planned),
      claims: planned.map((p) => p.claim),
      output: { wanted: estimate.outputTokens, min, step: estimate.choices },
    });
  } catch (cause) {
    if (!(cause instanceof StoreUnavailable)) throw cause;
    const denies = planned.find((p) => p.quota.mode === "Enforce" && p.quota.failurePolicy === "Deny");
    deps.metrics.quotaUnenforced(denies ? "denied" : "allowed");
    // 1 to 5 s, spread, so that all sidecars do not come back at once
    if (denies)
      throw new GatewayError("quota_store_unavailable", [], {
        cause,
        retryAfterMs: 1000 + Math.floor(deps.random() * 4000),
      });
    exchange.call.isUnenforced = true;
    return undefined;
  }
}

const leaseOf = (planned: readonly PlannedClaim[]): number =>
  Math.min(...planned.map((p) => p.quota.reservation.leaseMs));

function refused(
  deps: AdmitDeps,
  exchange: Shaped,
  planned: readonly PlannedClaim[],
  result: ReserveResult,
): GatewayError {
  for (const [i, p] of planned.entries()) {
    if (result.claims[i]?.exceeded && p.claim.enforced) deps.metrics.quotaDecision(p.quota, p.limit.name, "refused");
  }
  return quotaRefusal(planned, result, outputMinOf(exchange, planned));
}

/** Keeps the hold alive while the request runs, and settles or releases it when it ends. */
function holdUntilEnd(
  deps: AdmitDeps,
  exchange: Shaped,
  planned: readonly PlannedClaim[],
  result: ReserveResult,
  model: ModelConfig,
): void {
  const namespace = exchange.identity.namespace;
  const held = { input: exchange.estimate.inputTokens, output: result.outputGranted };
  for (const [i, p] of planned.entries()) {
    if (result.claims[i]?.exceeded) deps.metrics.quotaDecision(p.quota, p.limit.name, "would_refuse");
  }
  deps.leases.keep(namespace, exchange.id, leaseOf(planned));
  exchange.onEnd((ending) => {
    deps.leases.drop(exchange.id);
    if (ending.outcome === "refused") deps.settler.release(namespace, exchange.id);
    else
      deps.settler.settle({
        namespace,
        holdId: exchange.id,
        amounts: planned.map((p) => actualAmount(p, ending, held, model)),
      });
  });
}

/** The cap that keeps the output within what was held; absent when the client's own maximum does, or no quota counts output. */
function capToSend(
  exchange: Shaped,
  planned: readonly PlannedClaim[],
  result: ReserveResult | undefined,
): number | undefined {
  const { estimate } = exchange;
  if (estimate.capAsked) return undefined;
  const counted = planned.some((p) => (p.claim.perOutput ?? 0) > 0 && p.quota.reservation.output === "Cap");
  if (counted && result) return Math.max(1, Math.floor(result.outputGranted / estimate.choices));
  return estimate.capWanted ? estimate.outputCap : undefined;
}

async function lookUp(
  deps: AdmitDeps,
  plan: CachePlan,
  exchange: Shaped,
): Promise<(CachedAnswer & { ageMs: number; ttlMs: number }) | undefined> {
  try {
    const entry = await deps.cacheStore.get(exchange.identity.namespace, plan.name);
    const answer = entry && deps.seal.open(plan.name, entry);
    const ageMs = answer ? Math.max(0, exchange.clock.nowMs() - answer.storedAtMs) : 0;
    const isHit = answer !== undefined && ageMs <= plan.control.maxAgeMs && ageMs < plan.ttlMs;
    deps.metrics.cacheLookup(isHit ? "hit" : "miss");
    return isHit ? { ...answer, ageMs, ttlMs: plan.ttlMs } : undefined;
  } catch (fault) {
    if (!(fault instanceof StoreUnavailable)) throw fault;
    deps.metrics.cacheLookup("unavailable"); // the cache is skipped, the call goes on
    return undefined;
  }
}

/** RFC 9211. */
function cacheStatus(plan: CachePlan, found: { ageMs: number } | undefined): string {
  if (found) return `sidegate; hit; ttl=${Math.floor((plan.ttlMs - found.ageMs) / 1000)}`;
  return plan.control.lookUp ? "sidegate; fwd=uri-miss" : "sidegate; fwd=request";
}

function filler(deps: AdmitDeps, plan: CachePlan, exchange: Shaped): (answer: CacheableAnswer) => void {
  return (answer) => {
    const sealed = deps.seal.seal(plan.name, { ...answer, storedAtMs: exchange.clock.nowMs() });
    deps.cacheStore.put(exchange.identity.namespace, plan.name, sealed, plan.ttlMs).catch((fault: unknown) => {
      deps.metrics.cacheLookup(fault instanceof StoreUnavailable ? "unavailable" : "fault");
    });
  };
}
