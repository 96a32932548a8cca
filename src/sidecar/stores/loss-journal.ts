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
/** Looks without any charge after which the mark may be gone by itself: half of the time that Redis keeps it (redis/marks.ts). */
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
  #toTell: Remembered[] = [];
  /** The last mark that was sent, and the last that Redis acknowledged; 0: none. */
  #sent = 0;
  #acknowledged = 0;
  /** What was acknowledged at each of the last looks. */
  readonly #looks: number[] = [];
  #count = 0;
  #idleLooks = 0;

  get isEmpty(): boolean {
    return this.#places.size === 0 && this.#toTell.length === 0;
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

  /** false: nothing is known of this hold. */
  settled({ holdId, amounts }: Settlement, period: number, endedMs: number): boolean {
    const place = this.#places.get(holdId);
    if (place === undefined || !this.#ring.isRunning(place)) return false;
    this.#ring.settle(place, amounts);
    this.ended(holdId, endedMs);
    this.#periods[place] = period;
    return true;
  }

  /** Its call has ended, though Redis may not know. */
  ended(holdId: string, endedMs: number): void {
    const place = this.#places.get(holdId);
    if (place !== undefined && Number.isNaN(this.#endedMs[place])) this.#endedMs[place] = endedMs;
  }

  forget(holdId: string): void {
    if (this.#toTell.length > 0) this.#toTell = this.#toTell.filter(({ request }) => request.holdId !== holdId);
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

  /** Compares what stood in Redis before `mark` was written with what was acknowledged; answers how many charges are to be told again. */
  compare(mark: number, before: number | undefined, nowMs: number): number {
    const known = this.#acknowledged;
    this.#acknowledged = Math.max(known, mark);
    if (known === 0 || (before !== undefined && before >= known)) return 0;
    this.#forgetExpired(nowMs);
    // What was sent before the mark that is still there was kept. What was sent after it may be lost, and is told again.
    const kept = before ?? Number.NEGATIVE_INFINITY;
    const lost = [...this.#places.values()].filter((place) => (this.#periods[place] ?? 0) >= kept);
    const waiting = new Set(this.#toTell.map(({ request }) => request.holdId));
    for (const place of lost)
      if (!waiting.has(this.#ring.holdIdAt(place) ?? "")) this.#toTell.push(this.#read(place, kept));
    return lost.length;
  }

  /** The next charges to tell again, as they stand now; they stay until they are told. */
  toTell(max: number, nowMs: number): readonly Remembered[] {
    if (this.#toTell.length === 0) return [];
    this.#forgetExpired(nowMs);
    return this.#toTell.slice(0, max).map((one) => {
      const place = this.#places.get(one.request.holdId);
      return place === undefined
        ? one
        : { ...one, actual: this.#ring.actualAt(place), endedMs: this.#endedMsAt(place) };
    });
  }

  told(charges: readonly Remembered[]): void {
    const done = new Set(charges.map(({ request }) => request.holdId));
    this.#toTell = this.#toTell.filter(({ request }) => !done.has(request.holdId));
    for (const { request, isReserveKept } of charges) {
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
    this.#toTell = this.#toTell.filter(({ endedMs }) => endedMs === undefined || nowMs - endedMs < toldAgainMsMax);
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
