import type { Claim, ClaimState, WindowSpec } from "../../ports/quota-store.ts";
import { slidingSlots, slotMsOf, unitsMax } from "../claims.ts";

/** One counter: units by the slot they were charged in. The same arithmetic as reserve.lua; the contract suite compares them. */
export interface Counter {
  readonly slots: Map<number, number>;
  /** Wall clock: nothing in it counts from here on. */
  endsMs: number;
}

/** Where a charge of now goes, from which slot on charges count, and when the running window and its key end. */
export interface Span {
  readonly slot: number;
  readonly first: number;
  readonly endsMs: number;
}

/** The window around `nowMs`. Concurrency has one slot that never ends. */
export const spanOf = (window: WindowSpec, nowMs: number): Span => {
  if (window.type === "Concurrency") return { slot: 0, first: 0, endsMs: Number.POSITIVE_INFINITY };
  if (window.type === "Calendar") return calendarSpan(window.boundariesMs, nowMs);
  const slotMs = slotMsOf(window);
  const slot = Math.floor(nowMs / slotMs);
  // The oldest slot overlaps the window in part and counts whole: so no span of the duration ever holds more than the limit.
  const first = window.type === "Sliding" ? slot - slidingSlots : slot;
  return { slot, first, endsMs: (slot + slot - first + 1) * slotMs };
};

/** Before the first and after the last boundary the nearest known window stands: the store's clock may differ from the caller's. */
const calendarSpan = (boundariesMs: readonly number[], nowMs: number): Span => {
  let start = boundariesMs[0] ?? 0;
  let length = 0;
  for (const boundary of boundariesMs.slice(1)) {
    length = boundary - start;
    if (boundary > nowMs) return { slot: start, first: start, endsMs: boundary };
    start = boundary;
  }
  return { slot: start, first: start, endsMs: Math.max(start + length, nowMs + 1) };
};

/** Charged and held in the slots that count. */
export const usedOf = (counter: Counter, span: Span): number => {
  let used = 0;
  for (const [slot, units] of counter.slots) if (slot >= span.first) used += units;
  return Math.min(used, unitsMax);
};

/** A counter as a claim meets it. */
export interface Meeting {
  readonly claim: Claim;
  readonly counter: Counter;
  readonly span: Span;
  /** Charged and held before this claim. */
  readonly used: number;
}

/** Whether `amount` is too much for a claim, and when it would fit. */
export const judge = ({ claim, counter, span, used }: Meeting, amount: number, nowMs: number): ClaimState => {
  const resetMs = resetMsOf(counter, span, claim.window, nowMs);
  const surplus = amount - (claim.max - used);
  if (surplus <= 0) return { used, resetMs, exceeded: false, retryAfterMs: 0 };
  if (amount > claim.max) return { used, resetMs, exceeded: true, retryAfterMs: Number.POSITIVE_INFINITY };
  if (claim.window.type !== "Sliding") return { used, resetMs, exceeded: true, retryAfterMs: resetMs };
  const frees = (slotThatFrees(counter, span, surplus) + slidingSlots + 1) * slotMsOf(claim.window);
  return { used, resetMs, exceeded: true, retryAfterMs: frees - nowMs };
};

/** Until the window ends, or for Sliding until its oldest charged slot has rolled out; 0 where nothing is charged. */
export const resetMsOf = (counter: Counter, span: Span, window: WindowSpec, nowMs: number): number => {
  if (window.type === "Concurrency") return 0;
  if (window.type !== "Sliding") return span.endsMs - nowMs;
  let oldest = Number.POSITIVE_INFINITY;
  for (const [slot, units] of counter.slots) {
    if (slot >= span.first && units > 0 && slot < oldest) oldest = slot;
  }
  return oldest === Number.POSITIVE_INFINITY ? 0 : (oldest + slidingSlots + 1) * slotMsOf(window) - nowMs;
};

/** The slot with which, oldest first, `surplus` units have gone. */
const slotThatFrees = (counter: Counter, span: Span, surplus: number): number => {
  let last = span.first;
  let left = surplus;
  for (const [slot, units] of [...counter.slots].sort(([a], [b]) => a - b)) {
    if (slot < span.first) continue;
    last = slot;
    left -= units;
    if (left <= 0) break;
  }
  return last;
};

/** Charges `amount` now; answers what was added, which is less only where the counter would pass 2^53-1. */
export const charge = (counter: Counter, span: Span, amount: number): number => {
  const added = Math.min(amount, unitsMax - usedOf(counter, span));
  for (const slot of counter.slots.keys()) if (slot < span.first) counter.slots.delete(slot);
  counter.slots.set(span.slot, (counter.slots.get(span.slot) ?? 0) + added);
  counter.endsMs = Math.max(counter.endsMs, span.endsMs);
  return added;
};

/** Replaces what was held in a slot by what was used; a slot that is past stays gone. */
export const correct = (counter: Counter, slot: number, change: number): void => {
  const units = counter.slots.get(slot);
  if (units === undefined) return;
  counter.slots.set(slot, Math.max(0, Math.min(units + change, unitsMax)));
};
