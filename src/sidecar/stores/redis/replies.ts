/** What scripts answer, as values. Throws StoreUnavailable for what no script of ours says: it is not Redis, or a proxy that talks nonsense. */
import type { ClaimState, ReserveResult } from "../../ports/quota-store.ts";
import { StoreUnavailable } from "../../ports/store-unavailable.ts";

/** The answer to a reserve of so many claims. Throws StoreUnavailable, also where the hold was given up before. */
export const reserveResultOf = (reply: unknown, claimCount: number): ReserveResult => {
  const numbers = new Integers(reply);
  const first = numbers.next();
  if (first === -1 && numbers.hasEnded)
    throw new StoreUnavailable("the hold was given up before its reserve arrived", { maybeDone: false });
  const outputGranted = numbers.next();
  const claims: ClaimState[] = [];
  for (let index = 0; index < claimCount; index++) {
    const [used, resetMs] = [numbers.next(), numbers.next()];
    const [exceeded, retryMs] = [numbers.next() === 1, numbers.next()];
    claims.push({ used, resetMs, exceeded, retryAfterMs: retryMs < 0 ? Number.POSITIVE_INFINITY : retryMs });
  }
  if (!numbers.hasEnded) throw unexpected();
  return { admitted: first === 1, outputGranted, claims };
};

/** Numbers of a list. */
export const numbersOf = (reply: unknown): readonly number[] => {
  if (!Array.isArray(reply)) throw unexpected();
  return reply.map(numberOf);
};

/** One number. Units come as strings: ioredis 6 reads an integer above 2^53 - 48 off by one. */
export const numberOf = (reply: unknown): number => {
  if (typeof reply === "number") return reply;
  const numbers = new Integers(reply);
  const number = numbers.next();
  if (!numbers.hasEnded) throw unexpected();
  return number;
};

const space = 0x20;
const minus = 0x2d;
const nought = 0x30;

/** Whole numbers with one space between two, read byte by byte: there are twenty in each answer, and a text for each would be garbage. */
class Integers {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(reply: unknown) {
    if (!Buffer.isBuffer(reply)) throw unexpected();
    this.#bytes = reply;
  }

  /** Nothing follows the last number. */
  get hasEnded(): boolean {
    return this.#at > this.#bytes.length;
  }

  /** Throws StoreUnavailable where there is none. */
  next(): number {
    const bytes = this.#bytes;
    const { length } = bytes;
    let at = this.#at;
    const isNegative = bytes[at] === minus;
    if (isNegative) at++;
    const from = at;
    let number = 0;
    for (; at < length && bytes[at] !== space; at++) {
      const digit = (bytes[at] ?? 0) - nought;
      if (digit < 0 || digit > 9) throw unexpected();
      number = number * 10 + digit;
    }
    if (at === from || number > Number.MAX_SAFE_INTEGER) throw unexpected();
    this.#at = at + 1; // past the space, or past the end
    return isNegative ? -number : number;
  }
}

const unexpected = (): StoreUnavailable =>
  new StoreUnavailable("Redis answered with something unexpected", { maybeDone: true });
