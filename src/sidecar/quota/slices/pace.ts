/** How large the next slice of a counter is. */
import { sliceMs } from "./slice.ts";

/** Requests within the last one to two seconds from which on a counter is hot: a colder one is asked for in the store each time. */
export const hotRequests = 3;
/** A slice is at most this part of what was left at the last look: near the limit nobody holds more than he needs. */
export const leftParts = 8;
/** What was left is known for so long, in ms; then the store is asked for one request, and tells. */
const leftKnownMs = 3_000;
/** So long after a refusal no slice is asked for, in ms: what others give back is to be used, and not to lie in slices once more. */
const refusedMs = 2_500;
/** Requests that the first slice is made for; later ones by how fast the last was used, which may grow so many times. */
const firstRequests = 4;
const growthMax = 4;
/** Requests come by chance: of n that are expected, so many times the root of n may come besides. */
const spareRoots = 2;

/** Learns from requests, looks at the counter and slices that have ended. Times are monotonic, in ms. */
export class Pace {
  #second = 0;
  #asked = 0;
  #askedBefore = 0;
  #used = 0;
  #usedAtMs = Number.NEGATIVE_INFINITY;
  #refusedAtMs = Number.NEGATIVE_INFINITY;
  /** Units of the last slice, as if it had lasted its whole time. */
  #units: number | undefined;

  /** A request came. */
  count(nowMs: number): void {
    this.#turn(nowMs);
    this.#asked++;
  }

  isHot(nowMs: number): boolean {
    this.#turn(nowMs);
    return this.#asked + this.#askedBefore >= hotRequests;
  }

  /** Nobody asked in the last second. */
  isIdle(nowMs: number): boolean {
    this.#turn(nowMs);
    return this.#asked + this.#askedBefore === 0;
  }

  /** The store says what is charged and held, by all. */
  look(used: number, nowMs: number): void {
    this.#used = used;
    this.#usedAtMs = nowMs;
  }

  /** The store had no room. */
  refused(nowMs: number): void {
    this.#refusedAtMs = nowMs;
  }

  /** A slice has ended. */
  ended(peak: number, livedMs: number): void {
    this.#units = peak * Math.min(growthMax, sliceMs / Math.max(1, livedMs));
  }

  /** Units of the next slice, for requests of `most`; undefined: none, as few come or little is left. */
  next(most: number, max: number, nowMs: number): number | undefined {
    if (!this.isHot(nowMs)) {
      this.#units = undefined;
      return undefined;
    }
    const isKnown = nowMs - this.#usedAtMs <= leftKnownMs && nowMs - this.#refusedAtMs > refusedMs;
    if (most === 0 || !isKnown) return undefined;
    const requests = (this.#units ?? 0) / most;
    const expected = this.#units === undefined ? firstRequests : requests + spareRoots * Math.sqrt(requests);
    const wanted = Math.max(Math.ceil(expected * most), 2 * most);
    const units = Math.min(wanted, Math.floor((max - this.#used) / leftParts));
    return units >= 2 * most ? units : undefined;
  }

  #turn(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    if (second === this.#second) return;
    this.#askedBefore = second === this.#second + 1 ? this.#asked : 0;
    this.#asked = 0;
    this.#second = second;
  }
}
