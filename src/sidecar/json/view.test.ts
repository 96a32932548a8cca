import { expect, test } from "vitest";
import { scanJson } from "./scan.ts";

const root = (text: string) => scanJson(Buffer.from(text)).root;
const chat = root(
  '{"model":"gpt-4o","messages":[{"role":"user","content":"hi \\u00e9"}],"n":9007199254740993,"stream":true,"é":{"\\u0061b":null}, "x":{}}',
);

test("members are found by their decoded key and only in objects", () => {
  expect(chat.get("model")?.string()).toBe("gpt-4o");
  expect(chat.get("é")?.get("ab")?.kind).toBe("null");
  expect(chat.get("mode")).toBeUndefined();
  expect(chat.get("modelx")).toBeUndefined();
  expect(chat.get("messages")?.get("role")).toBeUndefined();
  expect(root('{"e\\u0301":1,"éa":2,"😀":3}').get("😀")?.number()).toBe(3);
});

test.each([
  ["object", "{}", 0],
  ["array", "[1,[2,3]]", 2],
  ["string", '"abc"', 0],
  ["string", '"\\n"', 0],
  ["number", "12", 0],
  ["true", "true", 0],
  ["false", "false", 0],
  ["null", "null", 0],
])("kind %s of %s has length %d", (kind, text, length) => {
  expect(root(text)).toMatchObject({ kind, length, start: 0, end: text.length, byteLength: text.length });
});

test("offsets and raw bytes are those of the text that came", () => {
  const { document } = chat;
  const content = chat.get("messages")?.item(0)?.get("content");
  expect(content?.raw().toString()).toBe('"hi \\u00e9"');
  expect(content?.raw().buffer).toBe(document.bytes.buffer);
  expect(document.bytes.toString("utf8", content?.start, content?.end)).toBe('"hi \\u00e9"');
  expect(chat.get("n")?.raw().toString()).toBe("9007199254740993");
});

test("values of another kind are undefined", () => {
  for (const value of [chat.get("model"), chat.get("messages"), chat.get("x"), chat]) {
    expect(value?.number()).toBeUndefined();
    expect(value?.boolean()).toBeUndefined();
  }
  expect(chat.get("n")?.string()).toBeUndefined();
  expect([...(chat.get("model")?.items() ?? []), ...(chat.get("model")?.entries() ?? []), ...chat.items()]).toEqual([]);
  expect(chat.get("messages")?.item(1)).toBeUndefined();
  expect(chat.get("messages")?.item(-1)).toBeUndefined();
});

test("a key named __proto__ is a member like any other", () => {
  const value = root('{"__proto__":{"polluted":true},"constructor":1}');
  expect(value.get("__proto__")?.get("polluted")?.boolean()).toBe(true);
  expect([...value.entries()].map(([key]) => key)).toEqual(["__proto__", "constructor"]);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  expect(root("{}").get("__proto__")).toBeUndefined();
});

test.each([
  ["ASCII", "\\n", "\n"],
  ["two-byte letters", "\\u00e9é", "éé"],
  ["a surrogate pair", "\\ud83d\\ude00😀", "😀😀"],
  ["a lone surrogate", "\\ud83d|\\ude00😀\\udfff中", "\ud83d|\ude00😀\udfff中"],
])("a very long string with escapes is decoded: %s", (_name, escaped, decoded) => {
  const value = root(`"${escaped.repeat(30_000)}"`);
  expect(value.string() === decoded.repeat(30_000)).toBe(true);
});
