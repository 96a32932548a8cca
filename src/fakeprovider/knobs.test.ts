import { describe, expect, test } from "vitest";
import { BehaviourFault, behaviourFrom, behaviourFromText, knobs } from "./knobs.ts";

describe("a behaviour as text", () => {
  test.each([
    { text: "", want: {} },
    { text: "status=429;retry-after=soon", want: { status: 429, "retry-after": "soon" } },
    { text: " crlf ; bom=1 ;nul=0", want: { crlf: true, bom: true, nul: false } },
    { text: "answer=a%3Bb%3Dc;tokens=2", want: { answer: "a;b=c", tokens: 2 } },
    { text: "answer=100%", want: { answer: "100%" } },
    { text: "redirect=http://other/?a=b", want: { redirect: "http://other/?a=b" } },
    { text: "hang=mid;k=0", want: { hang: "mid", k: 0 } },
  ])("$text", ({ text, want }) => {
    expect(behaviourFromText(text)).toEqual(want);
  });

  test.each([
    "statsu=429",
    "status=soon",
    "status=-1",
    "status=",
    "delay=1.5",
    "hang=later",
    "crlf=maybe",
    "=1",
    "toString=1",
  ])("%s is refused, so that a typing error cannot pass a test", (text) => {
    expect(() => behaviourFromText(text)).toThrow(BehaviourFault);
  });
});

test("a behaviour as an object is checked by the same rows", () => {
  expect(behaviourFrom({ status: 500, crlf: true, encoding: undefined })).toEqual({ status: 500, crlf: true });
  expect(() => behaviourFrom({ status: true })).toThrow(BehaviourFault);
  expect(() => behaviourFrom(null)).toThrow(BehaviourFault);
});

test("every knob says what it means", () => {
  for (const [name, row] of Object.entries(knobs)) {
    expect(row.means.length, name).toBeGreaterThan(5);
    expect(row.default, name).not.toBe("");
  }
});
