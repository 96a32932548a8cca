/**
 * `failurePolicy: LocalShare`. While the store answers, a sidecar learns what part of each counter's use is its own and holds that part
 * of the counter in the store, where parts never sum to more than the whole. While the store is away it admits its part of what the
 * last look left over; afterwards it charges what it admitted.
 */
import type { Clock } from "../../../base/clock.ts";
import type { Log } from "../../../base/log.ts";
import { spanOf, usedOf } from "../../../base/window.ts";
import { clusterNamespace } from "../../../redis/keys.ts";
import type { QuotaStore, ReserveRequest, ReserveResult } from "../../ports/quota-store.ts";
import { StoreUnavailable } from "../../ports/store-unavailable.ts";
import { charge, judge } from "../../stores/memory/counter.ts";
import { amountFor, grantOutput } from "../../stores/memory/grant.ts";
import type { LeaseKeeper } from "../leases.ts";
import type { PlannedClaim } from "../plan.ts";
import type { Settler } from "../settler.ts";
import { PartsLeases } from "./leases.ts";
import { Ledger, type LocalHold, type LocalItem } from "./ledger.ts";
import {
  allowanceOf,
  chargeOwn,
  correctOwn,
  isEven,
  look,
  newShare,
  partsWanted,
  type Share,
  shareKey,
} from "./share.ts";

/** Counters whose parts a sidecar holds; the least recently used go first. A counter beyond them is refused while the store is away. */
export const sharesMax = 128;
/** How often parts and remainders are brought up to date, in ms: so old may be what a sidecar knows when it is cut off. */
export const refreshMs = 2_000;
/** A counter that was not used for so long is nobody's business here any more, in ms. */
export const shareIdleMs = 600_000;

/** Own charges of a request that the store admitted. */
export interface OwnCharge {
  readonly share: Share;
  readonly index: number;
  readonly slot: number;
  readonly amount: number;
  /** Of a slice: what is given back is not in the store yet. */
  readonly isLeased: boolean;
}

/** What was decided here. `planned`: the claims of LocalShare quotas alone, their `max` this sidecar's share. */
export interface LocalDecision {
  readonly planned: readonly PlannedClaim[];
  readonly result: ReserveResult;
  /** Absent: refused, or nothing is counted. */
  readonly hold: LocalHold | undefined;
}

/** Shares of all counters that this sidecar met under LocalShare quotas. */
export class LocalShares {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #store: QuotaStore;
  readonly #shares = new Map<string, Share>();
  readonly #parts: PartsLeases;
  readonly #ledger: Ledger;
  #timer: NodeJS.Timeout | undefined;
  #isRefreshing = false;

  constructor(options: {
    store: QuotaStore;
    clock: Clock;
    log: Log;
    settler: Settler;
    leases: LeaseKeeper;
    /** Names this process; new with each start. */
    instance: string;
    /** A local charge came when its window was over. */
    tooLate: () => void;
  }) {
    const { store, clock, settler, leases, tooLate } = options;
    this.#clock = clock;
    this.#log = options.log;
    this.#store = store;
    let serial = 0;
    const nextId = (): string => `local-${options.instance}-${(++serial).toString(36)}`;
    const giveBack = (namespace: string, holdId: string): void => settler.release(namespace, holdId);
    this.#parts = new PartsLeases({ store, clock, nextId, giveBack });
    const shares = (): Iterable<Share> => this.#shares.values();
    this.#ledger = new Ledger({ store, clock, nextId, shares, settler, leases, tooLate });
  }

  /** Charges and running requests that were admitted here and are not in the store yet. */
  get ledgerSize(): number {
    return this.#ledger.size;
  }

  start(): void {
    this.#timer = setInterval(() => void this.refresh(), refreshMs).unref();
  }

