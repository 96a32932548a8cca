/**
 * `precision: Leased`. In front of the quota store: of hot counters under such quotas this sidecar holds slices, and admits requests from
 * them without asking. All else is the store's, in its one round trip. A request is held by all or by nothing, as ever.
 */
import type { Clock } from "../../../base/clock.ts";
import type { Log } from "../../../base/log.ts";
import type { WindowSpec } from "../../../base/window.ts";
import {
  type Claim,
  type ClaimState,
  type QuotaStore,
  type ReserveRequest,
  type ReserveResult,
  type Settlement,
  type Trim,
  unseenClaim,
} from "../../ports/quota-store.ts";
import { amountFor } from "../../stores/memory/grant.ts";
import { pendingSettlementsMax } from "../settler.ts";
import { stateOf } from "./slice.ts";
import { type Answer, SlicedCounter, type Taken } from "./sliced-counter.ts";
import type { SlicedDeps } from "./sliced-deps.ts";
import { counterKeyOf, isLeased, outputMostOf, type Want, wantOf } from "./want.ts";

/** Counters that a sidecar looks at for slices. While all of them are asked for, further ones are decided by the store. */
export const slicedCountersMax = 1_024;
/** How often slices are looked through for those whose time is over, in ms. */
export const sliceLookMs = 500;

/** A request with leased claims: where each of its claims is held, in their order. */
interface Hold {
  readonly parts: readonly (Taken | undefined)[];
  /** Keys of the counters that the store decided; they may be forgotten and known again meanwhile. */
  readonly others: readonly string[];
  readonly isInStore: boolean;
  readonly result: ReserveResult;
  hasEnded: boolean;
}

/** A leased claim with its counter; none: too many are looked at. */
interface Asked {
  readonly want: Want;
  readonly key: string;
  readonly counter: SlicedCounter | undefined;
  readonly answer: Answer;
}

/** Requests without leased claims pass through. */
export class SliceStore implements QuotaStore {
  readonly #store: QuotaStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #instance: string;
  readonly #counters = new Map<string, SlicedCounter>();
  readonly #holds = new Map<string, Hold>();
  /** Names of holds whose settlement the store has not taken. */
  readonly #unsettled = new Set<string>();
  #deps: SlicedDeps | undefined;
  #timer: NodeJS.Timeout | undefined;
  #serial = 0;

  constructor(options: { store: QuotaStore; clock: Clock; log: Log; instance: string }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#instance = options.instance;
  }

