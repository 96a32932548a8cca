/** The truth about quotas in the plainest way: every charge with its time, and every hold; windows are sums over the list. */
import { slotMsOf, type WindowSpec } from "../../src/base/window.ts";

/** One limit as the ledger and the store are told it. */
export interface LedgerLimit {
  readonly counter: string;
  readonly window: WindowSpec;
  readonly max: number;
  readonly perOutput: number;
  readonly enforced: boolean;
}

/** What one reservation asks: an amount for each limit, and output. */
export interface Asked {
  readonly amounts: readonly number[];
  readonly wanted: number;
  readonly min: number;
  readonly leaseMs: number;
}

interface Charge {
  readonly atMs: number;
  units: number;
}

interface Life {
  readonly charges: readonly Charge[];
  readonly granted: number;
  readonly leaseMs: number;
  endsMs: number;
}

/** Decides as the port's law says and keeps what was decided; time is given. */
export class Ledger {
  readonly limits: readonly LedgerLimit[];
  readonly #charges: Charge[][];
  readonly #lives = new Map<string, Life>();
  /** Given up before or after they came: a reserve under such an id comes too late. */
  readonly #givenUp = new Set<string>();

  constructor(limits: readonly LedgerLimit[]) {
    this.limits = limits;
    this.#charges = limits.map(() => []);
  }

  get live(): number {
    return this.#lives.size;
  }
  isLive(id: string): boolean {
    return this.#lives.has(id);
  }
  isGivenUp(id: string): boolean {
    return this.#givenUp.has(id);
  }
  /** Whether a hold with such a lease lives. */
  hasLease(leaseMs: number): boolean {
    return [...this.#lives.values()].some((life) => life.leaseMs === leaseMs);
  }

  /** What a hold took; undefined: it is not live. */
  held(id: string): readonly number[] | undefined {
    return this.#lives.get(id)?.charges.map(({ units }) => units);
  }

  /** Charged and held of one limit, by its window around `nowMs`. */
  used(index: number, nowMs: number): number {
    const window = this.limits[index]?.window;
    if (window === undefined) return 0;
    const fromMs = countsFrom(window, nowMs);
    return sum((this.#charges[index] ?? []).filter(({ atMs }) => atMs >= fromMs));
  }

  /** Charged and held within the last `durationMs`: what a Sliding limit promises, without its slots. */
  within(index: number, durationMs: number, nowMs: number): number {
    return sum((this.#charges[index] ?? []).filter(({ atMs }) => atMs > nowMs - durationMs));
  }

  /** The output that must be granted; undefined: it must be refused. The most that fits, found by trying. */
  decide(id: string, asked: Asked, nowMs: number): number | undefined {
    const life = this.#lives.get(id);
    if (life !== undefined) return life.granted;
    const fits = (granted: number): boolean =>
      this.limits.every(
        (limit, i) =>
          !limit.enforced || this.used(i, nowMs) + amountOf(limit, asked.amounts[i] ?? 0, granted) <= limit.max,
      );
    for (let granted = asked.wanted; granted >= asked.min; granted--) if (fits(granted)) return granted;
    return undefined;
  }

  /** An admitted reservation. Nothing where its hold lives already. */
  admit(id: string, asked: Asked, granted: number, nowMs: number): void {
    if (this.#lives.has(id)) return;
    const charges = this.limits.map((limit, i) => {
      const charge = { atMs: nowMs, units: amountOf(limit, asked.amounts[i] ?? 0, granted) };
      this.#charges[i]?.push(charge);
      return charge;
    });
    this.#lives.set(id, { charges, granted, leaseMs: asked.leaseMs, endsMs: nowMs + asked.leaseMs });
  }

  renew(id: string, leaseMs: number, nowMs: number): void {
    const life = this.#lives.get(id);
    if (life !== undefined) life.endsMs = Math.max(life.endsMs, nowMs + leaseMs);
  }

  /** Ends a hold at these amounts; the number at once is given back whatever they say. */
  end(id: string, actual: readonly number[] | undefined): void {
    const life = this.#lives.get(id);
    this.#lives.delete(id);
    for (const [i, charge] of (life?.charges ?? []).entries()) {
      charge.units = this.limits[i]?.window.type === "Concurrency" ? 0 : (actual?.[i] ?? charge.units);
    }
  }

  giveUp(id: string): void {
    this.end(
      id,
      this.limits.map(() => 0),
    );
    this.#givenUp.add(id);
  }

  /** Leases that have ended by `nowMs` end their holds at what they held. */
  expire(nowMs: number): void {
    for (const [id, life] of this.#lives) if (life.endsMs <= nowMs) this.end(id, undefined);
  }

  /** Every hold with this lease ends at what it held; for a store whose clock cannot be moved. */
  expireAllWith(leaseMs: number): void {
    for (const [id, life] of this.#lives) if (life.leaseMs === leaseMs) this.end(id, undefined);
  }
}

const sum = (charges: readonly Charge[]): number => charges.reduce((total, { units }) => total + units, 0);

const amountOf = (limit: LedgerLimit, amount: number, granted: number): number =>
  Math.ceil(amount + limit.perOutput * granted);

/** The earliest instant that counts: the docs' words for each window. */
const countsFrom = (window: WindowSpec, nowMs: number): number => {
  if (window.type === "Concurrency") return Number.NEGATIVE_INFINITY;
  if (window.type === "Calendar") return window.boundariesMs.findLast((start) => start <= nowMs) ?? 0;
  if (window.type === "Fixed") return nowMs - (nowMs % window.durationMs);
  const slotMs = slotMsOf(window);
  return nowMs - (nowMs % slotMs) - 16 * slotMs; // the running slot and sixteen before it
};
