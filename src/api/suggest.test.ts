import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { editDistance, suggest } from "./suggest.ts";

test.each([
  ["endpiont", ["endpoint", "name"], "endpoint"],
  ["BACKENDREFS", ["backends", "backendRefs"], "backendRefs"],
  ["backendRef", ["backends", "backendRefs"], "backendRefs"],
  ["kinds", ["kind"], "kind"],
  ["policy", ["parentRefs", "backends", "rules"], undefined],
  ["x", [], undefined],
])("%s among %j was meant to be %s", (word, candidates, meant) => {
  expect(suggest(word, candidates)).toBe(meant);
});

test("a very long word is compared with nothing", () => {
  expect(suggest("x".repeat(100_000), ["x"])).toBeUndefined();
});

describe("the edit distance", () => {
  test("is 0 for equal words only, and symmetric", () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, b)).toBe(editDistance(b, a));
      }),
    );
  });

  test("counts a swap of neighbours once", () => {
    expect(editDistance("quota", "qutoa")).toBe(1);
  });
});
