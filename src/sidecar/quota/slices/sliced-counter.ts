/** One hot counter on one sidecar: the slice that is admitted from, those that have ended while requests of them run, and who waits. */
import type { ClaimState, ReserveResult, Trim } from "../../ports/quota-store.ts";
import { StoreUnavailable } from "../../ports/store-unavailable.ts";
import { amountFor } from "../../stores/memory/grant.ts";
import { Pace } from "./pace.ts";
import { RefusalMemory } from "./refusal-memory.ts";
import {
  isUnderstated,
  lifeMsOf,
  type Moment,
  momentOf,
  roomOf,
  type Slice,
  sinceMs,
  sliceLeaseMs,
  sliceMs,
} from "./slice.ts";
import type { SlicedDeps } from "./sliced-deps.ts";
import { Spread } from "./spread.ts";
import { outputWithin, type Want } from "./want.ts";

/** What a request has of a slice. */
export interface Taken {
  readonly kind: "taken";
  readonly counter: SlicedCounter;
  readonly slice: Slice;
  amount: number;
  /** Output that it is enough for, in tokens. */
  readonly output: number;
}

/** store: it is to be decided there, with the request's other claims. */
export type Answer = Taken | { readonly kind: "refused"; readonly state: ClaimState } | { readonly kind: "store" };
const inStore: Answer = { kind: "store" };

interface Waiter {
  readonly want: Want;
  readonly sinceMs: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (fault: unknown) => void;
}

/** What is admitted from it was held in the store before, in the slot that runs: so it is never above the limit, whatever others do. */
export class SlicedCounter {
  readonly #deps: SlicedDeps;
  readonly #namespace: string;
  readonly #counter: string;
  readonly #pace = new Pace();
  #slice: Slice | undefined;
  /** Not admitted from any more; requests of them run. */
  readonly #ended = new Set<Slice>();
  #waiting: Waiter[] | undefined;
  readonly #refusals = new RefusalMemory();
  readonly #spread = new Spread();
  /** The last slice ended with its slot, as those of all sidecars did. */
  #hasSlotEnded = false;

  constructor(namespace: string, counter: string, deps: SlicedDeps) {
    this.#deps = deps;
    this.#namespace = namespace;
    this.#counter = counter;
  }

  get namespace(): string {
    return this.#namespace;
  }
  /** Admitted from now. */
  get hasSlice(): boolean {
    return this.#slice !== undefined;
  }
  /** Nothing of it is held here, and nobody asks for it. */
  get isIdle(): boolean {
    const isFree = this.#slice === undefined && this.#ended.size === 0 && this.#waiting === undefined;
    return isFree && this.#pace.isIdle(this.#deps.clock.monotonicMs());
  }

