import { describe, expect, test } from "vitest";
import { numberOf, numbersOf, reserveResultOf } from "./replies.ts";

const reply = (text: string): Buffer => Buffer.from(text, "latin1");
const max = Number.MAX_SAFE_INTEGER;

describe("the answer to a reserve", () => {
  test("has the decision, the output granted, and four numbers of each claim", () => {
    expect(reserveResultOf(reply(`1 256 ${max} 60000 0 0 7 0 1 -1`), 2)).toEqual({
      admitted: true,
      outputGranted: 256,
      claims: [
        { used: max, resetMs: 60_000, exceeded: false, retryAfterMs: 0 },
        { used: 7, resetMs: 0, exceeded: true, retryAfterMs: Number.POSITIVE_INFINITY },
      ],
    });
  });

  test("says that the hold was given up before it came", () => {
    expect(() => reserveResultOf(reply("-1"), 5)).toThrow("given up before");
    expect(() => reserveResultOf(reply("-1"), 0)).toThrow("given up before");
  });

  test.each([
    ["nothing", reply("")],
    ["no text", 7],
    ["null", null],
    ["too few numbers", reply("1 0 1 2 3")],
    ["too many numbers", reply("1 0 1 2 3 4 5")],
    ["words", reply("1 0 1 2 yes 4")],
    ["a fraction", reply("1 0 1.5 2 3 4")],
    ["two spaces", reply("1 0  1 2 3 4")],
    ["a space at the end", reply("1 0 1 2 3 4 ")],
    ["a lone sign", reply("1 0 1 2 3 -")],
    ["a number beyond 2^53 - 1", reply("1 0 9007199254740992 2 3 4")],
  ])("is refused as not ours: %s", (_, nonsense) => {
    expect(() => reserveResultOf(nonsense, 1)).toThrow("something unexpected");
  });
});

test("a number is one, as such or as text", () => {
  expect([numberOf(3), numberOf(reply(String(max))), numberOf(reply("-1"))]).toEqual([3, max, -1]);
  for (const nonsense of [reply(""), reply("1 2"), reply("1e3"), "1", null]) expect(() => numberOf(nonsense)).toThrow();
});

test("a list is one of numbers", () => {
  expect(numbersOf([1, reply("2")])).toEqual([1, 2]);
  for (const nonsense of [null, 1, [null], [reply("x")]]) expect(() => numbersOf(nonsense)).toThrow();
});
