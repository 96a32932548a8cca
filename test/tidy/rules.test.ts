import { describe, expect, test } from "vitest";
import { codeRules } from "./code-rules.ts";
import { luaRules } from "./lua-rules.ts";
import type { Rule } from "./offence.ts";
import { textRules } from "./text-rules.ts";

const lines = (count: number): string => "  x();\n".repeat(count);
const all: readonly Rule[] = [...codeRules, ...luaRules, ...textRules];

const offencesIn = (path: string, source: string): string[] =>
  all.filter((rule) => rule.applies(path)).flatMap((rule) => rule.offences(source, path).map((each) => each.text));

const slash = "/";

describe("a rule of the style page catches", () => {
  test.each([
    { name: "a long file", path: "src/a.ts", source: "x();\n".repeat(301), want: "301 lines" },
    {
      name: "a long function",
      path: "src/a.ts",
      source: `function f() {\n${lines(59)}}\n`,
      want: "a function of 61 lines",
    },
    {
      name: "a long arrow",
      path: "test/a.ts",
      source: `const f = () => {\n${lines(59)}};\n`,
      want: "a function of 61 lines",
    },
    {
      name: "a long method",
      path: "src/a.ts",
      source: `class A {\n#f() {\n${lines(59)}}\n}\n`,
      want: "a function of 61 lines",
    },
    {
      name: "a long test",
      path: "src/a.test.ts",
      source: `test("x", () => {\n${lines(59)}});\n`,
      want: "a function of 61 lines",
    },
    {
      name: "an export without a docstring",
      path: "src/a.ts",
      source: "/* ü */\nexport const a = 1;\n",
      want: "an export without a docstring: export const a = 1;",
    },
    {
      name: "an empty docstring",
      path: "src/a.ts",
      source: "/** */\nexport const a = 1;\n",
      want: "an export without a docstring: export const a = 1;",
    },
    {
      name: "a docstring of something else",
      path: "cmd/a.ts",
      source: "/** Sum. */\nconst b = 1;\nexport type A = 1;\n",
      want: "an export without a docstring: export type A = 1;",
    },
    { name: "a default export", path: "src/a.ts", source: "/** A. */\nexport default 1;\n", want: "a default export" },
    {
      name: "an empty name",
      path: "src/string-utils.ts",
      source: "x();\n",
      want: '"string-utils" says nothing: name it after what it holds',
    },
    {
      name: "an empty folder name",
      path: "src/common/a.ts",
      source: "x();\n",
      want: '"common" says nothing: name it after what it holds',
    },
    { name: "a camel-case name", path: "src/quotaStore.ts", source: "x();\n", want: "a file name is kebab-case" },
    { name: "any", path: "src/a.ts", source: "const a = x as any;\n", want: "any" },
    { name: "a non-null assertion", path: "src/a.ts", source: "const a = x!;\n", want: "a non-null assertion" },
    { name: "a silenced checker", path: "src/a.ts", source: `// ${"@ts-"}ignore\nx();\n`, want: `// ${"@ts-"}ignore` },
    { name: "a test picked out", path: "src/a.test.ts", source: 'test.only("x", f);\n', want: "left in: test.only" },
    { name: "a local path", path: "docs/a.md", source: `see ${slash}work/main\n`, want: `a local path: ${slash}work` },
    {
      name: "a registry",
      path: "package-lock.json",
      source: `https://registry.npmjs${"."}org/a\n`,
      want: `a registry: registry.npmjs${"."}org`,
    },
    { name: "work without an issue", path: "Makefile", source: `# ${"TO"}DO later\n`, want: `${"TO"}DO` },
    {
      name: "an unnamed key",
      path: "lua/a.lua",
      source: "-- Adds. ARGV[1] tokens. RETURNS 1\nreturn KEYS[1] .. ARGV[1]\n",
      want: "the header does not name KEYS[1]",
    },
    {
      name: "a named argument that is not used",
      path: "lua/a.lua",
      source: "-- Adds. KEYS[1] counter ARGV[1] tokens. RETURNS 1\nreturn KEYS[1]\n",
      want: "the header names ARGV[1], which nothing uses",
    },
    {
      name: "a result without words",
      path: "lua/a.lua",
      source: "-- Adds. KEYS[1] counter\nreturn KEYS[1]\n",
      want: "the header does not say what it RETURNS",
    },
  ])("$name", ({ path, source, want }) => {
    expect(offencesIn(path, source)).toContain(want);
  });
});

describe("a rule of the style page lets pass", () => {
  test.each([
    { name: "a function of 60 lines", path: "src/a.ts", source: `function f() {\n${lines(58)}}\n` },
    {
      name: "a long describe of short tests",
      path: "src/a.test.ts",
      source: `describe("x", () => {\n${`test("y", () => {\n${lines(30)}});\n`.repeat(4)}});\n`,
    },
    {
      name: "a suite that is a function",
      path: "test/contract/a.contract.ts",
      source: `export const laws = (name: string): void => {\ndescribe.each([1])("x", () => {\n${`test("y", () => {\n${lines(30)}});\n`.repeat(4)}});\n};\n`,
    },
    {
      name: "a docstring above a lint directive",
      path: "src/a.ts",
      source: "/** A. */\n// biome-ignore lint/x: because\nexport const a = 1;\n",
    },
    {
      name: "a run of exports under one docstring, and a type that mirrors a value",
      path: "src/a.ts",
      source:
        "/** Kinds. */\nexport const kindA = 1;\nexport const kindB = 2;\n\nexport type Kind = typeof kindA | typeof kindB;\n",
    },
    {
      name: "a header with an open range",
      path: "lua/a.lua",
      source:
        "#!lua flags=x\n-- Adds. KEYS[1] index KEYS[2..] counters\n-- RETURNS 1\nreturn #KEYS + KEYS[1] + KEYS[3]\n",
    },
    { name: "a folder in a URL", path: "docs/a.md", source: "https://example.com/home/page and ./root/x\n" },
    { name: "work with an issue", path: "Makefile", source: `# ${"TO"}DO(#12) later\n` },
    {
      name: "a true header",
      path: "lua/a.lua",
      source: "-- Adds. KEYS[1] counter ARGV[1] tokens. RETURNS the sum\nreturn KEYS[1] .. ARGV[1]\n",
    },
  ])("$name", ({ path, source }) => {
    expect(offencesIn(path, source)).toEqual([]);
  });
});
