import { describe, expect, test } from "vitest";
import { calendarBoundaries } from "./calendar.ts";

const at = (iso: string): number => Date.parse(iso);
const current = (period: "Day" | "Week" | "Month", zone: string, now: string): string[] =>
  calendarBoundaries(period, zone, at(now))
    .slice(1, 3)
    .map((ms) => new Date(ms).toISOString());

describe("calendar windows", () => {
  test.each([
    ["Day", "UTC", "2026-11-21T12:00:00Z", ["2026-11-21T00:00:00.000Z", "2026-11-22T00:00:00.000Z"]],
    ["Day", "Europe/Warsaw", "2026-03-29T12:00:00Z", ["2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"]], // 23 hours: summer time begins
    ["Day", "America/New_York", "2026-11-01T12:00:00Z", ["2026-11-01T04:00:00.000Z", "2026-11-02T05:00:00.000Z"]], // 25 hours
    ["Week", "UTC", "2026-11-22T23:59:59Z", ["2026-11-16T00:00:00.000Z", "2026-11-23T00:00:00.000Z"]], // Sunday ends the week
    ["Month", "UTC", "2028-02-29T12:00:00Z", ["2028-02-01T00:00:00.000Z", "2028-03-01T00:00:00.000Z"]],
    ["Month", "Asia/Kolkata", "2026-01-31T20:00:00Z", ["2026-01-31T18:30:00.000Z", "2026-02-28T18:30:00.000Z"]],
    ["Month", "Pacific/Auckland", "2026-12-31T12:00:00Z", ["2026-12-31T11:00:00.000Z", "2027-01-31T11:00:00.000Z"]],
  ] as const)("%s in %s around %s", (period, zone, now, want) => {
    expect(current(period, zone, now)).toEqual([...want]);
  });

  test("stand in ascending order with the current window second", () => {
    const now = at("2026-11-21T12:00:00Z");
    const all = calendarBoundaries("Month", "UTC", now);
    expect([...all].sort((a, b) => a - b)).toEqual([...all]);
    expect(all[1]).toBeLessThanOrEqual(now);
    expect(all[2]).toBeGreaterThan(now);
  });

  test("follow the clock from one window into the next and back", () => {
    expect(current("Day", "UTC", "2026-11-21T23:59:59.999Z")[0]).toBe("2026-11-21T00:00:00.000Z");
    expect(current("Day", "UTC", "2026-11-22T00:00:00.000Z")[0]).toBe("2026-11-22T00:00:00.000Z");
    expect(current("Day", "UTC", "2026-11-21T23:59:59.999Z")[0]).toBe("2026-11-21T00:00:00.000Z");
  });
});