  /** Charges what it can and gives its parts back, if the store answers. What is not charged is lost, and the log says how much. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
    if (this.#ledger.isWaiting) await this.flush(); // what ended while the first one ran
    if (this.#ledger.size > 0) this.#log.warn({ charges: this.#ledger.size }, "charges of local shares are lost");
    const held = [...this.#shares.values()].filter(({ holdId }) => holdId !== undefined);
    this.#shares.clear();
    await Promise.allSettled(held.map(({ namespace, holdId }) => this.#store.release(namespace, holdId ?? "")));
  }

  /** Learns from the store's answer to a request. What was held is this sidecar's use; hand it to `settled` at the end. */
  learn(namespace: string, planned: readonly PlannedClaim[], result: ReserveResult): OwnCharge[] {
    const [nowMs, monotonicMs] = [this.#clock.nowMs(), this.#clock.monotonicMs()];
    const charges: OwnCharge[] = [];
    for (const [index, { claim, quota }] of planned.entries()) {
      const state = result.claims[index];
      if (quota.failurePolicy !== "LocalShare" || state === undefined) continue;
      if (!result.admitted && !state.exceeded) continue; // nobody may have looked at it
      const amount = result.admitted ? amountFor(claim, result.outputGranted) : 0;
      // Of a leased counter this sidecar knows what it was when its slice was granted: it is looked at before the share is used.
      const isLeased = claim.precision === "Leased";
      const seenMs = isLeased ? Number.NEGATIVE_INFINITY : monotonicMs;
      const share = this.#shareOf(namespace, claim, { used: state.used - amount, nowMs, monotonicMs: seenMs });
      if (share === undefined) continue;
      share.window = claim.window;
      share.usedMs = monotonicMs;
      if (result.admitted) charges.push({ share, index, amount, slot: chargeOwn(share, amount, nowMs), isLeased });
      if (!isLeased) look(share, state.used, nowMs, monotonicMs);
    }
    if (this.#ledger.isWaiting) void this.flush(); // the store is back
    return charges;
  }

  /** The request has ended at these amounts, in the order of its claims; absent: at nothing. */
  settled(charges: readonly OwnCharge[], amounts?: readonly number[]): void {
    for (const { share, index, slot, amount, isLeased } of charges) {
      const actual = share.window.type === "Concurrency" ? 0 : (amounts?.[index] ?? 0);
      correctOwn(share, slot, actual - amount, isLeased ? undefined : this.#clock.nowMs());
    }
  }

  #shareOf(namespace: string, claim: PlannedClaim["claim"], now: Parameters<typeof newShare>[2]): Share | undefined {
    const key = shareKey(namespace, claim);
    const known = this.#shares.get(key);
    if (known !== undefined) return known;
    if (this.#shares.size >= 2 * sharesMax) return undefined; // the next refresh makes room
    const share = newShare(namespace, claim, now);
    this.#shares.set(key, share);
    return share;
  }

  /**
   * Decides by this sidecar's shares: all LocalShare quotas or none. A counter without a share has none: it refuses. In mode Audit nothing
   * refuses, and what has no share is not counted.
   */
  admit(request: {
    readonly namespace: string;
    readonly leaseMs: number;
    readonly planned: readonly PlannedClaim[];
    readonly output: NonNullable<ReserveRequest["output"]>;
  }): LocalDecision {
    const { namespace } = request;
    const nowMs = this.#clock.nowMs();
    const met = request.planned.flatMap((planned, index) => this.#meet(namespace, planned, index, nowMs));
    const outputGranted = grantOutput(request.output, met);
    const judged = met.map((each) => {
      const amount = amountFor(each.claim, outputGranted);
      return { ...each, amount, state: judge(each, amount, nowMs) };
    });
    const planned = met.map((each) => ({ ...each.planned, claim: each.claim }));
    const isRefused = judged.some(({ claim, state }) => claim.enforced && state.exceeded);
    if (isRefused || this.#ledger.isFull)
      return {
        planned,
        result: { admitted: false, outputGranted: 0, claims: judged.map(({ state }) => state) },
        hold: undefined,
      };
    const items = judged.map(({ share, claim, index, span, amount }): LocalItem => {
      charge(share.local, span, amount);
      this.#shares.set(shareKey(namespace, claim), share);
      share.window = claim.window;
      share.usedMs = this.#clock.monotonicMs();
      return { share, claim, index, slot: span.slot, amount };
    });
    const hold: LocalHold = { namespace, leaseMs: request.leaseMs, items, moving: undefined, moved: undefined };
    if (items.length > 0) this.#ledger.add(hold);
    const claims = judged.map(({ state, amount }) => ({ ...state, used: state.used + amount }));
    const result = { admitted: true, outputGranted, claims };
    return { planned, result, hold: items.length > 0 ? hold : undefined };
  }

  /** A claim as it meets this sidecar's share of its counter. */
  #meet(namespace: string, planned: PlannedClaim, index: number, nowMs: number) {
    const { claim, quota } = planned;
    if (quota.failurePolicy !== "LocalShare") return [];
    const known = this.#shares.get(shareKey(namespace, claim));
    if (known === undefined && !claim.enforced) return [];
    const share = known ?? newShare(namespace, claim, { used: 0, nowMs, monotonicMs: 0 });
    const span = spanOf(claim.window, nowMs);
    const max = allowanceOf(share, claim.max, nowMs);
    const used = usedOf(share.local.slots, span);
    return [{ planned, share, index, span, used, counter: share.local, claim: { ...claim, max } }];
  }

  /** A request that was admitted here has ended at these amounts, in the order of the claims that it was asked for; absent: at nothing. */
  end(hold: LocalHold, amounts?: readonly number[]): void {
    this.#ledger.end(hold, amounts);
  }

  /** Charges what was admitted here, as far as the store takes it. Never rejects. */
  async flush(): Promise<void> {
    await this.#quietly("local charges not taken to the store", () => this.#ledger.flush());
  }

  /** Brings the ledger, remainders and parts up to date; one at a time. Never rejects. */
  async refresh(): Promise<void> {
    if (this.#isRefreshing || this.#shares.size === 0) return;
    this.#isRefreshing = true;
    await this.flush();
    await this.#quietly("shares not refreshed", () => this.#refreshShares());
    this.#isRefreshing = false;
  }

  async #refreshShares(): Promise<void> {
    this.#forget();
    const shares = [...this.#shares.values()];
    const staleMs = this.#clock.monotonicMs() - refreshMs / 2;
    await allOf(shares.filter(({ seen }) => seen.monotonicMs <= staleMs).map((share) => this.#peek(share)));
    await this.#parts.renew(shares);
    await allOf(
      shares.map(async (share) => {
        const wanted = partsWanted(share, this.#clock.nowMs());
        if (wanted !== undefined) await this.#parts.hold(share, wanted);
      }),
    );
  }

  async #peek(share: Share): Promise<void> {
    const namespace = share.scope ? clusterNamespace : share.namespace;
    const used = await this.#store.peek(namespace, share.counter, share.window);
    look(share, used, this.#clock.nowMs(), this.#clock.monotonicMs());
  }

  /** Lets go of what was not used for long, or least recently; not of what is to be charged. */
  #forget(): void {
    const idleMs = this.#clock.monotonicMs() - shareIdleMs;
    const byUse = [...this.#shares].sort(([, a], [, b]) => b.usedMs - a.usedMs);
    for (const [at, [key, share]] of byUse.entries()) {
      if ((at < sharesMax && share.usedMs > idleMs) || !isEven(share)) continue;
      this.#parts.drop(share);
      this.#shares.delete(key);
    }
  }

  async #quietly(what: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (err) {
      if (!(err instanceof StoreUnavailable)) this.#log.error({ err }, what);
    }
  }
}

/** Waits for all; then throws the first failure. */
const allOf = async (runs: readonly Promise<void>[]): Promise<void> => {
  const failed = (await Promise.allSettled(runs)).find((outcome) => outcome.status === "rejected");
  if (failed) throw failed.reason;
};
