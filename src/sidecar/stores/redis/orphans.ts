import type { Leg } from "../../ports/leg-store.ts";

/** Reserves whose outcome is unknown, kept at once; the oldest is forgotten first, and ends with its lease if it has run by then. */
export const orphansMaxDefault = 10_000;
/** Released in one round trip. */
const batchSize = 100;
/** Pause before the first attempt and the longest one, ms. */
const pauseMs = { min: 250, max: 4_000 } as const;

/** How to give a hold back, and the bound. */
export interface OrphanSettings {
  /** Gives one hold back. Throws while Redis is away. */
  readonly release: (namespace: string, holdId: string, leg: Leg) => Promise<unknown>;
  /** Whether a fault of that will come again however often it is tried: the login may not reach the keys any more. */
  readonly isLasting: (fault: unknown) => boolean;
  /** Hears how many were forgotten for that. */
  readonly forgotten: (holds: number) => void;
  readonly max?: number;
}

interface Orphan {
  readonly namespace: string;
  readonly holdId: string;
  readonly leg: Leg;
}

/**
 * Holds that nobody owns: the reserve timed out, but it may have run. They are released as soon as Redis answers again, so that
 * an outage does not charge calls that were refused. However long it was: a Redis that stood still runs what lay in its sockets when it
 * goes on, and only then does the lease begin.
 */
export class Orphans {
  readonly #settings: OrphanSettings;
  readonly #max: number;
  readonly #orphans = new Map<string, Orphan>();
  #timer: NodeJS.Timeout | undefined;
  #pauseMs: number = pauseMs.min;
  #isFlushing = false;
  #isClosed = false;

  constructor(settings: OrphanSettings) {
    this.#settings = settings;
    this.#max = settings.max ?? orphansMaxDefault;
  }

  get size(): number {
    return this.#orphans.size;
  }

  /** Remembers a reserve whose outcome is unknown. */
  add(namespace: string, holdId: string, leg: Leg = "Namespace"): void {
    this.#orphans.set(nameOf(namespace, holdId, leg), { namespace, holdId, leg });
    for (const oldest of this.#orphans.keys()) {
      if (this.#orphans.size <= this.#max) break;
      this.#orphans.delete(oldest);
    }
    this.#flushLater();
  }

  /** Its owner asks again under the same id, so it is nobody's no more. */
  forget(namespace: string, holdId: string, leg: Leg = "Namespace"): void {
    if (this.#orphans.size > 0) this.#orphans.delete(nameOf(namespace, holdId, leg));
  }

  /** Releases what it can; keeps what failed for the next attempt. */
  async flush(): Promise<void> {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    try {
      while (this.#orphans.size > 0) {
        const batch = [...this.#orphans].slice(0, batchSize);
        await Promise.all(batch.map(([name, orphan]) => this.#release(name, orphan)));
      }
      this.#pauseMs = pauseMs.min;
    } catch {
      this.#pauseMs = Math.min(this.#pauseMs * 2, pauseMs.max);
    } finally {
      this.#isFlushing = false;
    }
    this.#flushLater();
  }

  /** One last attempt, then no more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.flush();
  }

  async #release(name: string, orphan: Orphan): Promise<void> {
    try {
      await this.#settings.release(orphan.namespace, orphan.holdId, orphan.leg);
    } catch (fault) {
      if (!this.#settings.isLasting(fault)) throw fault;
      this.#forgetAlike(orphan);
    }
    if (this.#orphans.get(name) === orphan) this.#orphans.delete(name);
  }

  /** What nobody can give back ends with its lease; tried for ever it would keep the breaker open and the others waiting. */
  #forgetAlike({ namespace, leg }: Orphan): void {
    const before = this.#orphans.size;
    for (const [name, other] of this.#orphans)
      if (other.namespace === namespace && other.leg === leg) this.#orphans.delete(name);
    if (this.#orphans.size < before) this.#settings.forgotten(before - this.#orphans.size);
  }

  #flushLater(): void {
    if (this.#isClosed || this.#orphans.size === 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.flush();
    }, this.#pauseMs).unref();
  }
}

const nameOf = (namespace: string, holdId: string, leg: Leg): string => `${leg}/${namespace}/${holdId}`;
