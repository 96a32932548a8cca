/** Keys to work on: each waits once however often it is added, is worked on by one worker at a time, and comes back later when it fails. */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { backoffMs } from "./backoff.ts";
import { systemTimers, type Timers } from "./timers.ts";

/** How a queue behaves. */
export interface WorkQueueOptions {
  readonly clock: Clock;
  readonly timers?: Timers;
  readonly log: Log;
  /** First delay of a key that fails, ms. Default 5. */
  readonly retryMsMin?: number;
  /** Longest delay of a key that fails, ms. Default 300 000. */
  readonly retryMsMax?: number;
  readonly random?: () => number;
}

/**
 * Works on one key. When it throws, the key comes back later, each time later than before; when it resolves without having called
 * addRateLimited, the delays of the key begin anew.
 */
export type WorkHandler = (key: string) => Promise<void> | void;

const retryMsMinDefault = 5;
const retryMsMaxDefault = 300_000;

/** Everything is held in memory: after a restart somebody lists all keys once. */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #log: Log;
  readonly #backoff;
  /** Keys that wait, in the order of their first add. */
  readonly #waiting = new Set<string>();
  readonly #underWay = new Set<string>();
  /** Keys that were added while a worker had them. */
  readonly #again = new Set<string>();
  readonly #later = new Map<string, { readonly atMs: number; readonly callOff: () => void }>();
  readonly #failures = new Map<string, number>();
  /** Keys under way for which addRateLimited was called. */
  readonly #retried = new Set<string>();
  readonly #ended = Promise.withResolvers<void>();
  #work: { readonly workers: number; readonly handler: WorkHandler } | undefined;
  #state: "open" | "draining" | "stopped" = "open";

  constructor({ clock, timers, log, retryMsMin, retryMsMax, random }: WorkQueueOptions) {
    this.#clock = clock;
    this.#timers = timers ?? systemTimers;
    this.#log = log;
    this.#backoff = {
      delayMsMin: retryMsMin ?? retryMsMinDefault,
      delayMsMax: retryMsMax ?? retryMsMaxDefault,
      random: random ?? Math.random,
    };
  }

  /** Keys that wait for a worker; those due later are not counted. */
  get depth(): number {
    return this.#waiting.size + this.#again.size;
  }

  /** Keys that are worked on. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** Keys that are due later. */
  get delayed(): number {
    return this.#later.size;
  }

  /** A run of `key` begins after this call. One that is under way does not count; one that waits does. Ignored after stop. */
  add(key: string): void {
    if (this.#state !== "open") return;
    if (this.#underWay.has(key)) this.#again.add(key);
    else this.#waiting.add(key);
    this.#pump();
  }

  /** The same, not before `delayMs` have passed. Of several the earliest counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.#state !== "open") return;
    if (delayMs <= 0) {
      this.add(key);
      return;
    }
    const atMs = this.#clock.monotonicMs() + delayMs;
    const known = this.#later.get(key);
    if (known !== undefined && known.atMs <= atMs) return;
    known?.callOff();
    const callOff = this.#timers.after(delayMs, () => {
      this.#later.delete(key);
      this.add(key);
    });
    this.#later.set(key, { atMs, callOff });
  }

  /** The same, after a delay that doubles with each call until the key is forgotten. */
  addRateLimited(key: string): void {
    const failures = this.failures(key) + 1;
    this.#failures.set(key, failures);
    if (this.#underWay.has(key)) this.#retried.add(key);
    this.addAfter(key, backoffMs(failures, this.#backoff));
  }

  /** The key's delays begin anew. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** How often the key was added by addRateLimited since it was last forgotten. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Works with up to `workers` keys at once. Resolves after `stop`, when nothing is under way. Throws when it was called before. */
  run(workers: number, handler: WorkHandler): Promise<void> {
    if (this.#work) throw new RangeError("a work queue runs once");
    this.#work = { workers, handler };
    this.#pump();
    this.#endIfIdle();
    return this.#ended.promise;
  }

  /**
   * Takes no more keys and lets go of those that are due later. Runs under way end; keys that wait are dropped, or, with
   * `isDraining`, worked on first.
   */
  async stop({ isDraining = false }: { readonly isDraining?: boolean } = {}): Promise<void> {
    this.#state = isDraining ? "draining" : "stopped";
    for (const { callOff } of this.#later.values()) callOff();
    this.#later.clear();
    if (!isDraining) {
      this.#waiting.clear();
      this.#again.clear();
    }
    this.#endIfIdle();
    if (this.#work) await this.#ended.promise;
  }

  #pump(): void {
    if (this.#work === undefined) return;
    for (const key of this.#waiting) {
      if (this.#underWay.size >= this.#work.workers) return;
      this.#waiting.delete(key);
      this.#underWay.add(key);
      void this.#process(key, this.#work.handler);
    }
  }

  async #process(key: string, handler: WorkHandler): Promise<void> {
    await Promise.resolve(); // so that add never runs a handler within itself
    let hasFailed = false;
    try {
      await handler(key);
    } catch (err) {
      hasFailed = true;
      this.#log.error({ err, key, failures: this.failures(key) + 1 }, "work failed");
    }
    if (hasFailed) this.addRateLimited(key);
    else if (!this.#retried.has(key)) this.forget(key);
    this.#retried.delete(key);
    this.#underWay.delete(key);
    if (this.#again.delete(key)) this.#waiting.add(key);
    this.#pump();
    this.#endIfIdle();
  }

  #endIfIdle(): void {
    if (this.#state !== "open" && this.#underWay.size === 0 && this.#waiting.size === 0) this.#ended.resolve();
  }
}
