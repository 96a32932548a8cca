import type { Marked } from "../ports/mark-store.ts";
import type { ReserveRequest, Settlement } from "../ports/quota-store.ts";
import { ChargeRing } from "./charge-ring.ts";

/** Charges remembered at most, for each namespace; the oldest is forgotten first. */
export const rememberedMax = 2_048;
/** Looks, a second apart, for which a settled charge is remembered: a replica that lags by more loses it unseen. */
const looksKept = 10;
/**
 * A charge whose call ended so long ago, ms, is told no more, whatever was lost: it spans a failover of half a minute, and no more than that, as
 * somebody may add it from the audit afterwards (`sidegate quota recover` leaves out what may still be told by this).
 */
export const toldAgainMsMax = 60_000;
/** Looks without any charge after which the mark may be gone by itself: half of the time that Redis keeps it (redis/scripts.ts). */
const idleLooksMax = 1_800;

/** One charge that this sidecar made, to be told again. */
export interface Remembered {
  readonly request: ReserveRequest;
  readonly granted: number;
  /** What was charged at last; absent: it still runs. */
  readonly actual: readonly number[] | undefined;
  /** When its call ended, on the guard's clock; absent: it still runs. */
  readonly endedMs: number | undefined;
  /** Only its settlement may be lost: a hold that is not there has been settled. */
  readonly isReserveKept: boolean;
}

/** How a call ended. */
export interface Ended {
  /** The mark that stood when the settlement was sent. */
  readonly period: number;
  /** Monotonic, ms. */
  readonly endedMs: number;
  /** Redis said that it settled all of the hold. */
  readonly isDone: boolean;
}

/** Charges that are to be told again. */
export interface Lost {
  readonly charges: number;
  /** false: another server answers, and of its last writes nobody knows. */
  readonly isCertain: boolean;
}

/** What this sidecar charged in one namespace in the last moments, and its mark there. */
export class Journal {
  readonly #ring = new ChargeRing(rememberedMax);
  #namespace = "";
  readonly #granted = new Float64Array(rememberedMax);
  /** The mark that stood when the reserve was sent, and when the last command was. */
  readonly #reservedIn = new Float64Array(rememberedMax);
  readonly #periods = new Float64Array(rememberedMax);
  /** When its call ended, ms on a monotonic clock, whether Redis was told or not; NaN: it runs. */
  readonly #endedMs = new Float64Array(rememberedMax);
  readonly #places = new Map<string, number>();
  #next = 0;
  /** By their holds, the longest lost first. */
  readonly #toTell = new Map<string, Remembered>();
  /** The last mark that was sent, and the last that Redis acknowledged; 0: none. */
  #sent = 0;
  #acknowledged = 0;
  /** Who acknowledged it; undefined: it does not tell. */
  #server: string | undefined;
  /** What was acknowledged at each of the last looks. */
  readonly #looks: number[] = [];
  #count = 0;
  #idleLooks = 0;

  get isEmpty(): boolean {
    return this.#places.size === 0 && this.#toTell.size === 0;
  }
  get isWaiting(): boolean {
    return this.#toTell.size > 0;
  }
  /** No mark is moved: the next charge is to come after a new one, or nobody knew which server took it. */
  get isIdle(): boolean {
    return this.#sent === 0 || this.#idleLooks > 0;
  }
  /** Commands sent now come after this mark and before the next. */
  get period(): number {
    return this.#sent;
  }
  has(holdId: string): boolean {
    return this.#places.has(holdId);
  }

