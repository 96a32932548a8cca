import type { Log } from "../../base/log.ts";
import type { WindowSpec } from "../../base/window.ts";
import type { MarkStore } from "../ports/mark-store.ts";
import type { QuotaStore, ReserveRequest, ReserveResult, Settlement } from "../ports/quota-store.ts";
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
  readonly marks: MarkStore;
  /** Names this process among all that count; new with each start. */
  readonly instance: string;
  readonly log: Log;
}

/**
 * Tells a store again what it has lost. A failover may bring up a replica that lacks the last writes: then this sidecar's mark stands
 * lower than it was moved to, and the charges that this sidecar remembers from after that are made again, above the limit where it
 * must be. What was surely kept is left alone; where that cannot be known a charge is made: rather twice than never.
 */
export class LossGuard implements QuotaStore {
  readonly #settings: LossGuardSettings;
  readonly #store: QuotaStore;
  readonly #journals = new Map<string, Journal>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #told = 0;

  constructor(settings: LossGuardSettings) {
    this.#settings = settings;
    this.#store = settings.store;
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
    const journal = this.#journalOf(request.namespace);
    const period = journal.period;
    const result = await this.#store.reserve(request);
    if (result.admitted && request.claims.length > 0) {
      const count = journal.reserved(request, result.outputGranted, period);
      if (count % chargesPerMark === 0) this.#markSoon(request.namespace, journal);
    }
    return result;
  }

  async settle(settlement: Settlement): Promise<boolean> {
    if (this.#looking !== undefined) await this.#looking; // a hold that is being told again is settled after that
    const journal = this.#journalOf(settlement.namespace);
    const period = journal.period;
    const isSettled = await this.#store.settle(settlement);
    const isKnown = journal.settled(settlement, period);
    // Gone, and not by us: its lease has ended, or it is lost.
    if (!isSettled && isKnown) void this.look();
    return isSettled;
  }

  async release(namespace: string, holdId: string): Promise<boolean> {
    if (this.#looking !== undefined) await this.#looking;
    this.#journals.get(namespace)?.forget(holdId);
    return this.#store.release(namespace, holdId);
  }

  async renew(namespace: string, holdIds: readonly string[], leaseMs: number): Promise<readonly string[]> {
    const gone = await this.#store.renew(namespace, holdIds, leaseMs);
    const journal = this.#journals.get(namespace);
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

  #journalOf(namespace: string): Journal {
    const known = this.#journals.get(namespace);
    if (known !== undefined) return known;
    const journal = new Journal();
    this.#journals.set(namespace, journal);
    return journal;
  }

  async #lookAll(): Promise<void> {
    for (const [namespace, journal] of this.#journals) {
      if (journal.isEmpty) {
        journal.idle();
        continue;
      }
      try {
        await this.#lookAt(namespace, journal);
      } catch (fault) {
        if (!(fault instanceof StoreUnavailable)) this.#settings.log.error({ err: fault }, "charges not told again");
        // Redis is away: what is to be told waits for the next look.
      }
    }
  }

  /** Answers how many charges are lost. Throws StoreUnavailable. */
  async #mark(namespace: string, journal: Journal): Promise<number> {
    const mark = journal.nextMark();
    const lost = journal.compare(mark, await this.#settings.marks.move(namespace, this.#settings.instance, mark));
    if (lost > 0) this.#settings.log.warn({ charges: lost }, "redis lost its last writes, they are told again");
    return lost;
  }

  #markSoon(namespace: string, journal: Journal): void {
    const tellIf = (lost: number): Promise<void> | undefined => (lost > 0 ? this.look() : undefined);
    this.#mark(namespace, journal)
      .then(tellIf)
      .catch(() => undefined); // Redis is away: the next look sees what has become of it
  }

  async #lookAt(namespace: string, journal: Journal): Promise<void> {
    await this.#mark(namespace, journal);
    journal.forgetOld();
    for (let batch = journal.toTell(batchSize); batch.length > 0; batch = journal.toTell(batchSize)) {
      const faults = await Promise.all(batch.map((one) => this.#faultOf(one)));
      // What was told is not told again because of a neighbour; what can never be told stands in nobody's way.
      journal.told(batch.filter((_, at) => !(faults[at] instanceof StoreUnavailable)));
      this.#told += faults.filter((fault) => fault === undefined).length;
      const away = faults.find((fault) => fault instanceof StoreUnavailable);
      if (away) throw away;
    }
  }

  /** Tells one; what kept it from that, undefined: nothing. */
  async #faultOf(one: Remembered): Promise<unknown> {
    try {
      await this.#tell(one);
      return undefined;
    } catch (fault) {
      if (!(fault instanceof StoreUnavailable))
        this.#settings.log.error({ err: fault }, "a charge cannot be told again");
      return fault;
    }
  }

  /** Idempotent while the hold lives: it is made again under its own id. */
  async #tell({ request, granted, actual, isReserveKept }: Remembered): Promise<void> {
    const { namespace, holdId } = request;
    if (!isReserveKept) {
      const claims = request.claims.map((claim, i) => ({
        ...claim,
        enforced: false,
        ...(actual !== undefined && { amount: actual[i] ?? 0, perOutput: 0 }),
      }));
      await this.#store.reserve({ ...request, claims, output: { ...request.output, wanted: granted, min: granted } });
    }
    if (actual !== undefined) await this.#store.settle({ namespace, holdId, amounts: actual, claims: request.claims });
  }
}
