/** Time as a dependency: tests move it. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  nowMs(): number;
  /** Monotonic, milliseconds with a fraction; for durations. */
  monotonicMs(): number;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** A clock that stands still until it is moved. */
export class FakeClock implements Clock {
  #ms: number;
  constructor(startMs = 1_700_000_000_000) {
    this.#ms = startMs;
  }
  nowMs(): number {
    return this.#ms;
  }
  monotonicMs(): number {
    return this.#ms;
  }
  /** Moves time by `ms`, which may be negative (a clock that was set back). */
  advance(ms: number): void {
    this.#ms += ms;
  }
}
