import fc from "fast-check";
import { expect, test } from "vitest";
import { choices, objectTrees, trees, written } from "./arbitrary.rows.ts";
import { isBalanced, peekMembers } from "./peek.ts";
import { scanJson } from "./scan.ts";

const peeked = (text: string, ...keys: string[]): Record<string, string> | undefined => {
  const found = peekMembers(Buffer.from(text), keys);
  return (
    found &&
    Object.fromEntries([...found].map(([key, { start, end }]) => [key, Buffer.from(text).toString("utf8", start, end)]))
  );
};

test.each<[name: string, text: string, want: Record<string, string> | undefined]>([
  ["members among others", '{"x":[{"usage":1}],"usage" : {"t":3} ,"model":"m"}', { usage: '{"t":3}', model: '"m"' }],
  ["the last of two, as JSON.parse takes it", '{"usage":1,"usage":2}', { usage: "2" }],
  ["an escaped key", '{"us\\u0061ge":null}', { usage: "null" }],
  ["none in an empty object", " {} ", {}],
  ["none where they are absent", '{"usag":1,"usagex":2,"é":3}', {}],
  ["brackets and quotes in strings", '{"a":"]}\\"{[\\\\","usage":-1.5e3}', { usage: "-1.5e3" }],
  [
    "behind long strings with escapes",
    `{"a":"${'\\"'.repeat(500)}${"x".repeat(500)}\\\\","usage":true}`,
    { usage: "true" },
  ],
  ["a list", "[]", undefined],
  ["nothing", "", undefined],
  ["a text", "Bad gateway", undefined],
  ["a wrong bracket", '{"a":[1}]', undefined],
  ["a bracket too many", '{"a":1}}', undefined],
  ["something behind", '{"a":1} x', undefined],
  ["a missing colon", '{"a" 1}', undefined],
  ["a missing comma", '{"a":1 "usage":2}', undefined],
  ["a missing value", '{"usage":}', undefined],
  ["a cut literal", '{"usage":tru}', undefined],
  ["a broken escape in a key", '{"us\\x61ge":1}', {}],
  ["600 levels", `{"a":${"[".repeat(600)}${"]".repeat(600)}}`, undefined],
])("finds %s", (_name, text, want) => {
  expect(peeked(text, "usage", "model")).toEqual(want);
});

test("a text cut at any byte is recognised", () => {
  const bytes = Buffer.from(
    `{"id":"é\\"\\\\","choices":[{"text":"${"a\\\\".repeat(40)}","n":[1,{}]}],"usage":{"total":12}}`,
  );
  for (let length = 0; length < bytes.length; length++) {
    expect(peekMembers(bytes.subarray(0, length), ["usage"]), `${length}`).toBeUndefined();
    expect(isBalanced(bytes.subarray(0, length)), `${length}`).toBe(false);
  }
  expect(isBalanced(bytes)).toBe(true);
});

test.each<[text: string, want: boolean]>([
  ["[]", true],
  [' {"a":[1,"]"]}\n', true],
  ["1", false],
  ['"a"', false],
  ["[}", false],
  ["[]]", false],
  ["[] []", false],
])("isBalanced(%s) is %s", (text, want) => {
  expect(isBalanced(Buffer.from(text))).toBe(want);
});

test("what it finds is what a scan finds", () => {
  fc.assert(
    fc.property(objectTrees, fc.nat(), (tree, seed) => {
      const bytes = Buffer.from(written(tree, choices(seed)));
      const { root } = scanJson(bytes);
      const keys = [...root.entries()].map(([key]) => key).filter((key) => /^[\x20-\x7e]*$/.test(key));
      const found = peekMembers(bytes, keys);
      expect(found?.size).toBe(keys.length);
      for (const key of keys) {
        const value = root.get(key);
        expect(found?.get(key)).toEqual({ start: value?.start, end: value?.end });
      }
    }),
    { numRuns: 1000 },
  );
});

test("each object or list that a scan accepts is balanced, and none is that lacks its end", () => {
  fc.assert(
    fc.property(trees, fc.nat(), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (tree, seed, cut) => {
      const text = written(tree, choices(seed)).trimEnd();
      const bytes = Buffer.from(text);
      expect(isBalanced(bytes)).toBe(tree.kind !== "scalar");
      expect(isBalanced(bytes.subarray(0, Math.floor(cut * bytes.length)))).toBe(false);
    }),
    { numRuns: 1000 },
  );
});
