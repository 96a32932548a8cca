import type { Clock } from "../../../base/clock.ts";

/** One command under way. */
export class Pending {
  /** Whether it was answered, or has expired. */
  isDone = false;
  readonly dueMs: number;
  #expire: (() => void) | undefined;
  constructor(dueMs: number, expire: () => void) {
    this.dueMs = dueMs;
    this.#expire = expire;
  }
  /** Ends it, and lets go of the command at once: the queue keeps ended ones for as long as the timeout. */
  done(): void {
    this.isDone = true;
    this.#expire = undefined;
  }
  /** Ends it as too late. */
  expire(): void {
    const expire = this.#expire;
    this.done();
    expire?.();
  }
}

/**
 * One timer for all commands, since all have the same timeout: a timer for each would cost more than the command. When it fires,
 * the sockets are read first: after a long pause of this process the answers lie there, and it was not Redis that was slow.
 */
export class Deadlines {
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  #queue: Pending[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number, clock: Clock) {
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
  }

  /** Calls `expire` after the timeout unless `isDone` was set before. */
  add(expire: () => void): Pending {
    const pending = new Pending(this.#clock.monotonicMs() + this.#timeoutMs, expire);
    this.#queue.push(pending);
    if (this.#timer === undefined) this.#arm(this.#timeoutMs);
    return pending;
  }

  #arm(delayMs: number): void {
    // setImmediate runs after the sockets were read.
    this.#timer = setTimeout(() => setImmediate(() => this.#sweep()), Math.max(1, Math.ceil(delayMs)));
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#timer = undefined;
    const due: Pending[] = [];
    let next = 0;
    for (const pending of this.#queue) {
      if (!pending.isDone && pending.dueMs > nowMs) break;
      if (!pending.isDone) due.push(pending);
      next++;
    }
    this.#queue = this.#queue.slice(next);
    const first = this.#queue[0];
    if (first !== undefined) this.#arm(first.dueMs - nowMs);
    for (const pending of due) pending.expire();
  }
}
