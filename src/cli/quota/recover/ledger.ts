/** Adds up what audit records charged, each call once, never more than is sure. */
import { unitsMax } from "../../../base/window.ts";
import { toldAgainMsMax } from "../../../sidecar/stores/loss-journal.ts";
import { QuotaCommandFault } from "../fault.ts";
import { IdSet } from "../id-set.ts";
import type { ChargeRecord, HeldOn } from "./records.ts";
import { clockMs, type LeftOut, slotOf, type Target, type Targets } from "./targets.ts";

/** Calls without an outcome, outcomes without a call, and calls of local shares, that are kept at once. */
const keptMax = 1_000_000;
/** Counters that are added up. */
export const countersMax = 500_000;
/** A sidecar that wrote for so long after a call's beginning has ended that call, ms: the longest lease. Its outcome was not written. */
const leaseMsMax = 3_600_000;
/** What a local share admitted was charged to Redis if its sidecar counts there again since so long, ms. */
const settledMs = 15_000;

/** What ended so long before the look is told by no sidecar any more, ms: wherever it was meanwhile, it has forgotten. */
export const tellableMs = toldAgainMsMax + 3 * clockMs;

/** A call that may run. */
export interface OpenCall {
  readonly id: string;
  readonly namespace: string;
  readonly instance: string;
  readonly pod: string | undefined;
  readonly timeMs: number;
  readonly counters: readonly HeldOn[];
}

/** A call that has ended: of a local share, charged by its sidecar afterwards; or so late that a sidecar which is cut off may still tell it. */
interface EndedCall {
  readonly instance: string;
  readonly isLocal: boolean;
  readonly endedMs: number;
  readonly timeMs: number;
  readonly counters: readonly HeldOn[];
  readonly charged: readonly number[];
}

/** What was seen of a sidecar. */
interface Seen {
  namespace: string;
  pod: string | undefined;
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

/** What decides when all is read. */
export interface Closing {
  readonly standingOf: (call: OpenCall) => Standing;
  /** Whether a sidecar has been in this Redis since before the look, so that it has told what it remembers. */
  readonly isConnected: (instance: string) => boolean;
  /** Redis' time at the look. */
  readonly nowMs: number;
  /** Counts calls without an end whose sidecar is gone as they were held: right only where the files go to that sidecar's end. */
  readonly isUnfinishedCounted: boolean;
}

/** Adds records up in any order; before `look`, all that is read was there before Redis was looked at. */
export class ChargeLedger {
  readonly counters = new Map<string, LedgerCounter>();
  /** Counts for the remarks. */
  readonly told = {
    ...{ calls: 0, duplicates: 0, withoutOutcome: 0, lost: 0, running: 0, local: 0, untold: 0, orphans: 0, late: 0 },
    ...{ foreign: 0, tellable: 0, unfinishedCounted: 0 },
    /** What was held by calls without an end that are not counted. */
    unfinished: new Map<Target, number>(),
    leftOut: new Map<LeftOut, number>(),
  };
  readonly #targets: Targets;
  readonly #done = new IdSet();
  readonly #open = new Map<string, OpenCall & { readonly isLocal: boolean }>();
  readonly #orphans = new Map<string, ChargeRecord>();
  readonly #ended: EndedCall[] = [];
  readonly #seen = new Map<string, Seen>();
  #isLate = false;

  readonly #beganMs: number;

  /** `nowMs`: Redis' time, before anything is read. */
  constructor(targets: Targets, nowMs: number) {
    this.#targets = targets;
    this.#beganMs = nowMs;
  }

  /** Every sidecar process that was seen, with the pod it said it is in. */
  instances(): ReadonlyMap<string, { readonly namespace: string; readonly pod: string | undefined }> {
    return this.#seen;
  }

  /** From here on: what was written while, or after, Redis was looked at. */
  look(): void {
    this.#isLate = true;
  }

  take(record: ChargeRecord): void {
    const seen = this.#seen.get(record.instance) ?? {
      namespace: record.namespace,
      pod: record.pod,
      newestMs: 0,
      enforcedMs: 0,
    };
    this.#seen.set(record.instance, seen);
    seen.pod ??= record.pod;
    seen.newestMs = Math.max(seen.newestMs, record.timeMs);
    if (this.#done.has(record.id)) {
      if (record.kind === "intent") this.told.duplicates += 1;
      return;
    }
    if (record.counters?.some(({ isForeign }) => isForeign)) this.told.foreign += 1;
    if (record.kind === "outcome") this.#end(record);
    else {
      if (record.quota === "enforced") seen.enforcedMs = Math.max(seen.enforcedMs, record.timeMs);
      this.#begin(record);
    }
  }

