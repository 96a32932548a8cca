/** What scripts answer, as values. Throws StoreUnavailable for what no script of ours says: it is not Redis, or a proxy that talks nonsense. */
import type { ClaimState, ReserveResult } from "../../ports/quota-store.ts";
import { StoreUnavailable } from "../../ports/store-unavailable.ts";

/** Four numbers a claim, after two for all of them (lua/reserve.lua). */
const head = 2;
const perClaim = 4;

/** The answer to a reserve of so many claims. Throws StoreUnavailable, also where the hold was given up before. */
export const reserveResultOf = (reply: unknown, claimCount: number): ReserveResult => {
  const numbers = integersOf(reply);
  if (numbers.length === 1 && numbers[0] === -1)
    throw new StoreUnavailable("the hold was given up before its reserve arrived", { maybeDone: false });
  if (numbers.length !== head + claimCount * perClaim) throw unexpected();
  const number = (at: number): number => numbers[at] ?? 0; // never past the end
  const claims: ClaimState[] = [];
  for (let at = head; at < numbers.length; at += perClaim) {
    const retryMs = number(at + 3);
    claims.push({
      used: number(at),
      resetMs: number(at + 1),
      exceeded: number(at + 2) === 1,
      retryAfterMs: retryMs < 0 ? Number.POSITIVE_INFINITY : retryMs,
    });
  }
  return { admitted: number(0) === 1, outputGranted: number(1), claims };
};

/** Numbers of a list. */
export const numbersOf = (reply: unknown): readonly number[] => {
  if (!Array.isArray(reply)) throw unexpected();
  return reply.map(numberOf);
};

/** One number. Units come as strings: ioredis 6 reads an integer above 2^53 - 48 off by one. */
export const numberOf = (reply: unknown): number => {
  if (typeof reply === "number") return reply;
  const [number, ...more] = integersOf(reply);
  if (number === undefined || more.length > 0) throw unexpected();
  return number;
};

const space = 0x20;
const minus = 0x2d;
const nought = 0x30;

/** Whole numbers with one space between two, read byte by byte: there are twenty in each answer, and a text for each would be garbage. */
const integersOf = (reply: unknown): readonly number[] => {
  if (!Buffer.isBuffer(reply) || reply.length === 0) throw unexpected();
  const numbers: number[] = [];
  for (let at = 0; at <= reply.length; at++) {
    const isNegative = reply[at] === minus;
    if (isNegative) at++;
    const from = at;
    let number = 0;
    for (; at < reply.length && reply[at] !== space; at++) {
      const digit = (reply[at] ?? 0) - nought;
      if (digit < 0 || digit > 9) throw unexpected();
      number = number * 10 + digit;
    }
    if (at === from || number > Number.MAX_SAFE_INTEGER) throw unexpected();
    numbers.push(isNegative ? -number : number);
  }
  return numbers;
};

const unexpected = (): StoreUnavailable =>
  new StoreUnavailable("Redis answered with something unexpected", { maybeDone: true });
