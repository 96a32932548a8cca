/** Adds up what audit records charged, each call once, never more than is sure. */
import { QuotaCommandFault } from "../fault.ts";
import { IdSet } from "./id-set.ts";
import type { ChargeRecord, HeldOn } from "./records.ts";
import { type LeftOut, slotOf, type Target, type Targets } from "./targets.ts";

/** Calls without an outcome, outcomes without a call, and calls of local shares, that are kept at once. */
const keptMax = 1_000_000;
/** Counters that are added up. */
export const countersMax = 500_000;
/** A sidecar that wrote for so long after a call's beginning has ended that call, ms: the longest lease. Its outcome was not written. */
const leaseMsMax = 3_600_000;
/** What a local share admitted was charged to Redis if its sidecar counts there again since so long, ms. */
const settledMs = 15_000;

/** A call that may run. */
export interface OpenCall {
  readonly id: string;
  readonly namespace: string;
  readonly instance: string;
  readonly pod: string | undefined;
  readonly timeMs: number;
  readonly counters: readonly HeldOn[];
}

/** A call that a local share admitted, charged by its sidecar afterwards. */
interface LocalCall {
  readonly instance: string;
  readonly endedMs: number;
  readonly timeMs: number;
  readonly counters: readonly HeldOn[];
  readonly charged: readonly number[];
}

/** What was seen of a sidecar. */
interface Seen {
  newestMs: number;
  /** Newest call that Redis admitted. */
  enforcedMs: number;
}

/** How a call without outcome stands in Redis. */
export type Standing = "held" | "dead" | "alive";

/** Units by slot, of one counter. */
export interface LedgerCounter {
  readonly target: Target;
  readonly slots: Map<number, number>;
}

/** Adds records up in any order; before `look`, all that is read was there before Redis was looked at. */
export class ChargeLedger {
  readonly counters = new Map<string, LedgerCounter>();
  /** Counts for the remarks. */
  readonly told = {
    ...{ calls: 0, duplicates: 0, withoutOutcome: 0, lost: 0, running: 0, local: 0, untold: 0, orphans: 0, late: 0 },
    leftOut: new Map<LeftOut, number>(),
  };
  readonly #targets: Targets;
  readonly #done = new IdSet();
  readonly #open = new Map<string, OpenCall & { readonly isLocal: boolean }>();
  readonly #orphans = new Map<string, ChargeRecord>();
  readonly #local: LocalCall[] = [];
  readonly #seen = new Map<string, Seen>();
  #isLate = false;

  constructor(targets: Targets) {
    this.#targets = targets;
  }

  /** From here on: what was written while, or after, Redis was looked at. */
  look(): void {
    this.#isLate = true;
  }

  take(record: ChargeRecord): void {
    const seen = this.#seen.get(record.instance) ?? { newestMs: 0, enforcedMs: 0 };
    this.#seen.set(record.instance, seen);
    seen.newestMs = Math.max(seen.newestMs, record.timeMs);
    if (this.#done.has(record.id)) {
      if (record.kind === "intent") this.told.duplicates += 1;
      return;
    }
    if (record.kind === "outcome") this.#end(record);
    else {
      if (record.quota === "enforced") seen.enforcedMs = Math.max(seen.enforcedMs, record.timeMs);
      this.#begin(record);
    }
  }

