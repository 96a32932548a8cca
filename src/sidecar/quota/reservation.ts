/**
 * One reservation of a request: decided by the store or, where that is away, by this sidecar's shares; kept alive while it is needed,
 * then settled at what it came to, or released.
 */
import type { ModelConfig } from "../../config/contract.ts";
import type { GatewayError } from "../errors.ts";
import type { Ending, Shaped } from "../exchange.ts";
import type { SidecarMetrics } from "../metrics.ts";
import type { QuotaStore, ReserveResult } from "../ports/quota-store.ts";
import { StoreUnavailable } from "../ports/store-unavailable.ts";
import type { LeaseKeeper } from "./leases.ts";
import { actualAmount, type PlannedClaim } from "./plan.ts";
import { quotaRefusal } from "./refusal.ts";
import type { Settler } from "./settler.ts";
import { shareRefusal, whileAway } from "./share/away.ts";
import type { LocalHold } from "./share/ledger.ts";
import type { LocalShares, OwnCharge } from "./share/local-shares.ts";
import { ToldHold } from "./told-hold.ts";

/** Smallest output that is worth a call, in tokens, when the client named no maximum and a quota is nearly spent. */
export const outputGrantTokensMin = 16;

/** What a reservation needs. `random`: 0 to below 1, spreads the waits that refused clients are told. */
export interface ReservationDeps {
  readonly quotaStore: QuotaStore;
  readonly settler: Settler;
  readonly leases: LeaseKeeper;
  readonly shares: LocalShares;
  readonly metrics: SidecarMetrics;
  readonly random: () => number;
}

/** What was decided. */
export interface Reserved {
  readonly holdId: string;
  /** All claims that were asked for. */
  readonly asked: readonly PlannedClaim[];
  /** What was decided on: all of them, or those that shares decide. */
  readonly planned: readonly PlannedClaim[];
  readonly result: ReserveResult;
  readonly isLocal: boolean;
  /** Admitted by shares. */
  readonly hold?: LocalHold | undefined;
  /** Admitted by the store, and learned from. */
  readonly own?: readonly OwnCharge[] | undefined;
}

/** The least output that a hold must cover, in tokens. */
function outputMinOf({ estimate }: Shaped, asked: readonly PlannedClaim[]): number {
  const flexible = !estimate.capAsked && asked.every((p) => p.quota.reservation.output !== "Requested");
  const least = Math.min(outputGrantTokensMin, estimate.outputCap) * estimate.choices;
  // where no tokens are counted nothing is held, whatever the model could write
  return flexible ? Math.min(least, estimate.outputTokens) : estimate.outputTokens;
}

/**
 * Asks for all of it or nothing. undefined: the store is away and every quota that applies allows that. `learns`: some quotas have shares.
 * Throws as `whileAway`.
 */
export async function reserve(
  deps: ReservationDeps,
  exchange: Shaped,
  asked: readonly PlannedClaim[],
  { holdId, learns }: { readonly holdId: string; readonly learns: boolean },
): Promise<Reserved | undefined> {
  const { estimate } = exchange;
  const { namespace } = exchange.identity;
  const output = { wanted: estimate.outputTokens, min: outputMinOf(exchange, asked), step: estimate.choices };
  const leaseMs = leaseOf(asked);
  const claims = asked.map((p) => p.claim);
  try {
    const result = await deps.quotaStore.reserve({ namespace, holdId, leaseMs, claims, output });
    const own = learns ? deps.shares.learn(namespace, asked, result) : undefined;
    return { holdId, asked, planned: asked, result, own, isLocal: false };
  } catch (cause) {
    if (!(cause instanceof StoreUnavailable)) throw cause;
    const decision = whileAway(deps, exchange, asked, { cause, leaseMs, output });
    return decision && { ...decision, holdId, asked, isLocal: true };
  }
}

/**
 * The first hold of a request. A downgraded request has one of its own: what became of the first attempt's may be unknown, and the store
 * would answer for that one once more.
 */
export const holdIdOf = ({ id, call }: Shaped): string => (call.downgradedFrom === undefined ? id : `${id}:d`);

