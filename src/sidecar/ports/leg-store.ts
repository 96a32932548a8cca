import type { Claim, ReserveRequest, ReserveResult, Settlement } from "./quota-store.ts";

/** Where the record of a hold lies: with its namespace; or, on a Cluster, what it holds over namespaces beside their counters. */
export type Leg = "Namespace" | "Cluster";

/**
 * One part of a hold alone, for who knows that the other is well. Where nothing is apart, all of a hold is its namespace's leg.
 * Ids, bounds and law are the quota store's.
 */
export interface LegStore {
  /** Whether a hold with these claims has a leg in another place, which may be lost without the first. */
  isTwoLegged(claims: readonly Claim[]): boolean;
  /** `request`: the leg's claims only. Who hears no answer asks again under the same id: nothing is given back. Throws StoreUnavailable. */
  reserve(request: ReserveRequest, leg: Leg): Promise<ReserveResult>;
  /** `amounts`: of the leg's claims only. Throws StoreUnavailable. */
  settle(settlement: Settlement, leg: Leg): Promise<boolean>;
}
