/**
 * When a slot ends all slices of a counter do, on all sidecars, and each asks for a new one. Where Redis is slow to answer then, a sidecar waits
 * a little before it asks: the queue that would be in Redis, where it makes calls late, is in the sidecars.
 */

/** Longest wait before a slice is asked for, in ms. */
export const spreadMsMax = 250;
/** An answer that took longer, in ms, says that there is a queue. */
const slowMs = 10;

/** Learns from answers to the first slice of a slot. */
export class Spread {
  #spanMs = 0;

  /** How long to wait with the next one, in ms. `random`: 0 to below 1. */
  delayMs(random: () => number): number {
    return this.#spanMs < 1 ? 0 : random() * this.#spanMs;
  }

  /** It was answered after so long; Infinity: not in time. */
  answered(tookMs: number): void {
    if (tookMs > slowMs) this.#spanMs = Math.min(spreadMsMax, this.#spanMs + 2 * tookMs);
    else this.#spanMs *= 0.9;
  }
}
