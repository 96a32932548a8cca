import { resetMsOf, type Span, slidingSlots, slotMsOf, unitsMax, usedOf } from "../../../base/window.ts";
import type { Claim, ClaimState } from "../../ports/quota-store.ts";

/** One counter: units by the slot they were charged in. The same arithmetic as reserve.lua; the contract suite compares them. */
export interface Counter {
  readonly slots: Map<number, number>;
  /** Wall clock: nothing in it counts from here on. */
  endsMs: number;
}

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
  const resetMs = resetMsOf(counter.slots, span, claim.window, nowMs);
  const surplus = amount - (claim.max - used);
  if (surplus <= 0) return { used, resetMs, exceeded: false, retryAfterMs: 0 };
  if (amount > claim.max) return { used, resetMs, exceeded: true, retryAfterMs: Number.POSITIVE_INFINITY };
  if (claim.window.type !== "Sliding") return { used, resetMs, exceeded: true, retryAfterMs: resetMs };
  const frees = (slotThatFrees(counter, span, surplus) + slidingSlots + 1) * slotMsOf(claim.window);
  return { used, resetMs, exceeded: true, retryAfterMs: frees - nowMs };
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
  const added = Math.min(amount, unitsMax - usedOf(counter.slots, span));
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