  /** What slices need besides; it may work through this store. Before it nothing is leased. */
  use(more: Pick<SlicedDeps, "settler" | "leases" | "metrics"> & Partial<Pick<SlicedDeps, "random" | "later">>): void {
    this.#deps = {
      random: Math.random,
      later: (ms, run) => void setTimeout(run, ms),
      ...{ ...more, store: this.#store, clock: this.#clock, log: this.#log },
      nextId: () => `slice-${this.#instance}-${(++this.#serial).toString(36)}`,
    };
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), sliceLookMs).unref();
  }

  /** Gives all slices back. What still runs is settled by its requests. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const counter of this.#counters.values()) counter.end();
    await this.#trimAll();
  }

  /** Slices that are admitted from now; for metrics. */
  get slices(): number {
    let count = 0;
    for (const counter of this.#counters.values()) if (counter.hasSlice) count++;
    return count;
  }

  /** Ends what is due, gives back what lies unused, forgets counters that nobody asks for. Never rejects. */
  async look(): Promise<void> {
    for (const [key, counter] of this.#counters) {
      counter.endIfDue();
      if (counter.isIdle) this.#counters.delete(key);
    }
    await this.#trimAll();
  }

  reserve(request: ReserveRequest): Promise<ReserveResult> {
    const { claims, namespace, holdId } = request;
    if (this.#deps === undefined || !claims.some(isLeased)) return this.#store.reserve(request);
    const known = this.#holds.get(nameOf(namespace, holdId));
    return known ? Promise.resolve(known.result) : this.#reserve(request);
  }

  settle(settlement: Settlement): Promise<boolean> {
    const { namespace, holdId, amounts } = settlement;
    const hold = this.#holdOf(namespace, holdId);
    if (hold === undefined) return this.#store.settle(settlement);
    const own = amounts.filter((_, index) => hold.parts[index] === undefined);
    return this.#end(namespace, holdId, hold, {
      actual: (index) => amounts[index] ?? 0,
      inStore: () => this.#store.settle({ namespace, holdId, amounts: own }),
    });
  }

  release(namespace: string, holdId: string): Promise<boolean> {
    const hold = this.#holdOf(namespace, holdId);
    if (hold === undefined) return this.#store.release(namespace, holdId);
    return this.#end(namespace, holdId, hold, {
      actual: () => 0,
      inStore: () => this.#store.release(namespace, holdId),
    });
  }

  async renew(namespace: string, holdIds: readonly string[], leaseMs: number): Promise<readonly string[]> {
    const held = holdIds.filter((holdId) => this.#holdOf(namespace, holdId)?.isInStore ?? true);
    return held.length === 0 ? [] : this.#store.renew(namespace, held, leaseMs);
  }

  trim(namespace: string, trims: readonly Trim[]): Promise<readonly string[]> {
    return this.#store.trim(namespace, trims);
  }
  peek(namespace: string, counter: string, window: WindowSpec): Promise<number> {
    return this.#store.peek(namespace, counter, window);
  }
  liveHolds(namespace: string): Promise<number> {
    return this.#store.liveHolds(namespace);
  }

  #holdOf(namespace: string, holdId: string): Hold | undefined {
    return this.#holds.size === 0 ? undefined : this.#holds.get(nameOf(namespace, holdId));
  }

  /** Slices first, by what lies here; then the store for all that is not in one. What one of them refuses the others give back. */
  async #reserve(request: ReserveRequest): Promise<ReserveResult> {
    const asked = await this.#ask(request);
    const refused = asked.some((each) => each?.answer.kind === "refused");
    if (refused) {
      this.#giveBack(asked);
      const claims = asked.map((each) => (each?.answer.kind === "refused" ? each.answer.state : unseenClaim));
      return { admitted: false, outputGranted: 0, claims };
    }
    const outputs = asked.flatMap((each) => (each?.answer.kind === "taken" ? [each.answer.output] : []));
    const wanted = Math.min(outputMostOf(request.output), ...outputs);
    const rest = request.claims.filter((_, index) => asked[index]?.answer.kind !== "taken");
    let decided: ReserveResult = { admitted: true, outputGranted: request.output ? wanted : 0, claims: [] };
    if (rest.length > 0) {
      try {
        const output = request.output && { ...request.output, wanted };
        decided = await this.#store.reserve({ ...request, claims: rest, ...(output && { output }) });
      } catch (fault) {
        this.#giveBack(asked);
        throw fault;
      }
    }
    return this.#held(request, asked, decided);
  }

  async #ask({ namespace, claims, output }: ReserveRequest): Promise<readonly (Asked | undefined)[]> {
    const asking = claims.map((claim) => {
      if (!isLeased(claim)) return undefined;
      const key = counterKeyOf(namespace, claim);
      const counter = this.#counterOf(namespace, claim, key);
      const want = wantOf(claim, output);
      return { want, key, counter, answer: counter?.ask(want) ?? ({ kind: "store" } as const) };
    });
    const isHere = asking.every((each) => each === undefined || !(each.answer instanceof Promise));
    if (isHere) return asking as readonly (Asked | undefined)[]; // no promise is among them
    const settled = await Promise.allSettled(asking.map((each) => each?.answer));
    const asked = asking.map((each, index): Asked | undefined => {
      const outcome = settled[index];
      const answer = outcome?.status === "fulfilled" ? outcome.value : undefined;
      return each && { ...each, answer: answer ?? { kind: "store" } };
    });
    const failed = settled.find((outcome) => outcome.status === "rejected");
    if (failed === undefined) return asked;
    this.#giveBack(asked);
    throw failed.reason;
  }

  /** Puts both together: what was decided by the store, and what lies in slices. */
  #held(request: ReserveRequest, asked: readonly (Asked | undefined)[], decided: ReserveResult): ReserveResult {
    const { admitted, outputGranted } = decided;
    const states = decided.claims.values();
    const others: string[] = [];
    const claims = asked.map((each): ClaimState => {
      if (each?.answer.kind === "taken") {
        const { counter, slice } = each.answer;
        const amount = amountFor(each.want.claim, outputGranted);
        if (admitted && amount < each.answer.amount) counter.shrink(each.answer, amount);
        this.#deps?.metrics.claim(each.want.claim.counter, "slice");
        return admitted ? stateOf(slice, this.#clock) : unseenClaim;
      }
      const state = states.next().value ?? unseenClaim;
      if (each) others.push(each.key);
      each?.counter?.learn(each.want, state, admitted);
      if (each) this.#deps?.metrics.claim(each.want.claim.counter, "store");
      return state;
    });
    const result = { admitted, outputGranted, claims };
    if (!admitted) {
      this.#giveBack(asked);
      return result;
    }
    const parts = asked.map((each) => (each?.answer.kind === "taken" ? each.answer : undefined));
    const isInStore = decided.claims.length > 0;
    this.#holds.set(nameOf(request.namespace, request.holdId), { parts, others, isInStore, result, hasEnded: false });
    return result;
  }

  #giveBack(asked: readonly (Asked | undefined)[]): void {
    for (const each of asked) {
      if (each?.answer.kind === "taken") each.answer.counter.finish(each.answer, 0);
      else if (each?.answer.kind === "refused") this.#deps?.metrics.claim(each.want.claim.counter, "refusal");
    }
  }

  /** Ends the parts in slices once; the store's as often as it takes. */
  async #end(
    namespace: string,
    holdId: string,
    hold: Hold,
    { actual, inStore }: { readonly actual: (index: number) => number; readonly inStore: () => Promise<boolean> },
  ): Promise<boolean> {
    const name = nameOf(namespace, holdId);
    if (!hold.hasEnded) for (const [index, part] of hold.parts.entries()) part?.counter.finish(part, actual(index));
    hold.hasEnded = true;
    for (const key of hold.others) this.#counters.get(key)?.freed();
    try {
      const isDone = hold.isInStore ? await inStore() : true;
      this.#forget(name);
      return isDone;
    } catch (fault) {
      this.#unsettled.add(name);
      // The settler drops the oldest of so many, so nobody will ask for it again.
      for (const oldest of this.#unsettled) {
        if (this.#unsettled.size <= pendingSettlementsMax) break;
        this.#forget(oldest);
      }
      throw fault;
    }
  }

  #forget(name: string): void {
    this.#unsettled.delete(name);
    this.#holds.delete(name);
  }

  #counterOf(namespace: string, claim: Claim, key: string): SlicedCounter | undefined {
    const known = this.#counters.get(key);
    if (known || this.#deps === undefined || this.#counters.size >= slicedCountersMax) return known;
    const counter = new SlicedCounter(namespace, claim.counter, this.#deps);
    this.#counters.set(key, counter);
    return counter;
  }

  /** One call for each namespace. */
  async #trimAll(): Promise<void> {
    for (const [namespace, counters] of Map.groupBy(this.#counters.values(), (counter) => counter.namespace)) {
      const trims = counters.flatMap((counter) => counter.trims());
      if (trims.length === 0) continue;
      try {
        await this.#store.trim(namespace, trims);
        for (const counter of counters) counter.freed();
      } catch (fault) {
        for (const counter of counters) counter.untrimmed(trims, fault);
      }
    }
  }
}

const nameOf = (namespace: string, holdId: string): string => `${namespace}/${holdId}`;
