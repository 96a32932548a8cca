import { expect, test } from "vitest";
import { slotMsOf, type WindowSpec } from "../../../base/window.ts";
import { lifeMsOf, sinceMs, sliceMarginMs, sliceMs } from "./slice.ts";

const minute: WindowSpec = { type: "Sliding", durationMs: 60_000 };
const slotMs = slotMsOf(minute);

test.each<[string, WindowSpec, number, number]>([
  ["a Sliding window whose slot has just begun", minute, 17 * slotMs, sliceMs],
  ["one whose slot has 900 ms left", minute, 16 * slotMs + 900, 900 - sliceMarginMs],
  ["one whose oldest charge rolls out next", minute, 900, 900 - sliceMarginMs],
  ["one whose slot ends now", minute, 4 * slotMs + 1, 0],
  ["a Sliding window that makes no whole slots", { type: "Sliding", durationMs: 100_001 }, 5 * 6_251 + 77, 67],
  ["a Fixed window with time to go", { type: "Fixed", durationMs: 60_000 }, 50_000, sliceMs],
  ["a Fixed window that is nearly over", { type: "Fixed", durationMs: 60_000 }, 700, 690],
  ["a month that is nearly over", { type: "Calendar", boundariesMs: [0, 1] }, 5, 0],
])("a slice lasts no longer than its slot: %s", (_, window, resetMs, lifeMs) => {
  expect(lifeMsOf(window, resetMs)).toBe(lifeMs);
});

test("time passes by the clock that ran further: a machine may sleep, a wall clock may be set back", () => {
  const now = { wallMs: 1_000_000, monotonicMs: 500 };
  const clock = (wallMs: number, monotonicMs: number) => ({
    nowMs: () => now.wallMs + wallMs,
    monotonicMs: () => now.monotonicMs + monotonicMs,
  });
  expect(sinceMs(clock(300, 300), now)).toBe(300);
  expect(sinceMs(clock(9_000, 300), now)).toBe(9_000);
  expect(sinceMs(clock(-9_000, 300), now)).toBe(300);
});
