import { type Clock, systemClock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { WindowSpec } from "../../base/window.ts";
import type { Leg, LegStore } from "../ports/leg-store.ts";
import type { MarkStore } from "../ports/mark-store.ts";
import type { QuotaStore, ReserveRequest, ReserveResult, Settlement, Trim } from "../ports/quota-store.ts";
import { StoreUnavailable } from "../ports/store-unavailable.ts";
import { Gate } from "./loss-gate.ts";
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
 * lower than it was moved to, or the same on another server, and the charges that this sidecar remembers from after that are made again,
 * above the limit where it must be. What was surely kept is left alone; where that cannot be known a charge is made: rather twice than never.
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
  /** Closed while a batch is told again. */
  readonly #gate = new Gate();
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
    while (this.#gate.closed !== undefined) await this.#gate.closed; // what the same call gives back has gone before
    if (request.claims.length === 0) return this.#store.reserve(request);
    const own = this.#activeSlotOf(request.namespace, "Namespace");
    const isApart = this.#settings.legs.isTwoLegged(request.claims);
    const over = isApart ? this.#activeSlotOf(request.namespace, "Cluster") : undefined;
    const { period } = own.journal;
    const result = await this.#store.reserve(request);
    if (!result.admitted) return result;
    this.#remember(own, request, { result, period });
    if (over !== undefined) {
      // Sent when the other leg was answered, nobody knows after which mark: the newest may tell it in vain, an older one not at all.
      this.#remember(over, request, { result, period: over.journal.period });
    }
    return result;
  }

  settle(settlement: Settlement): Promise<boolean> {
    const endedMs = this.#clock.monotonicMs();
    return this.#gate.pass(() => this.#settle(settlement, endedMs));
  }

  release(namespace: string, holdId: string): Promise<boolean> {
    return this.#gate.pass(() => {
      this.#own.get(namespace)?.journal.forget(holdId);
      this.#over.get(namespace)?.journal.forget(holdId);
      return this.#store.release(namespace, holdId);
    });
  }

  /** Not remembered: a hold that is lost is told again as it was made, which is rather too much, until it is settled. */
  trim(namespace: string, trims: readonly Trim[]): Promise<readonly string[]> {
    return this.#gate.pass(() => this.#store.trim(namespace, trims));
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

  async #settle(settlement: Settlement, endedMs: number): Promise<boolean> {
    const { journal } = this.#slotOf(settlement.namespace, "Namespace");
    const over = this.#over.get(settlement.namespace)?.journal;
    const [period, overPeriod] = [journal.period, over?.period ?? 0];
    const note = (isDone: boolean): boolean => {
      over?.settled(settlement, { period: overPeriod, endedMs, isDone });
      return journal.settled(settlement, { period, endedMs, isDone });
    };
    let isSettled: boolean;
    try {
      isSettled = await this.#store.settle(settlement);
    } catch (fault) {
      note(false);
      throw fault;
    }
    const isKnown = note(isSettled && over?.has(settlement.holdId) !== true); // of two legs one may have been gone
    // Gone, and not by us: its lease has ended, or it is lost.
    if (!isSettled && isKnown) void this.look();
    return isSettled;
  }

  /** A slot that is to be charged: after a quiet time the charge follows a mark, which says what was lost before. */
  #activeSlotOf(namespace: string, leg: Leg): Slot {
    const slot = this.#slotOf(namespace, leg);
    if (slot.journal.isIdle) this.#markSoon(slot);
    return slot;
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
    const marked = await marks.move({ namespace, leg, instance }, mark);
    const { charges, isCertain } = journal.compare(mark, marked, this.#clock.monotonicMs());
    if (charges > 0)
      log.warn(
        { charges, leg },
        isCertain
          ? "redis lost its last writes, they are told again"
          : "another redis server answers, what it may lack is told again",
      );
    return charges;
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
    while (journal.isWaiting) await this.#gate.runAlone(() => this.#tellBatch(slot));
  }

  /** Throws StoreUnavailable. */
  async #tellBatch({ journal, leg }: Slot): Promise<void> {
    const batch = journal.toTell(batchSize, this.#clock.monotonicMs());
    const faults = await Promise.all(batch.map((one) => this.#faultOf(one, { journal, leg })));
    // What was told is not told again because of a neighbour; what can never be told stands in nobody's way.
    journal.told(batch.filter((_, at) => !(faults[at] instanceof StoreUnavailable)));
    this.#told += faults.filter((fault) => fault === undefined).length;
    const away = faults.find((fault) => fault instanceof StoreUnavailable);
    if (away) throw away;
  }

  /** Tells one; what kept it from that, undefined: nothing. */
  async #faultOf(one: Remembered, slot: Pick<Slot, "journal" | "leg">): Promise<unknown> {
    try {
      await this.#tell(one, slot);
      return undefined;
    } catch (fault) {
      if (!(fault instanceof StoreUnavailable))
        this.#settings.log.error({ err: fault }, "a charge cannot be told again");
      return fault;
    }
  }

  /**
   * Idempotent while the hold lives: it is made again under its own id, and one whose call has ended is made once, however often its
   * settlement has to be said. The other leg is left as it is.
   */
  async #tell(
    { request, granted, actual, isReserveKept }: Remembered,
    { journal, leg }: Pick<Slot, "journal" | "leg">,
  ): Promise<void> {
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
      if (actual !== undefined) journal.reserveTold(holdId);
    }
    if (actual !== undefined)
      await legs.settle({ namespace, holdId, amounts: charges.map((each) => each.actual) }, leg);
  }
}
