/** What was admitted while the store was away and is still to be charged to it: once, whatever happens on the way. */
import type { Clock } from "../../../base/clock.ts";
import { type Span, spanOf } from "../../../base/window.ts";
import type { Claim, QuotaStore, Settlement } from "../../ports/quota-store.ts";
import { claimsMax } from "../../stores/claims.ts";
import { correct } from "../../stores/memory/counter.ts";
import { chargeOwn, correctOwn, isLive, look, type Share } from "./share.ts";

/** Requests at once that were admitted while the store was away; one more is refused. */
export const localHoldsMax = 10_000;
/** How long a late charge may take from its reserve to its settlement, in ms. It expires at the same amount. */
const chargeLeaseMs = 60_000;
/** Sent at once. */
const batchSize = 50;

/** One claim of a request that was admitted here. `index`: of the claim among those of the request. */
export interface LocalItem {
  readonly share: Share;
  readonly claim: Claim;
  readonly index: number;
  readonly slot: number;
  readonly amount: number;
}

/** A request that was admitted here. */
export interface LocalHold {
  readonly namespace: string;
  readonly leaseMs: number;
  readonly items: readonly LocalItem[];
  /** Under way to the store. */
  moving: Promise<void> | undefined;
  /** Where it is held in the store since that is back, and of which items. */
  moved: { readonly holdId: string; readonly items: readonly LocalItem[] } | undefined;
}

/** What the ledger needs. */
export interface LedgerDeps {
  readonly store: QuotaStore;
  readonly clock: Clock;
  /** Never the same twice, over all sidecars. */
  readonly nextId: () => string;
  readonly shares: () => Iterable<Share>;
  readonly settler: { settle(settlement: Settlement): void; release(namespace: string, holdId: string): void };
  readonly leases: { keep(namespace: string, holdId: string, leaseMs: number): void; drop(holdId: string): void };
  /** A charge of a window that is over: nobody counts it any more. */
  readonly tooLate: () => void;
}

/** Runs and charges that the store does not know. In memory: a crash while the store is away loses them. */
export class Ledger {
  readonly #deps: LedgerDeps;
  readonly #running = new Set<LocalHold>();
  #isOwing = false;
  #flushing: Promise<void> | undefined;

  constructor(deps: LedgerDeps) {
    this.#deps = deps;
  }

  /** Charges and running requests that are not in the store yet. */
  get size(): number {
    let owed = 0;
    for (const share of this.#deps.shares()) owed += share.owed.size;
    return owed + this.#running.size;
  }

  get isFull(): boolean {
    return this.#running.size >= localHoldsMax;
  }

  /** Something waits for the store. */
  get isWaiting(): boolean {
    return this.#isOwing || this.#running.size > 0;
  }

  add(hold: LocalHold): void {
    this.#running.add(hold);
  }

  /** Ends a request at what it came to, in the order of its request's claims; absent: at nothing. */
  end(hold: LocalHold, amounts: readonly number[] | undefined): void {
    const again = (): void => this.end(hold, amounts);
    if (hold.moving) void hold.moving.then(again, again);
    else if (hold.moved) this.#endMoved(hold.namespace, hold.moved, amounts);
    else this.#endHere(hold, amounts);
  }

  #endMoved(namespace: string, { holdId, items }: NonNullable<LocalHold["moved"]>, amounts?: readonly number[]): void {
    const { leases, settler, clock } = this.#deps;
    if (items.length === 0) return;
    leases.drop(holdId);
    const actual = items.map((item) => actualOf(item, amounts));
    if (amounts) settler.settle({ namespace, holdId, amounts: actual });
    else settler.release(namespace, holdId);
    for (const [i, { share, slot, amount }] of items.entries())
      correctOwn(share, slot, (actual[i] ?? 0) - amount, clock.nowMs());
  }

