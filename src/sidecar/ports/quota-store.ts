/**
 * The quota store's port. Its law, which every adapter passes (test/contract/quota-store.contract.ts):
 * - `reserve` is all or nothing over its enforced claims and decides inside the store: however many callers come at once,
 *   a counter never exceeds `max`.
 * - A hold is settled, released or expires once; what comes later or twice changes nothing.
 * - A hold that expires stays charged at the held amounts (Concurrency is given back): silence never lowers a counter.
 * - Time is the store's own, never the caller's.
 */
import type { WindowSpec } from "../../base/window.ts";

/** One limit that applies to a request. */
export interface Claim {
  /** Key of the counter without prefix: quota, limit and subject, `[A-Za-z0-9._:/=-]`, at most 512 characters. */
  readonly counter: string;
  /** Cluster: one counter for all namespaces, which `peek` finds under `clusterNamespace`. Absent: the namespace's own. */
  readonly scope?: "Cluster";
  readonly window: WindowSpec;
  /** Limit plus burst, in units of the resource, 0 to 2^53-1. */
  readonly max: number;
  /** Units to hold whatever the output, 0 to 2^53-1. */
  readonly amount: number;
  /** Units that one token of output adds (a price may be a fraction); absent: 0. The hold is ceil(amount + perOutput x granted). */
  readonly perOutput?: number;
  /** false: counted but never refused (mode Audit). */
  readonly enforced: boolean;
  /** Leased: a sidecar may admit it from a slice of the counter that it holds (quota/slices). Stores decide it like any other. */
  readonly precision?: "Leased";
}

/** What one request wants to hold, all of it or nothing. */
export interface ReserveRequest {
  readonly namespace: string;
  /**
   * Unique for each request, `[A-Za-z0-9._:-]`, at most 128 characters. While the hold lives, reserving again under its id answers as
   * the first time did and holds nothing more; after a refusal, or when the hold has ended, it is decided anew.
   */
  readonly holdId: string;
  /** 1 to 3,600,000. */
  readonly leaseMs: number;
  /** At most 64, their counters all different. */
  readonly claims: readonly Claim[];
  /**
   * Output to hold, in tokens: as much of `wanted` as all enforced claims have room for, never less than `min`, else refused.
   * The caller asks the provider for no more than was granted, so a smaller hold is still an upper bound. Absent: 0.
   */
  readonly output?: {
    readonly wanted: number;
    readonly min: number;
    /** Granted in whole multiples of it (choices of one request); absent: 1. */
    readonly step?: number;
  };
}

/**
 * State of one claim after the decision, in the order of the claims. A claim that was not looked at, as claims elsewhere had refused
 * already, has zeros.
 */
export interface ClaimState {
  /** Charged and held together, including this hold where it was admitted. */
  readonly used: number;
  /** Until the window ends (Fixed, Calendar) or the oldest slot rolls out (Sliding); 0 for Concurrency. */
  readonly resetMs: number;
  /** Would have exceeded `max`. For an unenforced claim of an admitted request: it was over. */
  readonly exceeded: boolean;
  /** Exceeded only: when the amount would fit if nobody else came; Infinity when it never can (amount > max). Concurrency: 0, unknown, or Infinity. */
  readonly retryAfterMs: number;
  /** Another claim refused before anybody looked at this one: its figures say nothing. Absent: they do. */
  readonly isUnseen?: true;
}

/** What is said of a claim that nobody looked at. */
export const unseenClaim: ClaimState = { used: 0, resetMs: 0, exceeded: false, retryAfterMs: 0, isUnseen: true };

/** The decision. Not admitted: nothing is held, and the enforced claims that are `exceeded` say why. */
export interface ReserveResult {
  readonly admitted: boolean;
  /** Output that is held, in tokens: min to wanted, a whole multiple of `step`; 0 when refused or none was asked for. */
  readonly outputGranted: number;
  readonly claims: readonly ClaimState[];
}

/** The actual amounts in the order of the claims of the reservation. */
export interface Settlement {
  readonly namespace: string;
  readonly holdId: string;
  readonly amounts: readonly number[];
  /** Claims of the reservation, from who settles a hold that this process may have settled before. Absent: the store knows what it needs. */
  readonly claims?: readonly Claim[];
}

/** What a live hold is corrected to before it ends. */
export type Trim = Pick<Settlement, "holdId" | "amounts">;

/** Counters and holds, kept for all who open the same store; namespaces do not see each other. */
export interface QuotaStore {
  /** Throws StoreUnavailable. */
  reserve(request: ReserveRequest): Promise<ReserveResult>;
  /** Corrects the held amounts to the actual ones; true when this call did it, false when the hold was gone. Throws StoreUnavailable. */
  settle(settlement: Settlement): Promise<boolean>;
  /** Gives everything back, as if never asked. true when this call did it. Throws StoreUnavailable. */
  release(namespace: string, holdId: string): Promise<boolean>;
  /**
   * Corrects what live holds hold, each in the slots that it was booked in, and they live on; Concurrency stays as it is. Answers the ids
   * that are gone. Throws StoreUnavailable; to do it again changes nothing.
   */
  trim(namespace: string, trims: readonly Trim[]): Promise<readonly string[]>;
  /** Prolongs the leases of live holds; answers the ids that are gone. Throws StoreUnavailable. */
  renew(namespace: string, holdIds: readonly string[], leaseMs: number): Promise<readonly string[]>;
  /** Charged and held now, of one counter; for status and tests. Throws StoreUnavailable. */
  peek(namespace: string, counter: string, window: WindowSpec): Promise<number>;
  /** Holds that are neither settled, released nor expired; for status and leak tests. */
  liveHolds(namespace: string): Promise<number>;
}