  /** Answers how many it has been told of. */
  reserved(request: ReserveRequest, granted: number, period: number): number {
    const place = this.#places.get(request.holdId) ?? this.#next;
    if (place === this.#next) this.#next = (place + 1) % rememberedMax;
    this.#clear(place);
    this.#namespace = request.namespace;
    this.#ring.put(place, request);
    this.#granted[place] = granted;
    this.#reservedIn[place] = period;
    this.#periods[place] = period;
    this.#endedMs[place] = Number.NaN;
    this.#places.set(request.holdId, place);
    return ++this.#count;
  }

  /** Its call has ended, though Redis may not know: then its age counts from here, not from when Redis is back. false: nothing is known of it. */
  settled({ holdId, amounts }: Settlement, { period, endedMs, isDone }: Ended): boolean {
    const place = this.#places.get(holdId);
    if (isDone) this.#toTell.delete(holdId);
    if (place === undefined) return false;
    this.#ring.settle(place, amounts);
    this.#periods[place] = period;
    if (Number.isNaN(this.#endedMs[place])) this.#endedMs[place] = endedMs;
    return true;
  }

  forget(holdId: string): void {
    this.#toTell.delete(holdId);
    const place = this.#places.get(holdId);
    if (place !== undefined) this.#clear(place);
  }

  /** Nothing is remembered, and no mark is moved. After a while the one in Redis says nothing any more: that it is gone is no loss. */
  idle(): void {
    this.#idleLooks++;
    if (this.#idleLooks >= idleLooksMax) this.#acknowledged = 0;
  }

  /** The mark to move to now. */
  nextMark(): number {
    this.#idleLooks = 0;
    return ++this.#sent;
  }

  /** Compares what `mark` met in Redis with what was acknowledged. */
  compare(mark: number, { before, server }: Marked, nowMs: number): Lost {
    const known = this.#acknowledged;
    const isOther = server !== undefined && this.#server !== undefined && server !== this.#server;
    this.#acknowledged = Math.max(known, mark);
    this.#server = server ?? this.#server;
    const isCertain = before === undefined || before < known;
    if (known === 0 || !(isCertain || isOther)) return { charges: 0, isCertain };
    this.#forgetExpired(nowMs);
    // What was sent before the mark that is still there was kept. What was sent after it may be lost, and is told again.
    const kept = before ?? Number.NEGATIVE_INFINITY;
    const lost = [...this.#places.values()].filter((place) => (this.#periods[place] ?? 0) >= kept);
    for (const [holdId, one] of this.#toTell) {
      const place = this.#places.get(holdId);
      const isReserveKept = one.isReserveKept && place !== undefined && (this.#reservedIn[place] ?? 0) < kept;
      this.#toTell.set(holdId, { ...one, isReserveKept });
    }
    for (const place of lost) {
      const one = this.#read(place, kept);
      if (!this.#toTell.has(one.request.holdId)) this.#toTell.set(one.request.holdId, one);
    }
    return { charges: lost.length, isCertain };
  }

  /** The next charges to tell again, as they stand now; they stay until they are told. */
  toTell(max: number, nowMs: number): readonly Remembered[] {
    this.#forgetExpired(nowMs);
    return [...this.#toTell.values().take(max)].map((one) => {
      const place = this.#places.get(one.request.holdId);
      return place === undefined
        ? one
        : { ...one, actual: this.#ring.actualAt(place), endedMs: this.#endedMsAt(place) };
    });
  }

  /** Its reserve was answered: only its settlement is still to be told. */
  reserveTold(holdId: string): void {
    const one = this.#toTell.get(holdId);
    if (one !== undefined) this.#toTell.set(holdId, { ...one, isReserveKept: true });
    const place = this.#places.get(holdId);
    if (place !== undefined) this.#reservedIn[place] = this.#sent;
  }

  told(charges: readonly Remembered[]): void {
    for (const { request, isReserveKept } of charges) {
      this.#toTell.delete(request.holdId);
      const place = this.#places.get(request.holdId);
      if (place === undefined) continue;
      this.#periods[place] = this.#sent;
      if (!isReserveKept) this.#reservedIn[place] = this.#sent;
    }
  }

  /** Forgets what was settled ten looks ago and before. */
  forgetOld(): void {
    this.#looks.push(this.#acknowledged);
    if (this.#looks.length <= looksKept) return;
    const oldest = this.#looks.shift() ?? 0;
    for (const place of [...this.#places.values()])
      if (!this.#ring.isRunning(place) && (this.#periods[place] ?? 0) < oldest) this.#clear(place);
  }

  /** Where Redis was away, looks have forgotten nothing: by the clock then. What waits to be told, too. */
  #forgetExpired(nowMs: number): void {
    for (const [holdId, place] of [...this.#places])
      if (nowMs - (this.#endedMs[place] ?? Number.NaN) >= toldAgainMsMax) this.forget(holdId);
    for (const [holdId, { endedMs }] of this.#toTell)
      if (endedMs !== undefined && nowMs - endedMs >= toldAgainMsMax) this.#toTell.delete(holdId);
  }

  #read(place: number, kept: number): Remembered {
    const granted = this.#granted[place] ?? 0;
    return {
      request: this.#ring.requestAt(place, this.#namespace, granted),
      granted,
      actual: this.#ring.actualAt(place),
      endedMs: this.#endedMsAt(place),
      isReserveKept: (this.#reservedIn[place] ?? 0) < kept,
    };
  }

  #endedMsAt(place: number): number | undefined {
    const endedMs = this.#endedMs[place] ?? Number.NaN;
    return Number.isNaN(endedMs) ? undefined : endedMs;
  }

  #clear(place: number): void {
    const holdId = this.#ring.holdIdAt(place);
    if (holdId === undefined) return;
    this.#places.delete(holdId);
    this.#ring.free(place);
  }
}
