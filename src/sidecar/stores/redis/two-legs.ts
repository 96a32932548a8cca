/**
 * Holds with claims of both scopes on a Cluster, where namespace and `_cluster` lie in two slots: two legs under one id. The namespace's
 * goes first: what all namespaces share is held by nobody who is refused at home. When the second leg refuses or is not heard of, the
 * first is given back by its id, as often as it takes.
 */
import { assert } from "../../../base/assert.ts";
import type { Leg, LegStore } from "../../ports/leg-store.ts";
import {
  type Claim,
  type ClaimState,
  type ReserveRequest,
  type ReserveResult,
  type Settlement,
  unseenClaim,
} from "../../ports/quota-store.ts";

/** Holds with two legs that are remembered at once; the oldest is forgotten first, and ends with its lease. */
export const twoLegsMax = 100_000;

/** Each leg alone. Here a reserve that failed and may have run is an orphan already. */
export interface LegEnds extends LegStore {
  release(namespace: string, holdId: string, leg: Leg): Promise<boolean>;
  /** Gives back later, and at once if it can; never throws. */
  giveUp(request: ReserveRequest, leg: Leg): void;
}

/** Whether a claim counts over namespaces. */
export const isOverNamespaces = ({ scope }: Claim): boolean => scope === "Cluster";

/** Reserves, settles and releases both legs, and remembers which holds have two. */
export class TwoLegs {
  readonly #store: LegEnds;
  /** Hold -> the scope of each of its claims, in their order: true is over namespaces. */
  readonly #holds = new Map<string, readonly boolean[]>();

  constructor(store: LegEnds) {
    this.#store = store;
  }

  /** Holds that are remembered. */
  get size(): number {
    return this.#holds.size;
  }

  has(namespace: string, holdId: string): boolean {
    return this.#holds.size > 0 && this.#holds.has(nameOf(namespace, holdId));
  }

  /** Whether each claim of a hold is over namespaces, in their order; undefined: it has one leg, or is not remembered. */
  scopesOf(namespace: string, holdId: string): readonly boolean[] | undefined {
    return this.#holds.size === 0 ? undefined : this.#holds.get(nameOf(namespace, holdId));
  }

  /** Admitted by both or by none. Throws StoreUnavailable. */
  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    const scopes = request.claims.map(isOverNamespaces);
    const own = request.claims.filter((claim) => !isOverNamespaces(claim));
    const first = await this.#store.reserve({ ...request, claims: own }, "Namespace");
    if (!first.admitted) return merged(scopes, first, [], first);
    const second = await this.#reserveSecond(request, first);
    if (second.admitted) {
      this.#remember(request, scopes);
      return merged(scopes, second, second.claims, first);
    }
    await this.#store.release(request.namespace, request.holdId, "Namespace").catch(() => this.#giveUpFirst(request));
    return merged(scopes, second, second.claims, withoutHold(first, own));
  }

  /** Settles both; what one of them has not taken is asked for again, and the other then changes nothing. Throws StoreUnavailable. */
  async settle({ namespace, holdId, amounts, claims = [] }: Settlement): Promise<boolean> {
    const scopes = this.#holds.get(nameOf(namespace, holdId)) ?? claims.map(isOverNamespaces);
    assert(amounts.length === scopes.length, "a settlement has one amount for each claim");
    const of = (isCluster: boolean): readonly number[] => amounts.filter((_, index) => scopes[index] === isCluster);
    return this.#both(namespace, holdId, (leg) =>
      this.#store.settle({ namespace, holdId, amounts: of(leg === "Cluster") }, leg),
    );
  }

  /** Gives both back. Throws StoreUnavailable. */
  release(namespace: string, holdId: string): Promise<boolean> {
    return this.#both(namespace, holdId, (leg) => this.#store.release(namespace, holdId, leg));
  }

  /** The hold has ended. */
  forget(namespace: string, holdId: string): void {
    this.#holds.delete(nameOf(namespace, holdId));
  }

  async #reserveSecond(request: ReserveRequest, { outputGranted }: ReserveResult): Promise<ReserveResult> {
    const { output, claims } = request;
    try {
      return await this.#store.reserve(
        {
          ...request,
          claims: claims.filter(isOverNamespaces),
          ...(output && { output: { ...output, wanted: outputGranted } }), // no more than the first leg holds
        },
        "Cluster",
      );
    } catch (fault) {
      this.#giveUpFirst(request);
      throw fault;
    }
  }

  #giveUpFirst(request: ReserveRequest): void {
    this.#store.giveUp(request, "Namespace");
  }

  async #both(namespace: string, holdId: string, end: (leg: Leg) => Promise<boolean>): Promise<boolean> {
    const ends = await Promise.allSettled([end("Namespace"), end("Cluster")]);
    const failed = ends.find((each) => each.status === "rejected");
    if (failed) throw failed.reason;
    this.forget(namespace, holdId);
    return ends.some((each) => each.status === "fulfilled" && each.value);
  }

  #remember({ namespace, holdId }: ReserveRequest, scopes: readonly boolean[]): void {
    this.#holds.set(nameOf(namespace, holdId), scopes);
    for (const oldest of this.#holds.keys()) {
      if (this.#holds.size <= twoLegsMax) break;
      this.#holds.delete(oldest);
    }
  }
}

const nameOf = (namespace: string, holdId: string): string => `${namespace}/${holdId}`;

/** One answer, its claims in their order. */
const merged = (
  scopes: readonly boolean[],
  { admitted, outputGranted }: ReserveResult,
  second: readonly ClaimState[],
  first: ReserveResult,
): ReserveResult => {
  const states = { own: first.claims.values(), over: second.values() };
  const claims = scopes.map((isOver) => (isOver ? states.over : states.own).next().value ?? unseenClaim);
  return { admitted, outputGranted, claims };
};

/** The first leg's states once its hold is given back. */
const withoutHold = (first: ReserveResult, claims: readonly Claim[]): ReserveResult => ({
  ...first,
  claims: first.claims.map((state, index) => {
    const { amount = 0, perOutput = 0 } = claims[index] ?? {};
    return { ...state, used: Math.max(0, state.used - Math.ceil(amount + perOutput * first.outputGranted)) };
  }),
});
