import { assert } from "../../../base/assert.ts";
import type { Clock } from "../../../base/clock.ts";
import { resetMsOf, spanOf, usedOf, type WindowSpec } from "../../../base/window.ts";
import { clusterNamespace } from "../../../redis/keys.ts";
import type {
  Claim,
  ClaimState,
  QuotaStore,
  ReserveRequest,
  ReserveResult,
  Settlement,
  Trim,
} from "../../ports/quota-store.ts";
import { StoreUnavailable } from "../../ports/store-unavailable.ts";
import { checkAmounts, checkCounter, checkNames, checkReserve } from "../claims.ts";
import { type Counter, charge, correct, judge, type Meeting } from "./counter.ts";
import { amountFor, grantOutput } from "./grant.ts";
import { type HeldAmount, type Hold, Holds } from "./holds.ts";

/** Default bound of counters, and of live holds: about 50 MB at the worst. */
export const memoryEntriesMaxDefault = 100_000;

/** How often a full table is searched for counters that have ended, ms. */
const sweepIntervalMs = 1_000;

/** Bounds of the in-memory counters, and their time. */
export interface MemoryQuotaSettings {
  /** Windows follow its wall clock, leases its monotonic one. */
  readonly clock: Clock;
  /** Counters, and live holds, at most. Full of live ones: reserve throws StoreUnavailable, for to forget one would be to let calls pass. Default 100,000. */
  readonly entriesMax?: number;
}

/** Counters in this process: for one machine and for tests. They end with the process. */
export const createMemoryQuotaStore = (settings: MemoryQuotaSettings): QuotaStore => new MemoryQuotaStore(settings);

class MemoryQuotaStore implements QuotaStore {
  readonly #clock: Clock;
  readonly #entriesMax: number;
  readonly #counters = new Map<string, Counter>();
  readonly #holds = new Holds((hold) => this.#giveBackConcurrency(hold));
  #nextSweepMs = 0;

