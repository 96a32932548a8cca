/** What a counter counts and for how long, with its arithmetic. reserve.lua and peek.lua do the same; the contract suites compare them. */

/** Slots of a Sliding window. More are finer (usage comes back sooner) and dearer (each is read at every reserve). */
export const slidingSlots = 16;

/** Largest amount, limit and counter, in units: what a double holds exactly. Counters stop here instead of wrapping. */
export const unitsMax = Number.MAX_SAFE_INTEGER;

/** What a counter counts and for how long. */
export type WindowSpec =
  /** At most `max` in any span of `durationMs`: `slots` equal slots, the oldest counted whole, so never above, at most one slot late. */
  | { readonly type: "Sliding"; readonly durationMs: number }
  /** Aligned to the epoch. */
  | { readonly type: "Fixed"; readonly durationMs: number }
  /** `boundariesMs`: ascending starts of windows around now, at least the current one's start and end; the store's time picks. */
  | { readonly type: "Calendar"; readonly boundariesMs: readonly number[] }
  /** Amount in use now; given back at settlement, release or expiry. */
  | { readonly type: "Concurrency" };

/**
 * Length of one slot, ms. Sliding: a sixteenth, rounded up, so that sixteen whole slots and the running one always cover the
 * duration. Fixed: the duration. 0 for Calendar and Concurrency, which have none.
 */
export const slotMsOf = (window: WindowSpec): number => {
  if (window.type === "Sliding") return Math.ceil(window.durationMs / slidingSlots);
  return window.type === "Fixed" ? window.durationMs : 0;
};

/** Where a charge of now goes, from which slot on charges count, and when the running window and its key end. */
export interface Span {
  readonly slot: number;
  readonly first: number;
  readonly endsMs: number;
}

/** Units by the slot they were charged in. */
export type Slots = ReadonlyMap<number, number>;

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
export const usedOf = (slots: Slots, span: Span): number => {
  let used = 0;
  for (const [slot, units] of slots) if (slot >= span.first) used += units;
  return Math.min(used, unitsMax);
};

/** Until the window ends, or for Sliding until its oldest charged slot has rolled out; 0 where nothing is charged, and for Concurrency. */
export const resetMsOf = (slots: Slots, span: Span, window: WindowSpec, nowMs: number): number => {
  if (window.type === "Concurrency") return 0;
  if (window.type !== "Sliding") return span.endsMs - nowMs;
  let oldest = Number.POSITIVE_INFINITY;
  for (const [slot, units] of slots) {
    if (slot >= span.first && units > 0 && slot < oldest) oldest = slot;
  }
  return oldest === Number.POSITIVE_INFINITY ? 0 : (oldest + slidingSlots + 1) * slotMsOf(window) - nowMs;
};
