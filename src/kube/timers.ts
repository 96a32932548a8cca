/** Waiting as a dependency, beside base/clock.ts: tests move time, and what is due runs. */
import { FakeClock } from "../base/clock.ts";

/** Calls back once, later. */
export interface Timers {
  /** Runs `run` after `delayMs` (0: as soon as possible); what it answers calls that off. */
  after(delayMs: number, run: () => void): () => void;
}

/** The machine's own timers. */
export const systemTimers: Timers = {
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`, or as soon as `signal` is aborted; never rejects. */
export const pause = (timers: Timers, delayMs: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      callOff();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const callOff = timers.after(delayMs, end);
    signal.addEventListener("abort", end);
  });

/** A clock whose timers fire when it is moved past them, in the order in which they are due. */
export class FakeTimers extends FakeClock implements Timers {
  readonly #due = new Set<{ readonly atMs: number; readonly run: () => void }>();

  after(delayMs: number, run: () => void): () => void {
    const entry = { atMs: this.monotonicMs() + Math.max(0, delayMs), run };
    this.#due.add(entry);
    return () => void this.#due.delete(entry);
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#due.size;
  }

  /** Moves on by `ms`; before and after each timer that fires, promises and I/O that are ready go first. */
  async pass(ms: number): Promise<void> {
    const endMs = this.monotonicMs() + ms;
    for (;;) {
      await settle();
      const next = this.#next();
      if (next === undefined || next.atMs > endMs) break;
      this.advance(Math.max(0, next.atMs - this.monotonicMs()));
      this.#due.delete(next);
      next.run();
    }
    this.advance(Math.max(0, endMs - this.monotonicMs()));
    await settle();
  }

  #next() {
    let first: { readonly atMs: number; readonly run: () => void } | undefined;
    for (const entry of this.#due) if (first === undefined || entry.atMs < first.atMs) first = entry;
    return first;
  }
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
};
