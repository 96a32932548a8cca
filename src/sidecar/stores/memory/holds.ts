import type { ReserveResult } from "../../ports/quota-store.ts";

/** One charge of a hold: which counter, in which slot, how much. */
export interface HeldAmount {
  /** Name of the counter in its table. */
  readonly counter: string;
  readonly slot: number;
  readonly amount: number;
  /** Given back when the hold ends, however it ends. */
  readonly isConcurrency: boolean;
}

/** One reservation that is neither settled, released nor expired. */
export interface Hold {
  /** Monotonic. */
  endsMs: number;
  readonly amounts: readonly HeldAmount[];
  /** Answers a second reserve under the same id. */
  readonly result: ReserveResult;
}

/** Holds with leases. Those whose lease has ended are handed to `expired` before anything is looked up. */
export class Holds {
  readonly #holds = new Map<string, Hold>();
  readonly #expired: (hold: Hold) => void;
  /** No hold ends before this, so that the table is searched only when one can have ended. */
  #nextEndMs = Number.POSITIVE_INFINITY;

  constructor(expired: (hold: Hold) => void) {
    this.#expired = expired;
  }

  get size(): number {
    return this.#holds.size;
  }

  /** Ends what has expired by `nowMs`. */
  expire(nowMs: number): void {
    if (nowMs < this.#nextEndMs) return;
    this.#nextEndMs = Number.POSITIVE_INFINITY;
    for (const [name, hold] of this.#holds) {
      if (hold.endsMs <= nowMs) {
        this.#holds.delete(name);
        this.#expired(hold);
      } else if (hold.endsMs < this.#nextEndMs) this.#nextEndMs = hold.endsMs;
    }
  }

  get(name: string): Hold | undefined {
    return this.#holds.get(name);
  }

  add(name: string, hold: Hold): void {
    this.#holds.set(name, hold);
    this.#nextEndMs = Math.min(this.#nextEndMs, hold.endsMs);
  }

  /** Removes and answers a hold: who gets it settles it. */
  take(name: string): Hold | undefined {
    const hold = this.#holds.get(name);
    this.#holds.delete(name);
    return hold;
  }

  /** Live holds whose name begins with `prefix`. */
  count(prefix: string): number {
    let count = 0;
    for (const name of this.#holds.keys()) if (name.startsWith(prefix)) count++;
    return count;
  }
}