  #endHere(hold: LocalHold, amounts?: readonly number[]): void {
    this.#running.delete(hold);
    for (const item of hold.items) {
      const { share, slot, amount } = item;
      const actual = actualOf(item, amounts);
      correct(share.local, slot, actual - amount);
      if (actual === 0) continue;
      share.owed.set(slot, (share.owed.get(slot) ?? 0) + actual);
      this.#isOwing = true;
    }
  }

  /**
   * Takes everything to the store, as far as that is there. One at a time: who comes meanwhile waits for that. Throws StoreUnavailable;
   * what was not taken is kept.
   */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #flush(): Promise<void> {
    this.#due(); // what is too late goes, even while the store stays away: slots come and go
    await inBatches([...this.#running], (hold) => this.#move(hold));
    await this.#chargeOwed();
  }

  /** From now on the store holds a running request, as if it had been asked. It counts even where there is no room: it runs. */
  #move(hold: LocalHold): Promise<void> {
    if (!this.#running.has(hold)) return Promise.resolve(); // it ended meanwhile
    const moving = this.#moveNow(hold).finally(() => {
      hold.moving = undefined;
    });
    hold.moving = moving;
    return moving;
  }

  async #moveNow(hold: LocalHold): Promise<void> {
    const { store, clock, nextId, leases } = this.#deps;
    const { namespace, leaseMs } = hold;
    const items = hold.items.filter(({ share, slot }) => isLive(slot, spanOf(share.window, clock.nowMs())));
    if (items.length === 0) {
      this.#deps.tooLate();
      return this.#moved(hold, "", []);
    }
    const holdId = nextId();
    const claims = items.map(({ share, claim, amount }) => claimOf(share, claim.max, amount));
    const { claims: states } = await store.reserve({ namespace, holdId, leaseMs, claims });
    leases.keep(namespace, holdId, leaseMs);
    const moved = items.map((item) => ({ ...item, slot: chargeOwn(item.share, item.amount, clock.nowMs()) }));
    this.#moved(hold, holdId, moved);
    for (const [i, { share }] of items.entries())
      look(share, states[i]?.used ?? share.seen.used, clock.nowMs(), clock.monotonicMs());
  }

  #moved(hold: LocalHold, holdId: string, items: readonly LocalItem[]): void {
    this.#running.delete(hold);
    for (const { share, slot, amount } of hold.items) correct(share.local, slot, -amount);
    hold.moved = { holdId, items };
  }

  /** Charges what has ended in windows that still run. One reserve for many counters; its charge stands, whatever becomes of its settlement. */
  async #chargeOwed(): Promise<void> {
    if (!this.#isOwing) return;
    const due = this.#due();
    this.#isOwing = due.length > 0;
    const byNamespace = Map.groupBy(due, ({ share }) => share.namespace);
    for (const [namespace, dues] of byNamespace) {
      for (let from = 0; from < dues.length; from += claimsMax)
        await this.#charge(namespace, dues.slice(from, from + claimsMax));
    }
    this.#isOwing = [...this.#deps.shares()].some(({ owed }) => owed.size > 0);
  }

  async #charge(namespace: string, dues: readonly Due[]): Promise<void> {
    const { store, clock, nextId, settler } = this.#deps;
    const holdId = nextId();
    const claims = dues.map(({ share, units }) => claimOf(share, 0, units));
    const { claims: states } = await store.reserve({ namespace, holdId, leaseMs: chargeLeaseMs, claims });
    settler.settle({ namespace, holdId, amounts: dues.map(({ units }) => units) });
    for (const [i, { share, units, slots }] of dues.entries()) {
      for (const [slot, charged] of slots) {
        correct(share.local, slot, -charged);
        pay(share, slot, charged);
      }
      chargeOwn(share, units, clock.nowMs());
      look(share, states[i]?.used ?? share.seen.used, clock.nowMs(), clock.monotonicMs());
    }
  }

  /** What can be charged; drops what is too late. */
  #due(): Due[] {
    const due: Due[] = [];
    const nowMs = this.#deps.clock.nowMs();
    for (const share of this.#deps.shares()) {
      if (share.owed.size === 0) continue;
      const slots = this.#liveSlots(share, spanOf(share.window, nowMs));
      const units = slots.reduce((sum, [, charged]) => sum + charged, 0);
      if (units > 0) due.push({ share, units, slots });
    }
    return due;
  }

  #liveSlots(share: Share, span: Span): [number, number][] {
    for (const slot of [...share.owed.keys()]) {
      if (isLive(slot, span)) continue;
      share.owed.delete(slot);
      this.#deps.tooLate();
    }
    return [...share.owed];
  }
}

interface Due {
  readonly share: Share;
  readonly units: number;
  readonly slots: readonly (readonly [slot: number, units: number])[];
}

/** What happened is charged even where there is no room. */
const claimOf = ({ counter, scope, window }: Share, max: number, amount: number): Claim => ({
  ...{ counter, window, max, amount, enforced: false },
  ...(scope && { scope }),
});

/** Concurrency is given back at the end, whatever was told. */
const actualOf = ({ share, index }: LocalItem, amounts: readonly number[] | undefined): number =>
  share.window.type === "Concurrency" ? 0 : (amounts?.[index] ?? 0);

/** Takes off what was charged; more may have been added to the slot meanwhile. */
const pay = (share: Share, slot: number, charged: number): void => {
  const left = (share.owed.get(slot) ?? 0) - charged;
  if (left > 0) share.owed.set(slot, left);
  else share.owed.delete(slot);
};

/** Does all of it, so many at once; the first failure stops what has not begun. */
const inBatches = async <Item>(items: readonly Item[], run: (item: Item) => Promise<void>): Promise<void> => {
  for (let from = 0; from < items.length; from += batchSize) {
    const outcomes = await Promise.allSettled(items.slice(from, from + batchSize).map(run));
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed) throw failed.reason;
  }
};
