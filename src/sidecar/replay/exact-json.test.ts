import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseExact, stringifyExact } from "./exact-json.ts";

const again = (text: string): string | undefined => {
  const value = parseExact(text);
  return value && stringifyExact(value);
};

describe("exact JSON", () => {
  test.each([
    '{"a":9007199254740993}',
    '{"a":-123456789012345678901234567890}',
    '{"a":1E400,"b":[0.12345678901234567890]}',
    '{"created":1700000000,"p":-0.00012340980022214353}',
    '{"a":"\\ud800","b":"9007199254740993"}',
    '{"__proto__":{"x":1},"constructor":2}',
  ])("%s comes out as it went in", (text) => {
    expect(again(text)).toBe(text);
  });

  test.each(["", "[1]", "1", "null", '{"a":', '{"a":9007199254740993', "[".repeat(100_000)])(
    "%.20s is no object",
    (text) => {
      expect(parseExact(text)).toBeUndefined();
    },
  );

  test("what is nested too deep for the stack is undefined, not a crash", () => {
    const deep = `{"n":12345678901234567,"a":${"[".repeat(200_000)}${"]".repeat(200_000)}}`;
    expect(again(deep)).toBeUndefined();
  });

  test("any JSON keeps its meaning, and any big integer its digits", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.bigInt(), (value, big) => {
        const text = `{"v":${JSON.stringify(value)},"n":${big}}`;
        expect(again(text)).toContain(`"n":${big}}`);
        expect(JSON.parse(again(text) ?? "")).toEqual(JSON.parse(text));
      }),
    );
  });
});