  /** Counters that what has ended was charged to. */
  get touched(): ReadonlySet<string> {
    const ended = this.#ended.flatMap(({ counters }) => counters.filter(({ isForeign }) => !isForeign));
    return new Set([...this.counters.keys(), ...ended.map(({ key }) => key)]);
  }

  /** Calls whose end is not told, for a look at their holds. */
  open(): readonly OpenCall[] {
    return [...this.#open.values()].filter(({ isLocal }) => !isLocal);
  }

  /** Adds what is left when all is read. */
  close(closing: Closing): void {
    for (const call of this.#open.values()) {
      if (call.isLocal) this.told.local += 1;
      else this.#closeOne(call, closing);
    }
    this.#open.clear();
    this.told.orphans = this.#orphans.size;
    const oldestMs = closing.nowMs - tellableMs;
    for (const { instance, isLocal, endedMs, timeMs, counters, charged } of this.#ended) {
      const enforcedMs = this.#seen.get(instance)?.enforcedMs ?? 0;
      const chargedMs = isLocal ? enforcedMs : endedMs; // a local one when its sidecar was back, which it was by then
      if (isLocal && enforcedMs - endedMs < settledMs) this.told.local += 1;
      else if (chargedMs > oldestMs && !closing.isConnected(instance)) this.told.tellable += 1;
      else this.#add(timeMs, counters, charged);
    }
  }

  #closeOne(call: OpenCall, { standingOf, isUnfinishedCounted }: Closing): void {
    const { told } = this;
    const standing = standingOf(call);
    const held = call.counters.map((each) => each.held);
    const isEnded = (this.#seen.get(call.instance)?.newestMs ?? 0) - call.timeMs > leaseMsMax;
    if (standing === "held") this.#add(call.timeMs, call.counters, held);
    else if (standing === "alive") told.running += 1;
    else if (isEnded) told.lost += 1;
    else {
      told.withoutOutcome += 1;
      if (isUnfinishedCounted) told.unfinishedCounted += 1;
      if (isUnfinishedCounted) this.#add(call.timeMs, call.counters, held);
      else for (const each of call.counters) this.#leaveOut(call.timeMs, each);
    }
  }

  #leaveOut(timeMs: number, counter: HeldOn): void {
    const place = this.#placeOf(timeMs, counter, false);
    if (!place) return;
    const { unfinished } = this.told;
    unfinished.set(place.target, Math.min(unitsMax, (unfinished.get(place.target) ?? 0) + counter.held));
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
    const take = (units: readonly number[]): void => {
      const call = { timeMs: open?.timeMs ?? timeMs, counters, charged: units };
      const isLocal = open?.isLocal === true;
      if (isLocal || timeMs > this.#beganMs - tellableMs)
        this.#ended.push({ ...call, instance: outcome.instance, endedMs: timeMs, isLocal });
      else this.#add(call.timeMs, counters, units);
      this.#bound();
    };
    if (open?.isLocal) {
      take(charged);
      return;
    }
    if (!open) this.told.calls += 1; // one record alone: an answer from the cache
    if (!this.#isLate) take(charged);
    else if (!open)
      this.told.late += 1; // all of it may have been charged after the look
    else {
      // It ended about when Redis was looked at: there stood what was held, or what was charged, the less of both for sure.
      const held = new Map(open.counters.map((each) => [each.key, each.held]));
      const least = counters.map(({ key }, i) => Math.min(held.get(key) ?? 0, charged[i] ?? 0));
      take(least);
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
      counter.slots.set(place.slot, Math.min(unitsMax, (counter.slots.get(place.slot) ?? 0) + amount));
    }
  }

  #placeOf(
    timeMs: number,
    { key, resetMs, isForeign }: HeldOn,
    isCounted: boolean,
  ): { readonly target: Target; readonly slot: number } | undefined {
    if (isForeign) return undefined;
    const target = this.#targets.of(key);
    if (typeof target === "string") {
      if (isCounted) this.told.leftOut.set(target, (this.told.leftOut.get(target) ?? 0) + 1);
      return undefined;
    }
    const slot = slotOf(target, { timeMs, resetMs });
    return slot === undefined ? undefined : { target, slot };
  }

  #bound(): void {
    if (this.#open.size + this.#orphans.size + this.#ended.length <= keptMax) return;
    throw new QuotaCommandFault(
      `more than ${keptMax} records belong to no other: are all files there, each with beginnings and ends of its calls?`,
    );
  }
}
