import { assert } from "../../base/assert.ts";
import type { WindowSpec } from "../../base/window.ts";
import type { Claim, ReserveRequest } from "../ports/quota-store.ts";

/** Claims of one reservation. */
export const claimsMax = 64;

/** Longest lease, ms; keys that live by their holds outlive this. */
export const leaseMsMax = 3_600_000;

const counterPattern = /^[A-Za-z0-9._:/=-]{1,512}$/;
const namespacePattern = /^[a-z0-9_-]{1,63}$/;
const holdIdPattern = /^[A-Za-z0-9._:-]{1,128}$/;

/** Throws AssertionFault for a name that would not survive as a word of a key. */
export const checkNames = (namespace: string, holdId: string): void => {
  assert(namespacePattern.test(namespace), "a namespace is a DNS label or _cluster");
  assert(holdIdPattern.test(holdId), "a hold id has 1 to 128 of A-Z a-z 0-9 . _ : -");
};

/** Throws AssertionFault for a namespace, counter or window that no caller may ask for. */
export const checkCounter = (namespace: string, counter: string, window: WindowSpec): void => {
  assert(namespacePattern.test(namespace), "a namespace is a DNS label or _cluster");
  assert(counterPattern.test(counter), "a counter has 1 to 512 of A-Z a-z 0-9 . _ : / = -");
  if (window.type === "Sliding" || window.type === "Fixed") {
    assert(Number.isSafeInteger(window.durationMs) && window.durationMs > 0, "a duration is a positive integer");
  }
  if (window.type === "Calendar") {
    assert(window.boundariesMs.length >= 2, "a Calendar window has a start and an end");
    assert(window.boundariesMs.length <= 64, "a Calendar window names at most 64 boundaries");
  }
};

/** Throws AssertionFault for a reservation outside the port's bounds: our own mistake, never the client's. */
export const checkReserve = (request: ReserveRequest): void => {
  checkReserveBut(request);
  for (const { counter, window } of request.claims) checkCounter(request.namespace, counter, window);
};

/** The same, but for the counters and windows, which a store may know already. */
export const checkReserveBut = (request: ReserveRequest): void => {
  checkNames(request.namespace, request.holdId);
  assert(isUnits(request.leaseMs) && request.leaseMs >= 1 && request.leaseMs <= leaseMsMax, "a lease is 1 ms to 1 h");
  const { claims, output } = request;
  if (output !== undefined) {
    const { wanted, min, step = 1 } = output;
    assert(isUnits(wanted) && isUnits(min) && min <= wanted, "output is wanted and least, integers in this order");
    assert(isUnits(step) && step >= 1, "a step of output is a positive integer");
  }
  assert(claims.length <= claimsMax, "too many claims");
  for (let index = 0; index < claims.length; index++) {
    const claim = claims[index] as Claim; // within its length
    assert(isUnits(claim.max) && isUnits(claim.amount), "amounts and limits are integers from 0 to 2^53-1");
    const perOutput = claim.perOutput ?? 0;
    assert(Number.isFinite(perOutput) && perOutput >= 0, "units for each token of output are 0 or more");
    for (let other = 0; other < index; other++) {
      assert(claims[other]?.counter !== claim.counter, "the counters of a reservation are all different");
    }
  }
};

/** Throws AssertionFault unless every amount is an integer from 0 to 2^53-1. */
export const checkAmounts = (amounts: readonly number[]): void => {
  assert(amounts.every(isUnits), "amounts are integers from 0 to 2^53-1");
};

const isUnits = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
