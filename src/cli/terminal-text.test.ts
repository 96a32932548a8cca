import { expect, test } from "vitest";
import { columnsText, cropped, safeText, widthOf } from "./terminal-text.ts";

test.each([
  { name: "escape sequences", text: "a\u001b[2Jb", safe: "a\\u{1b}[2Jb" },
  { name: "line breaks", text: "a\r\nb\u2028c", safe: "a\\u{d}\\u{a}b\\u{2028}c" },
  { name: "C1 controls, which some terminals obey", text: "\u009b2J", safe: "\\u{9b}2J" },
  { name: "characters that turn the direction", text: "user\u202e=x", safe: "user\\u{202e}=x" },
  { name: "half a pair", text: "\ud800", safe: "\\u{d800}" },
  { name: "names of people", text: "user=zażółć", safe: "user=zażółć" },
])("$name", ({ text, safe }) => {
  expect(safeText(text)).toBe(safe);
});

test("columns stand below each other where characters are wide or combine", () => {
  expect([widthOf("東京"), widthOf("e\u0301"), widthOf("abc")]).toEqual([4, 1, 3]);
  expect(
    columnsText(
      [
        ["NAME", "USED"],
        ["東京", "1"],
        ["e\u0301", "100"],
      ],
      (column) => column === 1,
    ),
  ).toEqual(["NAME  USED", "東京     1", "e\u0301      100"]);
});

test("what is cut says so and never takes more than its columns", () => {
  expect([cropped("abcdef", 6), cropped("abcdef", 4), cropped("東京都", 4), cropped("ab", 0)]).toEqual([
    "abcdef",
    "abc…",
    "東…",
    "",
  ]);
});
