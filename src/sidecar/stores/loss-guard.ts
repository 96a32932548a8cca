import { type Clock, systemClock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { WindowSpec } from "../../base/window.ts";
import type { Leg, LegStore } from "../ports/leg-store.ts";
import type { MarkStore } from "../ports/mark-store.ts";
import type { QuotaStore, ReserveRequest, ReserveResult, Settlement, Trim } from "../ports/quota-store.ts";
import { StoreUnavailable } from "../ports/store-unavailable.ts";
import { Journal, type Remembered } from "./loss-journal.ts";

/** How often a sidecar that counts looks whether Redis has lost anything, ms. */
export const lookMs = 1_000;
/** Charges between two marks: so many may be counted twice where Redis lost its last writes. More often would cost more. */
export const chargesPerMark = 64;
/** Charges told again at once. */
const batchSize = 100;

/** What a guard needs. */
export interface LossGuardSettings {
  readonly store: QuotaStore;
  /** The same store by legs: each is lost apart, and told again apart. */
  readonly legs: LegStore;
  readonly marks: MarkStore;
  /** Names this process among all that count; new with each start. */
  readonly instance: string;
  readonly log: Log;
  /** Monotonic: how long ago a call ended. Absent: the machine's. */
  readonly clock?: Clock;
}

/** What was charged on one leg of a namespace. */
interface Slot {
  readonly namespace: string;
  readonly leg: Leg;
  readonly journal: Journal;
}

/**
 * Tells a store again what it has lost. A failover may bring up a replica that lacks the last writes: then this sidecar's mark stands
 * lower than it was moved to, and the charges that this sidecar remembers from after that are made again, above the limit where it
 * must be. What was surely kept is left alone; where that cannot be known a charge is made: rather twice than never.
 */
export class LossGuard implements QuotaStore {
  readonly #settings: LossGuardSettings;
  readonly #store: QuotaStore;
  readonly #clock: Clock;
  readonly #own = new Map<string, Slot>();
  /** Of charges over namespaces, where they lie apart. */
  readonly #over = new Map<string, Slot>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #told = 0;

  constructor(settings: LossGuardSettings) {
    this.#settings = settings;
    this.#store = settings.store;
    this.#clock = settings.clock ?? systemClock;
    this.#timer = setInterval(() => void this.look(), lookMs).unref();
  }

  /** Charges that were told again since the start; for metrics. */
  get told(): number {
    return this.#told;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    const own = this.#slotOf(request.namespace, "Namespace");
    const { period } = own.journal;
    const result = await this.#store.reserve(request);
    if (!result.admitted || request.claims.length === 0) return result;
    this.#remember(own, request, { result, period });
    if (this.#settings.legs.isTwoLegged(request.claims)) {
      const over = this.#slotOf(request.namespace, "Cluster");
      // Sent when the other leg was answered, nobody knows after which mark: the newest may tell it in vain, an older one not at all.
      this.#remember(over, request, { result, period: over.journal.period });
    }
    return result;
  }

  async settle(settlement: Settlement): Promise<boolean> {
    const endedMs = this.#clock.monotonicMs();
    if (this.#looking !== undefined) await this.#looking; // a hold that is being told again is settled after that
    const { journal } = this.#slotOf(settlement.namespace, "Namespace");
    const { period } = journal;
    const over = this.#over.get(settlement.namespace)?.journal;
    const overPeriod = over?.period ?? 0;
    let isSettled: boolean;
    try {
      isSettled = await this.#store.settle(settlement);
    } catch (fault) {
      for (const each of [journal, over]) each?.ended(settlement.holdId, endedMs); // its age counts from here, not from when Redis is back
      throw fault;
    }
    const isKnown = journal.settled(settlement, period, endedMs);
    over?.settled(settlement, overPeriod, endedMs);
    // Gone, and not by us: its lease has ended, or it is lost.
    if (!isSettled && isKnown) void this.look();
    return isSettled;
  }

  async release(namespace: string, holdId: string): Promise<boolean> {
    if (this.#looking !== undefined) await this.#looking;
    this.#own.get(namespace)?.journal.forget(holdId);
    this.#over.get(namespace)?.journal.forget(holdId);
    return this.#store.release(namespace, holdId);
  }

  /** Not remembered: a hold that is lost is told again as it was made, which is rather too much, until it is settled. */
  async trim(namespace: string, trims: readonly Trim[]): Promise<readonly string[]> {
    if (this.#looking !== undefined) await this.#looking;
    return this.#store.trim(namespace, trims);
  }

  async renew(namespace: string, holdIds: readonly string[], leaseMs: number): Promise<readonly string[]> {
    const gone = await this.#store.renew(namespace, holdIds, leaseMs);
    const journal = this.#own.get(namespace)?.journal;
    if (!gone.some((holdId) => journal?.has(holdId))) return gone;
    await this.look();
    return this.#store.renew(namespace, holdIds, leaseMs);
  }

  peek(namespace: string, counter: string, window: WindowSpec): Promise<number> {
    return this.#store.peek(namespace, counter, window);
  }
  liveHolds(namespace: string): Promise<number> {
    return this.#store.liveHolds(namespace);
  }

  /** Looks at every mark and tells again what is lost; one look at a time. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#lookAll().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  #slotOf(namespace: string, leg: Leg): Slot {
    const slots = leg === "Cluster" ? this.#over : this.#own;
    const known = slots.get(namespace);
    if (known !== undefined) return known;
    const slot = { namespace, leg, journal: new Journal() };
    slots.set(namespace, slot);
    return slot;
  }

  #remember(slot: Slot, request: ReserveRequest, { result, period }: { result: ReserveResult; period: number }): void {
    const count = slot.journal.reserved(request, result.outputGranted, period);
    if (count % chargesPerMark === 0) this.#markSoon(slot);
  }

  async #lookAll(): Promise<void> {
    for (const slot of [...this.#own.values(), ...this.#over.values()]) {
      if (slot.journal.isEmpty) {
        slot.journal.idle();
        continue;
      }
      try {
        await this.#lookAt(slot);
      } catch (fault) {
        if (!(fault instanceof StoreUnavailable)) this.#settings.log.error({ err: fault }, "charges not told again");
        // Redis is away: what is to be told waits for the next look.
      }
    }
  }

  /** Answers how many charges are lost. Throws StoreUnavailable. */
  async #mark({ namespace, leg, journal }: Slot): Promise<number> {
    const mark = journal.nextMark();
    const { marks, instance, log } = this.#settings;
    const lost = journal.compare(mark, await marks.move({ namespace, leg, instance }, mark), this.#clock.monotonicMs());
    if (lost > 0) log.warn({ charges: lost, leg }, "redis lost its last writes, they are told again");
    return lost;
  }

  #markSoon(slot: Slot): void {
    const tellIf = (lost: number): Promise<void> | undefined => (lost > 0 ? this.look() : undefined);
    this.#mark(slot)
      .then(tellIf)
      .catch((fault: unknown) => {
        // Redis is away: the next look sees what has become of it.
        if (!(fault instanceof StoreUnavailable)) this.#settings.log.error({ err: fault }, "mark not moved");
      });
  }

  async #lookAt(slot: Slot): Promise<void> {
    const { journal } = slot;
    await this.#mark(slot);
    journal.forgetOld();
    const next = (): readonly Remembered[] => journal.toTell(batchSize, this.#clock.monotonicMs());
    for (let batch = next(); batch.length > 0; batch = next()) {
      const faults = await Promise.all(batch.map((one) => this.#faultOf(one, slot.leg)));
      // What was told is not told again because of a neighbour; what can never be told stands in nobody's way.
      journal.told(batch.filter((_, at) => !(faults[at] instanceof StoreUnavailable)));
      this.#told += faults.filter((fault) => fault === undefined).length;
      const away = faults.find((fault) => fault instanceof StoreUnavailable);
      if (away) throw away;
    }
  }

  /** Tells one; what kept it from that, undefined: nothing. */
  async #faultOf(one: Remembered, leg: Leg): Promise<unknown> {
    try {
      await this.#tell(one, leg);
      return undefined;
    } catch (fault) {
      if (!(fault instanceof StoreUnavailable))
        this.#settings.log.error({ err: fault }, "a charge cannot be told again");
      return fault;
    }
  }

  /** Idempotent while the hold lives: it is made again under its own id. The other leg is left as it is. */
  async #tell({ request, granted, actual, isReserveKept }: Remembered, leg: Leg): Promise<void> {
    const { legs } = this.#settings;
    const { namespace, holdId } = request;
    const isApart = legs.isTwoLegged(request.claims);
    if (leg === "Cluster" && !isApart) return; // no Cluster any more: the first leg is all of it
    const charges = request.claims
      .map((claim, i) => ({ claim, actual: actual?.[i] ?? 0 }))
      .filter(({ claim }) => !isApart || (claim.scope === "Cluster") === (leg === "Cluster"));
    if (!isReserveKept) {
      const claims = charges.map((each) => ({
        ...each.claim,
        enforced: false,
        ...(actual !== undefined && { amount: each.actual, perOutput: 0 }),
      }));
      await legs.reserve({ ...request, claims, output: { ...request.output, wanted: granted, min: granted } }, leg);
    }
    if (actual !== undefined)
      await legs.settle({ namespace, holdId, amounts: charges.map((each) => each.actual) }, leg);
  }
}
