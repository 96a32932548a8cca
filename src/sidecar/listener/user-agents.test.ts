import fc from "fast-check";
import { expect, test } from "vitest";
import { userAgentCharsMax, userAgentTest } from "./user-agents.ts";

// [patterns, user agent, whether it may call]
const rows: readonly (readonly [readonly string[], string | undefined, boolean])[] = [
  [[], undefined, true],
  [[], "anything", true],
  [["OpenAI/Python *"], "OpenAI/Python 1.99.0", true],
  [["OpenAI/Python *"], "OpenAI/Python ", true],
  [["OpenAI/Python *"], "OpenAI/Python", false],
  [["OpenAI/Python *"], "openai/python 1.99.0", false],
  [["curl/8.5.0"], "curl/8.5.0", true],
  [["curl/8.5.0"], "curl/8.5.01", false],
  [["curl/8.5.0"], "xcurl/8.5.0", false],
  [["*"], "", true],
  [["*"], undefined, true],
  [["?*"], "x", false],
  [["a.c"], "abc", false],
  [["*bot"], "my-bot", true],
  [["*bot"], "my-bots", false],
  [["a*a"], "a", false],
  [["a*a"], "aa", true],
  [["a*b*c"], "axbxc", true],
  [["a*b*c"], "acb", false],
  [["a**c"], "ac", true],
  [["*ab*ab*"], "aab", false],
  [["*ab*ab*"], "abab", true],
  [["curl/*", "OpenAI/*"], "OpenAI/JS 6", true],
  [["curl/*", "OpenAI/*"], "Mozilla", false],
  [["*"], "x".repeat(userAgentCharsMax), true],
  [["*"], "x".repeat(userAgentCharsMax + 1), false],
];

test.each(rows)("%j and %j: %s", (patterns, userAgent, may) => {
  expect(userAgentTest(patterns)(userAgent)).toBe(may);
});

test("a star stands for any text, and for nothing else does any other character", () => {
  const letters = fc.constantFrom("a", "b", "*", ".", "+");
  fc.assert(
    fc.property(
      fc.string({ unit: letters, maxLength: 8 }),
      fc.string({ unit: letters, maxLength: 12 }),
      (pattern, text) => {
        const escaped = pattern.split("*").map((piece) => piece.replace(/[.+]/g, "\\$&"));
        expect(userAgentTest([pattern])(text)).toBe(new RegExp(`^${escaped.join(".*")}$`, "s").test(text));
      },
    ),
    { numRuns: 2_000 },
  );
});

test("the worst pattern costs a few microseconds", () => {
  const fits = userAgentTest(Array.from({ length: 32 }, () => `${"*a".repeat(63)}*b`));
  const text = "a".repeat(userAgentCharsMax);
  const began = performance.now();
  for (let i = 0; i < 100; i++) expect(fits(text)).toBe(false);
  expect(performance.now() - began).toBeLessThan(1_000);
});
