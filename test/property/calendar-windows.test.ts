/** Calendar windows where clocks change, leap days come and days are missing; expected instants are from another tz library. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { calendarBoundaries } from "../../src/base/calendar.ts";
import { spanOf } from "../../src/base/window.ts";
import { share } from "../fixtures/proof.ts";

type Period = "Day" | "Week" | "Month";

const rows: readonly (readonly [Period, string, string, string, string, number, string])[] = [
  [
    "Day",
    "America/New_York",
    "2026-03-08T12:00Z",
    "2026-03-08T05:00Z",
    "2026-03-09T04:00Z",
    23,
    "the clock goes forward",
  ],
  ["Day", "America/New_York", "2026-11-01T12:00Z", "2026-11-01T04:00Z", "2026-11-02T05:00Z", 25, "the clock goes back"],
  [
    "Day",
    "America/New_York",
    "2026-11-01T06:30Z",
    "2026-11-01T04:00Z",
    "2026-11-02T05:00Z",
    25,
    "half past one for the second time",
  ],
  [
    "Week",
    "America/New_York",
    "2026-03-08T03:00Z",
    "2026-03-02T05:00Z",
    "2026-03-09T04:00Z",
    167,
    "Saturday there, Sunday in UTC",
  ],
  [
    "Week",
    "America/New_York",
    "2026-03-11T12:00Z",
    "2026-03-09T04:00Z",
    "2026-03-16T04:00Z",
    168,
    "the week after the clock went forward",
  ],
  ["Month", "America/New_York", "2028-02-29T12:00Z", "2028-02-01T05:00Z", "2028-03-01T05:00Z", 696, "a leap February"],
  [
    "Month",
    "America/New_York",
    "2026-03-31T23:00Z",
    "2026-03-01T05:00Z",
    "2026-04-01T04:00Z",
    743,
    "begins and ends with different offsets",
  ],
  [
    "Month",
    "America/New_York",
    "2027-01-01T04:59Z",
    "2026-12-01T05:00Z",
    "2027-01-01T05:00Z",
    744,
    "January in UTC, December there",
  ],
  ["Day", "Europe/London", "2026-03-29T12:00Z", "2026-03-29T00:00Z", "2026-03-29T23:00Z", 23, "the clock goes forward"],
  ["Day", "Europe/London", "2026-10-25T12:00Z", "2026-10-24T23:00Z", "2026-10-26T00:00Z", 25, "the clock goes back"],
  ["Day", "Europe/London", "2028-02-29T23:59Z", "2028-02-29T00:00Z", "2028-03-01T00:00Z", 24, "a leap day"],
  [
    "Week",
    "Europe/London",
    "2026-10-25T23:30Z",
    "2026-10-18T23:00Z",
    "2026-10-26T00:00Z",
    169,
    "the long Sunday ends the week",
  ],
  ["Month", "Europe/London", "2026-10-31T23:59Z", "2026-09-30T23:00Z", "2026-11-01T00:00Z", 745, "31 days and an hour"],
  [
    "Month",
    "Europe/London",
    "2100-02-28T12:00Z",
    "2100-02-01T00:00Z",
    "2100-03-01T00:00Z",
    672,
    "2100 is no leap year",
  ],
  [
    "Day",
    "Asia/Kolkata",
    "2028-02-28T18:30Z",
    "2028-02-28T18:30Z",
    "2028-02-29T18:30Z",
    24,
    "the first instant of a leap day",
  ],
  [
    "Day",
    "Asia/Kolkata",
    "2028-02-29T18:29Z",
    "2028-02-28T18:30Z",
    "2028-02-29T18:30Z",
    24,
    "the last minute of a leap day",
  ],
  [
    "Week",
    "Asia/Kolkata",
    "2026-12-31T20:00Z",
    "2026-12-27T18:30Z",
    "2027-01-03T18:30Z",
    168,
    "over the turn of the year",
  ],
  [
    "Month",
    "Asia/Kolkata",
    "2026-04-30T18:29Z",
    "2026-03-31T18:30Z",
    "2026-04-30T18:30Z",
    720,
    "the last minute of April",
  ],
  [
    "Month",
    "Asia/Kolkata",
    "2026-04-30T18:30Z",
    "2026-04-30T18:30Z",
    "2026-05-31T18:30Z",
    744,
    "the first minute of May",
  ],
  [
    "Day",
    "Australia/Lord_Howe",
    "2026-04-04T20:00Z",
    "2026-04-04T13:00Z",
    "2026-04-05T13:30Z",
    24.5,
    "the clock goes back by half an hour",
  ],
  [
    "Day",
    "Australia/Lord_Howe",
    "2026-10-03T20:00Z",
    "2026-10-03T13:30Z",
    "2026-10-04T13:00Z",
    23.5,
    "the clock goes forward by half an hour",
  ],
  [
    "Week",
    "Australia/Lord_Howe",
    "2026-10-03T20:00Z",
    "2026-09-27T13:30Z",
    "2026-10-04T13:00Z",
    167.5,
    "ends with the short Sunday",
  ],
  [
    "Month",
    "Australia/Lord_Howe",
    "2026-10-15T00:00Z",
    "2026-09-30T13:30Z",
    "2026-10-31T13:00Z",
    743.5,
    "half an hour short",
  ],
  [
    "Month",
    "Australia/Lord_Howe",
    "2028-02-29T00:00Z",
    "2028-01-31T13:00Z",
    "2028-02-29T13:00Z",
    696,
    "a leap February in summer time",
  ],
  [
    "Day",
    "America/Sao_Paulo",
    "2018-11-04T12:00Z",
    "2018-11-04T03:00Z",
    "2018-11-05T02:00Z",
    23,
    "there is no midnight: it begins at one",
  ],
  [
    "Day",
    "America/Sao_Paulo",
    "2018-02-17T12:00Z",
    "2018-02-17T02:00Z",
    "2018-02-18T03:00Z",
    25,
    "the hour before midnight comes twice",
  ],
  [
    "Week",
    "America/Sao_Paulo",
    "2018-11-04T12:00Z",
    "2018-10-29T03:00Z",
    "2018-11-05T02:00Z",
    167,
    "ends with the Sunday without midnight",
  ],
  [
    "Month",
    "America/Sao_Paulo",
    "2026-02-28T23:59Z",
    "2026-02-01T03:00Z",
    "2026-03-01T03:00Z",
    672,
    "no summer time any more",
  ],
  [
    "Day",
    "Pacific/Apia",
    "2011-12-30T09:59Z",
    "2011-12-29T10:00Z",
    "2011-12-30T10:00Z",
    24,
    "the last minute before the day that never was",
  ],
  [
    "Day",
    "Pacific/Apia",
    "2011-12-30T10:00Z",
    "2011-12-30T10:00Z",
    "2011-12-31T10:00Z",
    24,
    "the first minute after the day that never was",
  ],
  ["Week", "Pacific/Apia", "2011-12-30T10:00Z", "2011-12-26T10:00Z", "2012-01-01T10:00Z", 144, "six days"],
  [
    "Month",
    "Pacific/Apia",
    "2011-12-31T00:00Z",
    "2011-12-01T10:00Z",
    "2011-12-31T10:00Z",
    720,
    "a December of 30 days",
  ],
];

const hourMs = 3_600_000;

describe("a calendar window", () => {
  test.each(rows)("%s in %s at %s is %s to %s, %s h: %s", (period, zone, now, from, to, hours) => {
    const nowMs = Date.parse(now);
    const boundariesMs = calendarBoundaries(period, zone, nowMs);
    const span = spanOf({ type: "Calendar", boundariesMs }, nowMs);
    expect([span.slot, span.endsMs]).toEqual([Date.parse(from), Date.parse(to)]);
    expect(span.endsMs - span.slot).toBe(hours * hourMs);
  });

  const zones = [...new Set(rows.map(([, zone]) => zone))];
  /** Year, month, day there, by the formatter, which shares no code with what is tested. */
  const formatters = new Map(
    zones.map((timeZone) => [timeZone, new Intl.DateTimeFormat("en-CA", { timeZone, dateStyle: "short" })]),
  );
  const dateAt = (zone: string, ms: number): string => formatters.get(zone)?.format(ms) ?? "";
  /** The name of the window that a date lies in: the date of its first day. */
  const windowOf = (period: Period, date: string): string => {
    if (period === "Day") return date;
    if (period === "Month") return `${date.slice(0, 7)}-01`;
    const day = Date.parse(`${date}T00:00Z`);
    return new Date(day - ((new Date(day).getUTCDay() + 6) % 7) * 24 * hourMs).toISOString().slice(0, 10);
  };

  test("holds exactly the instants whose date there lies in it, whatever the instant, zone and period", () => {
    const at = fc.integer({ min: Date.parse("2005-01-01T00:00Z"), max: Date.parse("2035-01-01T00:00Z") });
    const period = fc.constantFrom<Period>("Day", "Week", "Month");
    fc.assert(
      fc.property(at, fc.constantFrom(...zones), period, (nowMs, zone, each) => {
        const boundaries = calendarBoundaries(each, zone, nowMs);
        const span = spanOf({ type: "Calendar", boundariesMs: boundaries }, nowMs);
        const own = windowOf(each, dateAt(zone, nowMs));
        expect(span.slot).toBeLessThanOrEqual(nowMs);
        expect(span.endsMs).toBeGreaterThan(nowMs);
        expect(windowOf(each, dateAt(zone, span.slot))).toBe(own);
        expect(windowOf(each, dateAt(zone, span.endsMs - 1))).toBe(own);
        expect(windowOf(each, dateAt(zone, span.slot - 1))).not.toBe(own);
        expect(windowOf(each, dateAt(zone, span.endsMs))).not.toBe(own);
        expect(boundaries.toSorted((a, b) => a - b)).toEqual([...boundaries]);
      }),
      { numRuns: share(20_000) },
    );
  });
});
