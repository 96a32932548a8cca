/**
 * Stage 6: reserves every quota that applies and looks the cache up, neither waiting for the other. What it took it gives back in
 * here: settled at what the call really cost, released when nothing was called.
 */
import type { Log } from "../../base/log.ts";
import type { ModelConfig, RouteConfig } from "../../config/contract.ts";
import { modelOf, unknownModel } from "../../config/model-defaults.ts";
import type { QuotaConfig } from "../../config/quota.ts";
import { type CachePlan, planCache } from "../cache/plan.ts";
import type { CachedAnswer, CacheSeal } from "../cache/seal.ts";
import { refuse } from "../errors.ts";
import { type Admitted, type CacheableAnswer, know, type Shaped } from "../exchange.ts";
import type { CacheStore } from "../ports/cache-store.ts";
import { StoreUnavailable } from "../ports/store-unavailable.ts";
import { checkBounds, checkLater } from "../quota/bounds.ts";
import { boundClaims } from "../quota/claim-bound.ts";
import { quotaChoice } from "../quota/condition.ts";
import { type Downgrade, downgradeModel } from "../quota/downgrade.ts";
import { learnOutput, type OutputSizes } from "../quota/output-sizes.ts";
import { type PlannedClaim, planClaims } from "../quota/plan.ts";
import { flatRateLimitHeaders } from "../quota/rate-limit-headers.ts";
import {
  amountsOf,
  capToSend,
  countRefusing,
  countWouldRefuse,
  holdIdOf,
  keepHold,
  type ReservationDeps,
  type Reserved,
  refused,
  reserve,
} from "../quota/reservation.ts";
import { aim, isByBackend, Turns } from "../quota/turns.ts";
import type { Stage } from "../stage.ts";
import { type TargetOrderDeps, targetOrder } from "../upstream/target-order.ts";
import type { Target } from "../upstream/targets.ts";
import { sendCached } from "./cached-answer.ts";

/** What admit needs. */
export interface AdmitDeps extends ReservationDeps, TargetOrderDeps {
  readonly route: RouteConfig;
  readonly quotas: readonly QuotaConfig[];
  readonly cacheStore: CacheStore;
  readonly seal: CacheSeal;
  readonly sizes: OutputSizes;
  readonly log: Log;
  /** For requests that limits refuse which name another model; absent: they are refused. */
  readonly downgrade?: Downgrade | undefined;
}

/** Refuses with 429 when a quota has no room; answers from the cache; else hands on with everything held. */
export const admit = (deps: AdmitDeps): Stage<Shaped, Admitted> => {
  const choice = quotaChoice(deps.quotas, (quota) => deps.metrics.quotaConditionFailed(quota));
  const learns = deps.quotas.some((quota) => quota.failurePolicy === "LocalShare");
  const sizes = deps.quotas.some(({ reservation }) => reservation.output === "P99") ? deps.sizes : undefined;
  const orderOf = deps.quotas.some(({ per }) => per.includes("Backend")) ? targetOrder(deps) : undefined;
  const claimsOf = (quotas: readonly QuotaConfig[], exchange: Shaped, model: ModelConfig) =>
    boundClaims(planClaims(quotas, exchange, model, sizes), deps.metrics);
  const turnsOf = (quotas: readonly QuotaConfig[], exchange: Shaped, model: ModelConfig, targets: readonly Target[]) =>
    new Turns(deps, exchange, {
      ...{ route: deps.route, model, targets, learns },
      plan: () => claimsOf(quotas, exchange, model),
    });
  return (next) => async (exchange) => {
    const model = modelOf(deps.route.models, exchange.model) ?? unknownModel;
    const quotas = choice(exchange);
    checkLater(quotas, exchange);
    const targets = orderOf?.(exchange);
    if (targets) aim(exchange, deps.route, targets[0]);
    const planned = claimsOf(quotas, exchange, model);
    checkBounds(planned, exchange, model);
    const plan = planCache(exchange, deps.route, deps.seal);
    // both are asked in one tick, so they travel together; neither waits for the other
    const turns = targets && planned.some(isByBackend) ? turnsOf(quotas, exchange, model, targets) : undefined;
    const reserving = turns ? turns.admit(planned) : hold(deps, exchange, planned, learns);
    const looking = plan?.control.lookUp === true ? lookUp(deps, plan, exchange) : undefined;
    looking?.catch(() => undefined); // it is waited for below: what it throws before is not lost, and not unhandled
    const reserved = reserving && (await reserving);
    const found = looking && (await looking);
    if (reserved && !reserved.result.admitted) {
      const refusal = () => refused(deps, exchange, reserved);
      const to = deps.downgrade && downgradeModel(exchange, reserved.planned, reserved.result);
      if (to === undefined || !deps.downgrade) throw refusal();
      return deps.downgrade(exchange, { to, refusal, passed: () => countRefusing(deps, reserved, "downgraded") });
    }
    if (sizes) learnOutput(sizes, exchange); // after a downgrade it is another model's output
    if (turns) turns.keep(reserved);
    else if (reserved) keepUntilEnd(deps, exchange, reserved, model);
    if (reserved)
      exchange.answerHeaders.tellLimits(() =>
        flatRateLimitHeaders(reserved.planned, reserved.result, reserved.isLocal),
      );
    if (plan) exchange.answerHeaders.add("cache-status", cacheStatus(plan, found));
    if (found && plan) {
      sendCached(exchange, found);
      return undefined;
    }
    if (plan?.control.onlyIfCached) throw refuse("not_in_cache");
    const fillCache = plan?.control.store ? filler(deps, plan, exchange) : undefined;
    return next(know(exchange, { fillCache, turns, sendOutputCap: capToSend(exchange, planned, reserved?.result) }));
  };
};

/** undefined: nothing is to be held, or can be where that is allowed. */
function hold(deps: AdmitDeps, exchange: Shaped, planned: readonly PlannedClaim[], learns: boolean) {
  if (planned.length === 0) return undefined;
  return reserve(deps, exchange, planned, { holdId: holdIdOf(exchange), learns });
}

/** Keeps the hold alive while the request runs, and settles or releases it when it ends. */
function keepUntilEnd(deps: AdmitDeps, exchange: Shaped, reserved: Reserved, model: ModelConfig): void {
  countWouldRefuse(deps, reserved.planned, reserved.result);
  const end = keepHold(deps, exchange, reserved);
  exchange.onEnd((ending) => end(amountsOf(exchange, reserved, model, ending)));
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
    // the cache is skipped, the call goes on: what is being reserved at this moment must be kept by somebody
    cacheFailed(deps, fault, "an answer was not looked up in the cache");
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
    deps.cacheStore
      .put(exchange.identity.namespace, plan.name, sealed, plan.ttlMs)
      .catch((fault: unknown) => cacheFailed(deps, fault, "an answer was not put into the cache"));
  };
}

/** An outage is counted; anything else is a fault of ours, which somebody is to see. */
function cacheFailed({ metrics, log }: AdmitDeps, fault: unknown, what: string): void {
  const isAway = fault instanceof StoreUnavailable;
  metrics.cacheLookup(isAway ? "unavailable" : "fault");
  if (!isAway) log.error({ err: fault }, what);
}
