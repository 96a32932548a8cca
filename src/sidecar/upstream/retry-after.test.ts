import { expect, test } from "vitest";
import { retryAfterMs } from "./retry-after.ts";

const nowMs = Date.parse("2026-01-01T00:00:00Z");

test.each([
  { name: "no header", headers: {}, want: undefined },
  { name: "seconds", headers: { "retry-after": "70" }, want: 70_000 },
  { name: "seconds with a fraction", headers: { "retry-after": "1.5" }, want: 1_500 },
  { name: "zero", headers: { "retry-after": "0" }, want: 0 },
  { name: "milliseconds before seconds", headers: { "retry-after": "9", "retry-after-ms": "250" }, want: 250 },
  { name: "zero milliseconds before seconds", headers: { "retry-after": "9", "retry-after-ms": "0" }, want: 0 },
  { name: "unreadable milliseconds", headers: { "retry-after": "9", "retry-after-ms": "soon" }, want: 9_000 },
  { name: "a date to come", headers: { "retry-after": "Thu, 01 Jan 2026 00:02:00 GMT" }, want: 120_000 },
  { name: "a date that has passed", headers: { "retry-after": "Wed, 31 Dec 2025 23:59:00 GMT" }, want: 0 },
  { name: "a negative number", headers: { "retry-after": "-5" }, want: undefined },
  { name: "a number of another base", headers: { "retry-after": "0x10" }, want: undefined },
  { name: "an empty value", headers: { "retry-after": "" }, want: undefined },
  { name: "words", headers: { "retry-after": "when it is over" }, want: undefined },
])("$name is understood", ({ headers, want }) => {
  expect(retryAfterMs(Object.entries(headers), nowMs)).toBe(want);
});
