import { describe, expect, test } from "vitest";
import { offeredText } from "./offered.ts";

describe("what a caller sent", () => {
  test.each([
    { name: "OpenAI's header", raw: ["Authorization", "Bearer abc"], text: "abc" },
    { name: "Azure's header", raw: ["api-key", " abc "], text: "abc" },
    { name: "names and scheme in other letters", raw: ["AUTHORIZATION", "bEARER  abc"], text: "abc" },
    { name: "the same text in both", raw: ["API-Key", "abc", "authorization", "Bearer abc"], text: "abc" },
    { name: "other headers around", raw: ["host", "a", "api-key", "abc", "x-api-key", "no"], text: "abc" },
    { name: "no header of them", raw: ["host", "a"], text: undefined },
    { name: "an empty header", raw: ["authorization", ""], text: undefined },
    { name: "a scheme alone", raw: ["authorization", "Bearer "], text: undefined },
    { name: "an empty key", raw: ["api-key", ""], text: undefined },
    { name: "a key as a value", raw: ["x", "authorization", "y", "api-key"], text: undefined },
  ])("is found: $name", ({ raw, text }) => {
    expect(offeredText(raw)).toBe(text);
  });

  test.each([
    { name: "two authorizations", raw: ["authorization", "Bearer a", "Authorization", "Bearer a"], reason: "doubled" },
    { name: "two keys", raw: ["api-key", "a", "API-KEY", "a"], reason: "doubled" },
    { name: "an empty one beside", raw: ["api-key", "", "api-key", "a"], reason: "doubled" },
    { name: "two texts", raw: ["authorization", "Bearer a", "api-key", "b"], reason: "conflict" },
    { name: "an empty text beside", raw: ["authorization", "Bearer", "api-key", "b"], reason: "conflict" },
  ])("is refused: $name", ({ raw, reason }) => {
    expect(offeredText(raw)).toEqual({ reason: `credential_${reason}` });
  });

  test.each(["Basic YTpi", "Bearerabc", "Bearer\tabc", "abc", "Digest a=b", "DPoP abc"])(
    "is no bearer: %s",
    (value) => {
      expect(offeredText(["authorization", value])).toEqual({ reason: "scheme_not_bearer" });
    },
  );
});
