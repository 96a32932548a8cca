/**
 * Stage 6: reserves every quota that applies and looks the cache up, both in one round trip. What it took it gives back in
 * here: settled at what the call really cost, released when nothing was called.
 */
import type { ModelConfig, RouteConfig } from "../../config/contract.ts";
import { unknownModel } from "../../config/model-defaults.ts";
import type { QuotaConfig } from "../../config/quota.ts";
import { type CachePlan, planCache } from "../cache/plan.ts";
import type { CachedAnswer, CacheSeal } from "../cache/seal.ts";
import { type GatewayError, refuse } from "../errors.ts";
import { type Admitted, type CacheableAnswer, type Ending, know, type Shaped } from "../exchange.ts";
import type { SidecarMetrics } from "../metrics.ts";
import type { CacheStore } from "../ports/cache-store.ts";
import type { QuotaStore, ReserveResult } from "../ports/quota-store.ts";
import { StoreUnavailable } from "../ports/store-unavailable.ts";
import { checkBounds, checkLater } from "../quota/bounds.ts";
import { boundClaims } from "../quota/claim-bound.ts";
import { quotaChoice } from "../quota/condition.ts";
import { type Downgrade, downgradeModel } from "../quota/downgrade.ts";
import type { LeaseKeeper } from "../quota/leases.ts";
import { learnOutput, type OutputSizes } from "../quota/output-sizes.ts";
import { actualAmount, type PlannedClaim, planClaims } from "../quota/plan.ts";
import { rateLimitHeaders } from "../quota/rate-limit-headers.ts";
import { quotaRefusal } from "../quota/refusal.ts";
import type { Settler } from "../quota/settler.ts";
import { shareRefusal, whileAway } from "../quota/share/away.ts";
import type { LocalHold } from "../quota/share/ledger.ts";
import type { LocalShares, OwnCharge } from "../quota/share/local-shares.ts";
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
  readonly shares: LocalShares;
  readonly sizes: OutputSizes;
  readonly metrics: SidecarMetrics;
  readonly random: () => number;
  /** For requests that limits refuse which name another model; absent: they are refused. */
  readonly downgrade?: Downgrade | undefined;
}

/** What was decided on a request, by the store or, where that is away, by this sidecar's shares. */
interface Reserved {
  /** What was decided on: all claims, or those that shares decide. */
  readonly planned: readonly PlannedClaim[];
  readonly result: ReserveResult;
  readonly isLocal: boolean;
  /** Admitted by shares. */
  readonly hold?: LocalHold | undefined;
  /** Admitted by the store, and learned from. */
  readonly own?: readonly OwnCharge[] | undefined;
}

/** Refuses with 429 when a quota has no room; answers from the cache; else hands on with everything held. */
export const admit = (deps: AdmitDeps): Stage<Shaped, Admitted> => {
  const choice = quotaChoice(deps.quotas, (quota) => deps.metrics.quotaConditionFailed(quota));
  const learns = deps.quotas.some((quota) => quota.failurePolicy === "LocalShare");
  const sizes = deps.quotas.some(({ reservation }) => reservation.output === "P99") ? deps.sizes : undefined;
  return (next) => async (exchange) => {
    const model = deps.route.models[exchange.model] ?? unknownModel;
    const quotas = choice(exchange);
    checkLater(quotas, exchange);
    const planned = boundClaims(planClaims(quotas, exchange, model, sizes), deps.metrics);
    checkBounds(planned, exchange, model);
    const plan = planCache(exchange, deps.route, deps.seal);
    // both are asked in one tick, so both travel in one write; neither waits for the other
    const reserving = planned.length === 0 ? undefined : reserve(deps, exchange, planned, learns);
    const looking = plan?.control.lookUp === true ? lookUp(deps, plan, exchange) : undefined;
    const [reserved, found] = await Promise.all([reserving, looking]);
    if (reserved && !reserved.result.admitted) {
      const refusal = () => refused(deps, exchange, planned, reserved);
      const to = deps.downgrade && downgradeModel(exchange, reserved.planned, reserved.result);
      if (to === undefined || !deps.downgrade) throw refusal();
      return deps.downgrade(exchange, { to, refusal, passed: () => countRefusing(deps, reserved, "downgraded") });
    }
    if (sizes) learnOutput(sizes, exchange); // after a downgrade it is another model's output
    if (reserved) {
      holdUntilEnd(deps, exchange, planned, reserved, model);
      exchange.answerHeaders.push(...rateLimitHeaders(reserved.planned, reserved.result, reserved.isLocal));
    }
    if (plan) exchange.answerHeaders.push(["cache-status", cacheStatus(plan, found)]);
    if (found && plan) {
      sendCached(exchange, found);
      return undefined;
    }
    if (plan?.control.onlyIfCached) throw refuse("not_in_cache");
    const fillCache = plan?.control.store ? filler(deps, plan, exchange) : undefined;
    return next(know(exchange, { fillCache, sendOutputCap: capToSend(exchange, planned, reserved?.result) }));
  };
};

