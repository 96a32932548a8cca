import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson } from "./canonical.ts";

test.each<[string, unknown, string]>([
  [
    "members are sorted by UTF-16 code units",
    { "\u{1f600}": 1, "\ufb33": 2, "€": 3, a: 4, A: 5, "1": 6, "10": 7, "2": 8 },
    '{"1":6,"10":7,"2":8,"A":5,"a":4,"€":3,"\u{1f600}":1,"\ufb33":2}',
  ],
  [
    "numbers are as ECMAScript writes them",
    [1e21, 1e-7, 4.5, 2e-3, -0, 333333333.3333333],
    "[1e+21,1e-7,4.5,0.002,0,333333333.3333333]",
  ],
  ["strings escape what they must and no more", '\u20ac$\u000f\nA\'B"\\\\"/', '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'],
  ["undefined members are left out", { b: undefined, a: [null, true, {}] }, '{"a":[null,true,{}]}'],
])("%s", (_, value, text) => {
  expect(canonicalJson(value)).toBe(text);
});

test.each([NaN, Infinity, undefined, () => 1, 1n, [undefined]])("%s has no canonical JSON", (value) => {
  expect(() => canonicalJson(value)).toThrow("canonical JSON has no");
});

test("any JSON comes back equal, and the order of its members does not matter", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      expect(canonicalJson(JSON.parse(text))).toBe(text);
      expect(canonicalJson(reversed(value))).toBe(text);
    }),
  );
});

const reversed = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, reversed(member)]),
  );
};