  constructor({ clock, entriesMax = memoryEntriesMaxDefault }: MemoryQuotaSettings) {
    this.#clock = clock;
    this.#entriesMax = entriesMax;
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    checkReserve(request);
    const { namespace, claims } = request;
    this.#holds.expire(this.#clock.monotonicMs());
    const holdName = `${namespace}/${request.holdId}`;
    const first = this.#holds.get(holdName);
    if (first !== undefined) return first.result;

    const nowMs = this.#clock.nowMs();
    const met = claims.map((claim) => this.#meet(namespace, claim, nowMs));
    const outputGranted = grantOutput(request.output, met);
    const judged = met.map((meeting) => {
      const amount = amountFor(meeting.claim, outputGranted);
      return { ...meeting, amount, state: judge(meeting, amount, nowMs) };
    });
    if (judged.some(({ claim, state }) => claim.enforced && state.exceeded)) {
      return { admitted: false, outputGranted: 0, claims: judged.map(({ state }) => state) };
    }

    this.#makeRoom(judged.map(({ name }) => name));
    const amounts: HeldAmount[] = [];
    const states: ClaimState[] = [];
    for (const { claim, name, counter, span, state, amount } of judged) {
      this.#counters.set(name, counter);
      const added = charge(counter, span, amount);
      amounts.push({
        counter: name,
        slot: span.slot,
        amount: added,
        isConcurrency: claim.window.type === "Concurrency",
      });
      states.push({ ...state, used: state.used + added, resetMs: resetMsOf(counter.slots, span, claim.window, nowMs) });
    }
    const result = { admitted: true, outputGranted, claims: states };
    this.#holds.add(holdName, { endsMs: this.#clock.monotonicMs() + request.leaseMs, amounts, result });
    return result;
  }

  async settle({ namespace, holdId, amounts }: Settlement): Promise<boolean> {
    checkNames(namespace, holdId);
    checkAmounts(amounts);
    this.#holds.expire(this.#clock.monotonicMs());
    const name = `${namespace}/${holdId}`;
    const hold = this.#holds.get(name);
    if (hold === undefined) return false;
    assert(amounts.length === hold.amounts.length, "a settlement has one amount for each claim");
    this.#holds.take(name);
    this.#giveBackConcurrency(hold);
    for (const [index, held] of hold.amounts.entries()) {
      if (!held.isConcurrency) this.#correct(held, (amounts[index] ?? held.amount) - held.amount);
    }
    return true;
  }

  async release(namespace: string, holdId: string): Promise<boolean> {
    checkNames(namespace, holdId);
    this.#holds.expire(this.#clock.monotonicMs());
    const hold = this.#holds.take(`${namespace}/${holdId}`);
    if (hold === undefined) return false;
    this.#giveBackConcurrency(hold);
    for (const held of hold.amounts) if (!held.isConcurrency) this.#correct(held, -held.amount);
    return true;
  }

  async trim(namespace: string, trims: readonly Trim[]): Promise<readonly string[]> {
    this.#holds.expire(this.#clock.monotonicMs());
    const gone: string[] = [];
    for (const { holdId, amounts } of trims) {
      checkNames(namespace, holdId);
      checkAmounts(amounts);
      const name = `${namespace}/${holdId}`;
      const hold = this.#holds.get(name);
      if (hold === undefined) {
        gone.push(holdId);
        continue;
      }
      assert(amounts.length === hold.amounts.length, "a trim has one amount for each claim");
      const trimmed = hold.amounts.map((held, index): HeldAmount => {
        const amount = held.isConcurrency ? held.amount : (amounts[index] ?? held.amount);
        this.#correct(held, amount - held.amount);
        return { ...held, amount };
      });
      this.#holds.add(name, { ...hold, amounts: trimmed });
    }
    return gone;
  }

  async renew(namespace: string, holdIds: readonly string[], leaseMs: number): Promise<readonly string[]> {
    const nowMs = this.#clock.monotonicMs();
    this.#holds.expire(nowMs);
    return holdIds.filter((holdId) => {
      const hold = this.#holds.get(`${namespace}/${holdId}`);
      if (hold !== undefined) hold.endsMs = Math.max(hold.endsMs, nowMs + leaseMs);
      return hold === undefined;
    });
  }

  async peek(namespace: string, counter: string, window: WindowSpec): Promise<number> {
    checkCounter(namespace, counter, window);
    this.#holds.expire(this.#clock.monotonicMs());
    const found = this.#counters.get(counterName(namespace, counter, window));
    return found === undefined ? 0 : usedOf(found.slots, spanOf(window, this.#clock.nowMs()));
  }

  async liveHolds(namespace: string): Promise<number> {
    this.#holds.expire(this.#clock.monotonicMs());
    return this.#holds.count(`${namespace}/`);
  }

  #meet(namespace: string, claim: Claim, nowMs: number): Meeting & { readonly name: string } {
    const name = counterName(claim.scope ? clusterNamespace : namespace, claim.counter, claim.window);
    const counter = this.#counters.get(name) ?? { slots: new Map(), endsMs: 0 };
    const span = spanOf(claim.window, nowMs);
    return { claim, name, counter, span, used: usedOf(counter.slots, span) };
  }

  #giveBackConcurrency(hold: Hold): void {
    for (const held of hold.amounts) {
      if (!held.isConcurrency) continue;
      this.#correct(held, -held.amount);
      if (this.#counters.get(held.counter)?.slots.get(held.slot) === 0) this.#counters.delete(held.counter);
    }
  }

  #correct(held: HeldAmount, change: number): void {
    const counter = this.#counters.get(held.counter);
    if (counter !== undefined) correct(counter, held.slot, change);
  }

  /** Throws StoreUnavailable where the new counters or one more hold do not fit. */
  #makeRoom(names: readonly string[]): void {
    const added = names.filter((name) => !this.#counters.has(name)).length;
    if (this.#counters.size + added > this.#entriesMax) this.#sweep();
    if (this.#counters.size + added > this.#entriesMax || this.#holds.size >= this.#entriesMax) {
      throw new StoreUnavailable("the in-memory quota store is full", { maybeDone: false });
    }
  }

  #sweep(): void {
    const monotonicMs = this.#clock.monotonicMs();
    if (monotonicMs < this.#nextSweepMs) return;
    this.#nextSweepMs = monotonicMs + sweepIntervalMs;
    const nowMs = this.#clock.nowMs();
    for (const [name, counter] of this.#counters) if (counter.endsMs <= nowMs) this.#counters.delete(name);
  }
}

/** A changed window is another counter: its slots have another length. */
const counterName = (namespace: string, counter: Claim["counter"], window: WindowSpec): string => {
  const duration = "durationMs" in window ? window.durationMs : 0;
  return `${namespace}/${window.type}:${duration}:${counter}`;
};