/** The least output that a hold must cover, in tokens. */
function outputMinOf({ estimate }: Shaped, planned: readonly PlannedClaim[]): number {
  const flexible = !estimate.capAsked && planned.every((p) => p.quota.reservation.output !== "Requested");
  const least = Math.min(outputGrantTokensMin, estimate.outputCap) * estimate.choices;
  // where no tokens are counted nothing is held, whatever the model could write
  return flexible ? Math.min(least, estimate.outputTokens) : estimate.outputTokens;
}

/** undefined: the store is away and every quota that applies allows that. `learns`: some have shares. */
async function reserve(
  deps: AdmitDeps,
  exchange: Shaped,
  planned: readonly PlannedClaim[],
  learns: boolean,
): Promise<Reserved | undefined> {
  const { estimate } = exchange;
  const { namespace } = exchange.identity;
  const output = { wanted: estimate.outputTokens, min: outputMinOf(exchange, planned), step: estimate.choices };
  const leaseMs = leaseOf(planned);
  const claims = planned.map((p) => p.claim);
  try {
    const result = await deps.quotaStore.reserve({ namespace, holdId: holdIdOf(exchange), leaseMs, claims, output });
    const own = learns ? deps.shares.learn(namespace, planned, result) : undefined;
    return { planned, result, own, isLocal: false };
  } catch (cause) {
    if (!(cause instanceof StoreUnavailable)) throw cause;
    const decision = whileAway(deps, exchange, planned, { cause, leaseMs, output });
    return decision && { ...decision, isLocal: true };
  }
}

/**
 * A downgraded request has a hold of its own: what became of the first attempt's may be unknown, and the store would answer for that one
 * once more.
 */
const holdIdOf = ({ id, call }: Shaped): string => (call.downgradedFrom === undefined ? id : `${id}:d`);

const leaseOf = (planned: readonly PlannedClaim[]): number =>
  Math.min(...planned.map((p) => p.quota.reservation.leaseMs));

function refused(
  deps: AdmitDeps,
  exchange: Shaped,
  planned: readonly PlannedClaim[],
  reserved: Reserved,
): GatewayError {
  countRefusing(deps, reserved, "refused");
  const outputMin = outputMinOf(exchange, planned);
  if (reserved.isLocal) return shareRefusal(reserved, planned, outputMin, deps.random);
  return quotaRefusal(planned, reserved.result, outputMin);
}

/** Counts every limit that refuses. */
function countRefusing(
  { metrics }: AdmitDeps,
  { planned, result }: Reserved,
  decision: "refused" | "downgraded",
): void {
  for (const [i, p] of planned.entries()) {
    if (result.claims[i]?.exceeded && p.claim.enforced) metrics.quotaDecision(p.quota, p.limit.name, decision);
  }
}

/** Keeps the hold alive while the request runs, and settles or releases it when it ends. */
function holdUntilEnd(
  deps: AdmitDeps,
  exchange: Shaped,
  planned: readonly PlannedClaim[],
  reserved: Reserved,
  model: ModelConfig,
): void {
  const { result, hold, own } = reserved;
  const { identity, estimate } = exchange;
  const holdId = holdIdOf(exchange);
  const { namespace } = identity;
  const held = { input: estimate.inputTokens, output: result.outputGranted + (estimate.outputExtra ?? 0) };
  for (const [i, p] of reserved.planned.entries()) {
    if (result.claims[i]?.exceeded) deps.metrics.quotaDecision(p.quota, p.limit.name, "would_refuse");
  }
  // absent: it is given back as if never asked
  const amountsOf = (ending: Ending): number[] | undefined =>
    ending.outcome === "refused" ? undefined : planned.map((p) => actualAmount(p, ending, held, model));
  if (reserved.isLocal) {
    if (hold) exchange.onEnd((ending) => deps.shares.end(hold, amountsOf(ending)));
    return;
  }
  deps.leases.keep(namespace, holdId, leaseOf(planned));
  exchange.onEnd((ending) => {
    const amounts = amountsOf(ending);
    deps.leases.drop(holdId);
    if (amounts) deps.settler.settle({ namespace, holdId, amounts });
    else deps.settler.release(namespace, holdId);
    if (own) deps.shares.settled(own, amounts);
  });
}

/**
 * The cap that keeps the output within what was held, or within the figure that stands for the model; absent when the client's own maximum
 * does, or no quota counts output.
 */
function capToSend(
  exchange: Shaped,
  planned: readonly PlannedClaim[],
  result: ReserveResult | undefined,
): number | undefined {
  const { estimate } = exchange;
  if (estimate.capAsked) return undefined;
  const counted = planned.some((p) => (p.claim.perOutput ?? 0) > 0 || p.outputHeld !== undefined);
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
