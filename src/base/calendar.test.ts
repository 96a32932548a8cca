import { describe, expect, test } from "vitest";
import { calendarBoundaries, isSameTimeZone, isTimeZone } from "./calendar.ts";

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

/** Names that ICU keeps from before the tz database had its own, and links of it that no release of it has any more. */
const icuNames = [
  ..."ACT AET AGT ART AST BET BST CAT CNT CST CTT EAT ECT IET IST JST MIT NET NST PLT PNT PRT PST SST VST".split(" "),
  ..."AST4 AST4ADT CST6 CST6CDT EST5 EST5EDT HST10 MST7 MST7MDT PST8 PST8PDT YST9 YST9YDT"
    .split(" ")
    .map((zone) => `SystemV/${zone}`),
  "Canada/East-Saskatchewan",
  "US/Pacific-New",
];

describe("a time zone", () => {
  test.each([...icuNames, "Mars/Base", "20200101T0000Z"])("is not %s", (name) => {
    expect(isTimeZone(name)).toBe(false);
  });

  test("is every one that the tz database lists, and its old links that calendars can count in", () => {
    const names = [...Intl.supportedValuesOf("timeZone"), "UTC", "EST", "EST5EDT", "Etc/GMT+5", "US/Pacific", "GB"];
    expect(names.filter((name) => !isTimeZone(name))).toEqual([]);
  });

  test("can be counted in: whatever name is taken, its windows are known", () => {
    for (const name of [...icuNames, ...Intl.supportedValuesOf("timeZone")].filter(isTimeZone))
      expect(calendarBoundaries("Day", name, 0)).toHaveLength(4);
  });

  test("is the same under its old name", () => {
    expect(isSameTimeZone("Asia/Calcutta", "Asia/Kolkata")).toBe(true);
    expect(isSameTimeZone("Etc/UTC", "UTC")).toBe(true);
    expect(isSameTimeZone("Europe/Warsaw", "Europe/Berlin")).toBe(false);
  });
});
