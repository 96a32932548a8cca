/** Events in virtual time, in the order in which they are due; promises that they settle go on before the next. */
import { setImmediate as settledPromises } from "node:timers/promises";
import type { Clock } from "../../src/base/clock.ts";

/** Events due within the same so many ms count as at once. */
const tickMs = 0.1;

/** A clock that runs from event to event. */
export class VirtualTime implements Clock {
  readonly #startMs: number;
  readonly #ticks = new Map<number, (() => void)[]>();
  #tick = 0;

  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  nowMs(): number {
    return Math.floor(this.#startMs + this.#tick * tickMs);
  }
  monotonicMs(): number {
    return this.#tick * tickMs;
  }

  /** Runs it after so many ms, with what is due in the same tick in the order in which it was asked for. */
  after(ms: number, run: () => void): void {
    const tick = this.#tick + Math.max(1, Math.round(ms / tickMs));
    const due = this.#ticks.get(tick);
    if (due) due.push(run);
    else this.#ticks.set(tick, [run]);
  }

  /** Runs all events of the next so many ms. */
  async run(ms: number): Promise<void> {
    const endTick = this.#tick + Math.round(ms / tickMs);
    for (; this.#tick < endTick; this.#tick++) {
      const due = this.#ticks.get(this.#tick);
      if (due === undefined) continue;
      this.#ticks.delete(this.#tick);
      for (const run of due) run();
      await settledPromises();
    }
  }
}