  /** Calls whose end is not told, for a look at their holds. */
  open(): readonly OpenCall[] {
    return [...this.#open.values()].filter(({ isLocal }) => !isLocal);
  }

  /** Adds what is left when all is read. `standingOf` a call without outcome. */
  close(standingOf: (call: OpenCall) => Standing): void {
    for (const call of this.#open.values()) {
      if (call.isLocal) this.told.local += 1;
      else this.#closeOne(call, standingOf(call));
    }
    this.#open.clear();
    this.told.orphans = this.#orphans.size;
    for (const { instance, endedMs, timeMs, counters, charged } of this.#local) {
      if ((this.#seen.get(instance)?.enforcedMs ?? 0) - endedMs < settledMs) this.told.local += 1;
      else this.#add(timeMs, counters, charged);
    }
  }

  #closeOne(call: OpenCall, standing: Standing): void {
    const { told } = this;
    const held = call.counters.map((each) => each.held);
    const isEnded = (this.#seen.get(call.instance)?.newestMs ?? 0) - call.timeMs > leaseMsMax;
    if (standing === "held") this.#add(call.timeMs, call.counters, held);
    else if (standing === "alive") told.running += 1;
    else if (isEnded) told.lost += 1;
    else {
      told.withoutOutcome += 1;
      this.#add(call.timeMs, call.counters, held);
    }
  }

  #begin(intent: ChargeRecord): void {
    const { id, counters, quota } = intent;
    if (this.#open.has(id)) {
      this.told.duplicates += 1;
      return;
    }
    if (counters === undefined) this.told.untold += 1;
    if (this.#isLate) this.told.late += 1;
    else this.told.calls += 1;
    const placed = counters?.filter((each) => this.#placeOf(intent.timeMs, each, true)) ?? [];
    if (this.#isLate || !counters || placed.length === 0) {
      this.#done.add(id); // it concerns nothing that is looked at
      this.#orphans.delete(id);
      return;
    }
    const { namespace, instance, pod, timeMs } = intent;
    this.#open.set(id, { id, namespace, instance, pod, timeMs, counters, isLocal: quota === "local_share" });
    const early = this.#orphans.get(id);
    this.#orphans.delete(id);
    if (early) this.#end(early);
    else this.#bound();
  }

  #end(outcome: ChargeRecord): void {
    const { id, timeMs } = outcome;
    const open = this.#open.get(id);
    const counters = outcome.counters ?? open?.counters;
    const charged = outcome.charged ?? [];
    if (!counters) {
      if (charged.length > 0) this.#orphans.set(id, outcome);
      this.#bound();
      return;
    }
    this.#open.delete(id);
    this.#done.add(id);
    if (open?.isLocal) {
      const { instance } = open;
      this.#local.push({ instance, endedMs: timeMs, timeMs: open.timeMs, counters, charged });
      return;
    }
    if (!open) this.told.calls += 1; // one record alone: an answer from the cache
    if (!this.#isLate) this.#add(open?.timeMs ?? timeMs, counters, charged);
    else if (!open)
      this.told.late += 1; // all of it may have been charged after the look
    else {
      // It ended about when Redis was looked at: there stood what was held, or what was charged, the less of both for sure.
      const held = new Map(open.counters.map((each) => [each.key, each.held]));
      const least = counters.map(({ key }, i) => Math.min(held.get(key) ?? 0, charged[i] ?? 0));
      this.#add(open.timeMs, counters, least);
    }
  }

  #add(timeMs: number, counters: readonly HeldOn[], units: readonly number[]): void {
    for (const [i, each] of counters.entries()) {
      const amount = units[i] ?? 0;
      const place = amount > 0 ? this.#placeOf(timeMs, each, false) : undefined;
      if (!place) continue;
      const counter = this.counters.get(each.key) ?? { target: place.target, slots: new Map<number, number>() };
      if (this.counters.size >= countersMax && !this.counters.has(each.key))
        throw new QuotaCommandFault(`more than ${countersMax} counters: name one AIQuota, or its namespace with -n`);
      this.counters.set(each.key, counter);
      counter.slots.set(place.slot, (counter.slots.get(place.slot) ?? 0) + amount);
    }
  }

  #placeOf(
    timeMs: number,
    { key, resetMs }: HeldOn,
    isCounted: boolean,
  ): { readonly target: Target; readonly slot: number } | undefined {
    const target = this.#targets.of(key);
    if (typeof target === "string") {
      if (isCounted) this.told.leftOut.set(target, (this.told.leftOut.get(target) ?? 0) + 1);
      return undefined;
    }
    const slot = slotOf(target, { timeMs, resetMs });
    return slot === undefined ? undefined : { target, slot };
  }

  #bound(): void {
    if (this.#open.size + this.#orphans.size + this.#local.length <= keptMax) return;
    throw new QuotaCommandFault(
      `more than ${keptMax} records belong to no other: are all files there, each with beginnings and ends of its calls?`,
    );
  }
}