  /** Takes what a request wants; waits for the store only where a slice has to be fetched. Rejects with StoreUnavailable. */
  ask(want: Want): Answer | Promise<Answer> {
    const nowMs = this.#deps.clock.monotonicMs();
    this.#pace.count(nowMs);
    const slice = this.#usable(want.claim.max);
    if (slice && roomOf(slice) >= want.most) return this.#take(slice, want, want.outputMost);
    const state = this.#refusals.stateFor(want, nowMs);
    if (state) return { kind: "refused", state };
    if (this.#waiting) return this.#wait(want, nowMs);
    this.end();
    const units = this.#pace.next(want.most, want.claim.max, nowMs);
    if (units !== undefined) {
      if ([...this.#ended].some(isUnderstated)) this.#giveBack(); // what costs more than was held is told before more is asked for
      return this.#refill(want, units, nowMs);
    }
    this.#giveBack(); // before the store decides: what lies here is not to be the reason that it refuses
    return inStore;
  }

  /** What the store said of the counter when it decided a request. */
  learn(want: Want, state: ClaimState, admitted: boolean): void {
    const nowMs = this.#deps.clock.monotonicMs();
    if (!admitted && !state.exceeded) return; // it may not have been looked at
    this.#pace.look(state.used, nowMs);
    if (!admitted) this.#refuse(want, state, nowMs);
  }

  /** Something of this sidecar's own was given back in the store. */
  freed(): void {
    this.#refusals.forget();
  }

  /** A request needs less of a slice than it took. */
  shrink(taken: Taken, amount: number): void {
    taken.slice.running -= taken.amount - amount;
    taken.amount = amount;
    this.freed();
  }

  /** A request has ended at so much. */
  finish({ slice, amount }: Taken, actual: number): void {
    slice.running -= amount;
    slice.requests--;
    slice.consumed += actual;
    if (actual < amount) this.freed();
    if (slice === this.#slice && slice.running + slice.consumed > slice.units) this.end(); // others are to know of it
    if (slice === this.#slice) return;
    if (slice.requests > 0) {
      if (isUnderstated(slice)) this.#giveBack();
      return;
    }
    this.#ended.delete(slice);
    this.#deps.leases.drop(slice.holdId);
    this.#settle(slice);
  }

  /**
   * The slice is not admitted from any more. What is left of it goes back at the next look: when a slot ends the slices of a whole fleet do,
   * and Redis has enough to do with the new ones.
   */
  end(): void {
    const slice = this.#slice;
    if (slice === undefined) return;
    this.#slice = undefined;
    this.#pace.ended(slice.peak, sinceMs(this.#deps.clock, slice.asked));
    this.#deps.metrics.returned(this.#counter, roomOf(slice));
    this.#ended.add(slice);
    this.#hasSlotEnded = slice.lifeMs < sliceMs && !this.#isAlive(slice);
    if (slice.requests > 0) this.#deps.leases.keep(this.#namespace, slice.holdId, sliceLeaseMs);
  }

  /** Ends a slice whose time is over. */
  endIfDue(): void {
    if (this.#slice && !this.#isAlive(this.#slice)) this.end();
  }

  /**
   * Settles ended slices of which nothing runs, and answers those that hold more in the store than is run and charged of them; from now on
   * they are taken to be trimmed.
   */
  trims(): Trim[] {
    const trims: Trim[] = [];
    for (const slice of this.#ended) {
      const { holdId, requests, inStore: held } = slice;
      if (requests === 0) {
        this.#ended.delete(slice);
        this.#settle(slice);
        continue;
      }
      const amount = slice.running + slice.consumed;
      if (amount === held) continue;
      slice.inStore = amount;
      trims.push({ holdId, amounts: [amount] });
    }
    return trims;
  }

  /** The store has not taken them: the next look tries again. */
  untrimmed(trims: readonly Trim[], fault: unknown): void {
    if (!(fault instanceof StoreUnavailable)) this.#deps.log.error({ err: fault }, "slices not trimmed");
    const ids = new Set(trims.map(({ holdId }) => holdId));
    for (const slice of this.#ended) if (ids.has(slice.holdId)) slice.inStore = Number.NaN;
  }

  #giveBack(): void {
    const trims = this.trims();
    if (trims.length === 0) return;
    this.freed();
    this.#deps.store.trim(this.#namespace, trims).catch((fault: unknown) => this.untrimmed(trims, fault));
  }

  #settle({ holdId, consumed }: Slice): void {
    this.freed();
    this.#deps.settler.settle({ namespace: this.#namespace, holdId, amounts: [consumed] });
  }

  #refuse(want: Want, state: ClaimState, nowMs: number): void {
    this.#refusals.remember(want, state, nowMs);
    this.#pace.refused(nowMs);
  }

  #isAlive({ asked, lifeMs }: Slice): boolean {
    return sinceMs(this.#deps.clock, asked) < lifeMs;
  }

  /** One that was granted under a higher limit than stands now is not. */
  #usable(max: number): Slice | undefined {
    const slice = this.#slice;
    return slice && slice.max <= max && this.#isAlive(slice) ? slice : undefined;
  }

  #take(slice: Slice, { claim }: Want, output: number): Taken {
    const amount = amountFor(claim, output);
    slice.running += amount;
    slice.requests++;
    slice.peak = Math.max(slice.peak, slice.running + slice.consumed);
    return { kind: "taken", counter: this, slice, amount, output };
  }

  #wait(want: Want, nowMs: number): Promise<Answer> {
    return new Promise((resolve, reject) => this.#waiting?.push({ want, sinceMs: nowMs, resolve, reject }));
  }

  #refill(want: Want, units: number, nowMs: number): Promise<Answer> {
    this.#waiting = [];
    const answer = this.#wait(want, nowMs);
    const isFirst = this.#hasSlotEnded;
    this.#hasSlotEnded = false;
    const delayMs = isFirst ? this.#spread.delayMs(this.#deps.random) : 0;
    if (delayMs > 0) this.#deps.later(delayMs, () => this.#fetch(want, units, isFirst));
    else this.#fetch(want, units, isFirst);
    return answer;
  }

  #fetch(want: Want, units: number, isFirst: boolean): void {
    const { store, nextId, clock, metrics } = this.#deps;
    const asked = momentOf(clock);
    const holdId = nextId();
    const { counter, scope, window, max, enforced } = want.claim;
    const claim = { counter, window, max, amount: 0, perOutput: 1, enforced, ...(scope && { scope }) };
    metrics.refilled(this.#counter);
    store
      .reserve({
        ...{ namespace: this.#namespace, holdId, leaseMs: sliceLeaseMs, claims: [claim] },
        output: { wanted: units, min: want.least },
      })
      .then((result) => {
        if (isFirst) this.#spread.answered(clock.monotonicMs() - asked.monotonicMs);
        this.#refilled(result, want, { holdId, asked, units });
      })
      .catch((fault: unknown) => {
        if (isFirst) this.#spread.answered(Number.POSITIVE_INFINITY);
        for (const { reject } of this.#waited()) reject(fault);
      });
  }

  #waited(): readonly Waiter[] {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    return waiting;
  }

  #refilled(
    { admitted, outputGranted, claims: [state] }: ReserveResult,
    head: Want,
    { holdId, asked, units }: { readonly holdId: string; readonly asked: Moment; readonly units: number },
  ): void {
    if (state === undefined) throw new StoreUnavailable("the store says nothing of the claim", { maybeDone: true });
    const nowMs = this.#deps.clock.monotonicMs();
    this.#pace.look(state.used, nowMs);
    const waiting = this.#waited();
    if (!admitted) {
      this.#refuse(head, state, nowMs);
      for (const { want, resolve } of waiting) {
        const refused = this.#refusals.stateFor(want, nowMs);
        resolve(refused ? { kind: "refused", state: refused } : inStore);
      }
      return;
    }
    const slice: Slice = {
      ...{ holdId, asked, max: head.claim.max, exceeded: state.exceeded, resetMs: state.resetMs },
      ...{ units: outputGranted, inStore: outputGranted, usedBeside: state.used - outputGranted },
      ...{ running: 0, requests: 0, consumed: 0, peak: 0, lifeMs: lifeMsOf(head.claim.window, state.resetMs) },
    };
    this.#slice = slice;
    this.#serve(slice, waiting, outputGranted < units);
    if (!this.#isAlive(slice)) this.end();
  }

  /** In the order in which they came; who does not fit goes to the store. `isShort`: there was no more room. */
  #serve(slice: Slice, waiting: readonly Waiter[], isShort: boolean): void {
    const isAlive = this.#isAlive(slice);
    for (const { want, sinceMs: since, resolve } of waiting) {
      const room = roomOf(slice);
      const output = isShort ? outputWithin(want, room) : want.outputMost;
      // who came after the slice was asked for may have come when its slot was over
      const mayTake = (isAlive || since <= slice.asked.monotonicMs) && want.claim.max >= slice.max;
      resolve(mayTake && amountFor(want.claim, output) <= room ? this.#take(slice, want, output) : inStore);
    }
  }
}
