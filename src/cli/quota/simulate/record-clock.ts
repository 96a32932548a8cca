import type { Clock } from "../../../base/clock.ts";

/** The time of the newest record so far, ms since the epoch: it never goes back. */
export class RecordClock implements Clock {
  #ms = 0;
  nowMs(): number {
    return this.#ms;
  }
  monotonicMs(): number {
    return this.#ms;
  }
  moveTo(ms: number): void {
    this.#ms = Math.max(this.#ms, ms);
  }
}
