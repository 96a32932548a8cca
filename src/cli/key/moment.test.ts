import { expect, test } from "vitest";
import { UsageFault } from "../usage.ts";
import { momentText, parseMoment, parseSpan, spanText } from "./moment.ts";

const nowMs = Date.parse("2026-11-21T10:00:00.750Z");

test.each([
  ["90d", 90 * 86_400_000],
  ["12h", 43_200_000],
  ["1d12h", 129_600_000],
  ["2w", 1_209_600_000],
  ["0s", 0],
])("%s is a length of time", (text, ms) => {
  expect(parseSpan("--after", text)).toBe(ms);
});

test.each(["", "90", "d", "-1h", "1.5h", "90 d", "1y", "1h1h1h1h1h1h"])("%j is no length of time", (text) => {
  expect(() => parseSpan("--after", text)).toThrow(UsageFault);
  expect(() => parseSpan("--after", text)).toThrow("--after");
});

test.each([
  ["1h", "2026-11-21T11:00:00Z"],
  ["2027-01-31T12:00:00Z", "2027-01-31T12:00:00Z"],
  ["2027-01-31T12:00:00.9+02:00", "2027-01-31T10:00:00Z"],
  ["2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z"],
])("%s is a moment", (text, moment) => {
  expect(momentText(parseMoment("--expires", text, nowMs))).toBe(moment);
});

test.each([
  "soon",
  "2027-02-30T00:00:00Z",
  "2027-13-01T00:00:00Z",
  "2027-01-31",
  "2027-01-31T12:00:00",
  "999999w999999w",
])("%s is no moment", (text) => {
  expect(() => parseMoment("--expires", text, nowMs)).toThrow(UsageFault);
});

test.each([
  [0, "0s"],
  [999, "0s"],
  [61_000, "1m 1s"],
  [3_600_000, "1h"],
  [90 * 86_400_000 + 5_000, "90d"],
])("%d ms are %s", (ms, text) => {
  expect(spanText(ms)).toBe(text);
});