/** The shortest of their leases. */
const leaseOf = (asked: readonly PlannedClaim[]): number => {
  let leaseMs = Number.POSITIVE_INFINITY;
  for (const { quota } of asked) if (quota.reservation.leaseMs < leaseMs) leaseMs = quota.reservation.leaseMs;
  return leaseMs;
};

/** Counts the refusal, and says it. */
export function refused(deps: ReservationDeps, exchange: Shaped, reserved: Reserved): GatewayError {
  countRefusing(deps, reserved, "refused");
  const { asked } = reserved;
  const outputMin = outputMinOf(exchange, asked);
  if (reserved.isLocal) return shareRefusal(reserved, asked, outputMin, deps.random);
  return quotaRefusal(asked, reserved.result, outputMin);
}

/** Counts every limit that refuses. */
export function countRefusing(
  { metrics }: Pick<ReservationDeps, "metrics">,
  { planned, result }: Reserved,
  decision: "refused" | "downgraded" | "spilled_over",
): void {
  for (const [i, p] of planned.entries()) {
    if (result.claims[i]?.exceeded && p.claim.enforced) metrics.quotaDecision(p.quota, p.limit.name, decision);
  }
}

/** Counts every limit in mode Audit that would have refused what was admitted; not those that are left out. */
export function countWouldRefuse(
  { metrics }: Pick<ReservationDeps, "metrics">,
  planned: readonly (PlannedClaim | undefined)[],
  { claims }: ReserveResult,
): void {
  for (let i = 0; i < planned.length; i++) {
    const p = planned[i];
    if (p && claims[i]?.exceeded) metrics.quotaDecision(p.quota, p.limit.name, "would_refuse");
  }
}

/** Ends a hold at these amounts, in the order of the claims that were asked for; absent: gives it back as if never asked. To be called once. */
export type EndHold = (amounts: readonly number[] | undefined) => void;

/** Keeps what was admitted alive, until it is ended. */
export function keepHold(
  deps: ReservationDeps,
  { identity: { namespace }, call }: Shaped,
  reserved: Reserved,
): EndHold {
  const { holdId, hold, own } = reserved;
  if (reserved.isLocal && !hold) return () => undefined;
  const told = new ToldHold(namespace, reserved);
  if (call.holds) call.holds.push(told);
  else call.holds = [told];
  if (hold)
    return (amounts) => {
      told.end(amounts);
      deps.shares.end(hold, amounts);
    };
  deps.leases.keep(namespace, holdId, leaseOf(reserved.asked));
  return (amounts) => {
    told.end(amounts);
    deps.leases.drop(holdId);
    if (amounts) deps.settler.settle({ namespace, holdId, amounts });
    else deps.settler.release(namespace, holdId);
    if (own) deps.shares.settled(own, amounts);
  };
}

/** What a request is charged that ended like this; undefined: nothing reached a provider. */
export function amountsOf(
  { estimate }: Shaped,
  { asked, result }: Reserved,
  model: ModelConfig,
  ending: Ending,
): number[] | undefined {
  if (ending.outcome === "refused") return undefined;
  const held = { input: estimate.inputTokens, output: result.outputGranted + (estimate.outputExtra ?? 0) };
  return asked.map((p) => actualAmount(p, ending, held, model));
}

/**
 * The cap that keeps the output within what was held, or within the figure that stands for the model: the client's own maximum, where it
 * named one. Absent when neither a quota counts output nor the rule limits it.
 */
export function capToSend(
  { estimate }: Shaped,
  asked: readonly PlannedClaim[],
  result: ReserveResult | undefined,
): number | undefined {
  const counted = asked.some((p) => (p.claim.perOutput ?? 0) > 0 || p.outputHeld !== undefined);
  if (estimate.capAsked) return counted || estimate.capWanted ? estimate.outputCap : undefined;
  if (counted && result) return Math.max(1, Math.floor(result.outputGranted / estimate.choices));
  return estimate.capWanted ? estimate.outputCap : undefined;
}
