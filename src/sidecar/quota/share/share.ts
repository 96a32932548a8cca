/** What one sidecar knows of one counter, and how much of it is its own while the store is away. */
import { type Span, spanOf, usedOf, type WindowSpec } from "../../../base/window.ts";
import type { Claim } from "../../ports/quota-store.ts";
import { type Counter, charge } from "../../stores/memory/counter.ts";

/** A whole counter, in parts. Sidecars hold parts of it in the store, where they never sum to more. */
export const partsMax = 1_000_000;

/** How much a new figure weighs against those before. */
const newWeight = 0.5;
/** A share that is off by less than this part of itself stays: each change costs a round trip. */
const toleratedDrift = 0.1;

/** One counter as this sidecar knows it. */
export interface Share {
  readonly namespace: string;
  readonly counter: string;
  /** Cluster: the counter is everybody's. */
  readonly scope?: "Cluster" | undefined;
  /** As it was last planned: of Calendar the boundaries move on. */
  window: WindowSpec;
  /** Of `partsMax`, held in the store under `holdId`; 0 while nothing is held, or nobody knows. */
  parts: number;
  holdId: string | undefined;
  /** Monotonic: when the hold of the parts was made or last renewed. */
  renewedMs: number;
  /** The last look at the counter: units, wall clock and slot of then, and what of it were this sidecar's own holds. */
  seen: { readonly used: number; readonly slot: number; readonly monotonicMs: number; readonly own: number };
  /** Charged by others before this sidecar first looked: they may be gone, and say nothing about its fraction. */
  readonly before: { readonly units: number; readonly slot: number };
  /** Fraction of the use that was this sidecar's, smoothed; undefined: not known yet. */
  fraction: number | undefined;
  /** Charged and held by this sidecar in the store, as far as it knows. */
  readonly own: Counter;
  /** Admitted here and not in the store yet: what runs and what has ended. */
  readonly local: Counter;
  /** The part of `local` that has ended and is to be charged, by slot. */
  readonly owed: Map<number, number>;
  /** Monotonic: the last request that met it. */
  usedMs: number;
}

/** Names a share: a changed duration is another counter. */
export const shareKey = (namespace: string, { counter, scope, window }: Claim): string =>
  `${scope ?? ""}${window.type}:${"durationMs" in window ? window.durationMs : 0}:${namespace}/${counter}`;

/** A share of a counter that is met for the first time. `used`: what it held before this request. */
export const newShare = (
  namespace: string,
  { counter, scope, window }: Claim,
  now: { readonly used: number; readonly nowMs: number; readonly monotonicMs: number },
): Share => {
  const { slot } = spanOf(window, now.nowMs);
  return {
    ...{ namespace, counter, scope, window, parts: 0, holdId: undefined, renewedMs: 0, fraction: undefined },
    seen: { used: now.used, slot, monotonicMs: now.monotonicMs, own: 0 },
    before: { units: window.type === "Concurrency" ? 0 : now.used, slot },
    own: { slots: new Map(), endsMs: 0 },
    local: { slots: new Map(), endsMs: 0 },
    owed: new Map(),
    usedMs: now.monotonicMs,
  };
};

/** Takes over what the store says of the counter, own charges included. */
export const look = (share: Share, used: number, nowMs: number, monotonicMs: number): void => {
  const span = spanOf(share.window, nowMs);
  share.seen = { used, slot: span.slot, monotonicMs, own: usedOf(share.own.slots, span) };
};

/** Adds what this sidecar holds in the store now; answers the slot. */
export const chargeOwn = (share: Share, amount: number, nowMs: number): number => {
  const span = spanOf(share.window, nowMs);
  charge(share.own, span, amount);
  return span.slot;
};

/**
 * Corrects an own charge to what it came to. What is given back is there again as long as its window runs: the last look is corrected, too.
 * Without `nowMs` it is not, as the store has not been told yet. Of Concurrency it is not: a place that this sidecar gave back is its own
 * to take again, see `allowanceOf`.
 */
export const correctOwn = (share: Share, slot: number, change: number, nowMs: number | undefined): void => {
  const units = share.own.slots.get(slot);
  if (units === undefined || change === 0) return;
  share.own.slots.set(slot, Math.max(0, units + change));
  if (nowMs === undefined || share.window.type === "Concurrency" || slot < spanOf(share.window, nowMs).first) return;
  share.seen = { ...share.seen, used: Math.max(0, share.seen.used + change) };
};

/**
 * Learns the fraction of the use that is this sidecar's, and answers the parts to hold; undefined: those it holds will do.
 * Where nothing was used the last fraction stands.
 */
export const partsWanted = (share: Share, nowMs: number): number | undefined => {
  const span = spanOf(share.window, nowMs);
  const before = share.before.slot >= span.first ? share.before.units : 0;
  const total = share.seen.used - before;
  if (total > 0) {
    const now = Math.min(1, usedOf(share.own.slots, span) / total);
    share.fraction = share.fraction === undefined ? now : share.fraction * (1 - newWeight) + now * newWeight;
  }
  const wanted = Math.round((share.fraction ?? 0) * partsMax);
  return Math.abs(wanted - share.parts) > toleratedDrift * Math.max(wanted, share.parts) ? wanted : undefined;
};

/**
 * Most units that may be admitted here and not yet be in the store: the share of what the last look left over; of the whole `max` where
 * nothing of then counts any more. For Concurrency also the places that this sidecar had then and gave back since. Rounded down, so that
 * the sum over sidecars whose parts sum to `partsMax` is never more than the largest remainder that one of them saw.
 */
export const allowanceOf = (share: Share, max: number, nowMs: number): number => {
  const span = spanOf(share.window, nowMs);
  const left = share.seen.slot < span.first ? max : Math.max(0, max - share.seen.used);
  const part = Number((BigInt(left) * BigInt(share.parts)) / BigInt(partsMax));
  if (share.window.type !== "Concurrency") return part;
  return part + Math.max(0, share.seen.own - usedOf(share.own.slots, span));
};

/** Nothing is admitted here that the store does not know. */
export const isEven = (share: Share): boolean => {
  if (share.owed.size > 0) return false;
  for (const units of share.local.slots.values()) if (units > 0) return false;
  return true;
};

/** Whether units of a slot still count. */
export const isLive = (slot: number, span: Span): boolean => slot >= span.first;
