/** A slice of a counter: units that this sidecar holds in the store under one hold, and from which it admits by itself. */
import type { Clock } from "../../../base/clock.ts";
import { slotMsOf, type WindowSpec } from "../../../base/window.ts";
import type { ClaimState } from "../../ports/quota-store.ts";

/** How long a slice is admitted from, in ms: so long, at most, units lie in a slice that nobody uses. */
export const sliceMs = 2_000;
/** A slice is given up so much before its slot ends, in ms: clocks tick in milliseconds, and not all alike. */
export const sliceMarginMs = 10;
/** Lease of a slice's hold, in ms. When it ends the slice stays charged in full, so a longer one only spares renewals. */
export const sliceLeaseMs = 60_000;

/** One slice. */
export interface Slice {
  readonly holdId: string;
  /** Held in the store when it was made. */
  readonly units: number;
  /** Limit and burst that it was granted under. */
  readonly max: number;
  /** Mode Audit: it was granted above the limit. */
  readonly exceeded: boolean;
  /** Charged and held by others at that time. */
  readonly usedBeside: number;
  readonly resetMs: number;
  /** When it was asked for, by both clocks, and for how long it is admitted from. */
  readonly asked: Moment;
  readonly lifeMs: number;
  /** Held by requests that run, their number, and what the ended ones came to. */
  running: number;
  requests: number;
  consumed: number;
  /** The most that was held and charged of it at once. */
  peak: number;
  /** What the store holds of it, as far as this sidecar knows. */
  inStore: number;
}

/** A moment by both clocks. */
export interface Moment {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

/** Now. */
export const momentOf = (clock: Clock): Moment => ({ wallMs: clock.nowMs(), monotonicMs: clock.monotonicMs() });

/**
 * Since a moment, by the clock that ran further: the monotonic one stands still while a machine sleeps, the wall clock may be set back.
 * One that was set forward only makes it longer.
 */
export const sinceMs = (clock: Clock, moment: Moment): number =>
  Math.max(clock.monotonicMs() - moment.monotonicMs, clock.nowMs() - moment.wallMs);

/**
 * How long after it was asked for a slice may be admitted from: until the slot ends in which the store booked it, by the store's clock, and
 * no longer than `sliceMs`. It was booked after it was asked for, so to count from the asking is early, never late. Sliding: `resetMs`
 * is a whole number of slots after the end of this one.
 */
export const lifeMsOf = (window: WindowSpec, resetMs: number): number => {
  const slotMs = slotMsOf(window);
  const left = window.type === "Sliding" ? ((((resetMs - 1) % slotMs) + slotMs) % slotMs) + 1 : resetMs;
  return Math.max(0, Math.min(left - sliceMarginMs, sliceMs));
};

/** Units of it that are free. */
export const roomOf = ({ units, running, consumed }: Slice): number => Math.max(0, units - running - consumed);

/** The counter as this sidecar knows it: what others have, as it was, and what of the slice is in use. */
export const stateOf = (slice: Slice, clock: Clock): ClaimState => ({
  used: slice.usedBeside + slice.running + slice.consumed,
  resetMs: Math.max(0, Math.round(slice.resetMs - sinceMs(clock, slice.asked))),
  exceeded: slice.exceeded,
  retryAfterMs: 0,
});

/** It has come to more than the store holds: charges may be above what was held (P99, audio). */
export const isUnderstated = ({ running, consumed, inStore: held }: Slice): boolean => running + consumed > held;
