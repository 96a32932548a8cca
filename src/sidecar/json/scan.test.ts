import { describe, expect, test } from "vitest";
import { JsonFault, type JsonFaultCode, jsonLimitsDefault, scanJson } from "./scan.ts";
import {
  acceptedRows,
  duplicateRows,
  encodingRows,
  grammarRows,
  hostileRows,
  jsonShapeBytes,
  sampleText,
} from "./shape.rows.ts";

function faultOf(text: string | Buffer, limits = jsonLimitsDefault): JsonFault | undefined {
  try {
    scanJson(typeof text === "string" ? Buffer.from(text) : text, limits);
  } catch (fault) {
    if (fault instanceof JsonFault) return fault;
    throw fault;
  }
  return undefined;
}

test.each(acceptedRows)("$name is accepted, as JSON.parse does", (row) => {
  const bytes = jsonShapeBytes(row);
  expect(() => JSON.parse(bytes.toString())).not.toThrow();
  expect(faultOf(bytes)).toBeUndefined();
});

test.each(grammarRows)("$name is refused, as JSON.parse does", (row) => {
  const bytes = jsonShapeBytes(row);
  expect(() => JSON.parse(bytes.toString())).toThrow(SyntaxError);
  expect(faultOf(bytes)).toMatchObject({ code: row.code, offset: row.offset });
});

test("a text cut at any byte is refused", () => {
  const bytes = Buffer.from(sampleText.trimEnd());
  for (let length = 0; length < bytes.length; length++) {
    expect(faultOf(bytes.subarray(0, length)), `${length}`).toBeDefined();
  }
  expect(faultOf(bytes)).toBeUndefined();
});

test.each(encodingRows)("$name is refused", (row) => {
  const fault = faultOf(jsonShapeBytes(row));
  expect(fault?.code).toBe(row.code);
  // the character at or just before the fault
  expect(Math.abs((fault?.offset ?? -9) - (row.offset ?? 0))).toBeLessThanOrEqual(3);
});

describe("a key that stands twice", () => {
  test.each(duplicateRows)("$name is refused with its path", (row) => {
    expect(faultOf(jsonShapeBytes(row))).toMatchObject({ code: row.code, path: row.path });
  });

  test("in two objects is fine", () => {
    expect(faultOf('[{"a":1},{"a":{"a":1}}]')).toBeUndefined();
    expect(faultOf(JSON.stringify(Object.fromEntries(Array.from({ length: 500 }, (_, i) => [i, i]))))).toBeUndefined();
  });

  test("is shortened in the path when it is long", () => {
    const long = "secret".repeat(20);
    expect(faultOf(`{"${long}":1,"${long}":1}`)?.path).toBe(`["${long.slice(0, 32)}..."]`);
  });
});

test.each([
  ["a member of an item", '{"messages":[{},{},{"role":"user","content":tru}]}', "messages[2].content"],
  ["an item behind a container", '{"a":[[1],{"b":2},x]}', "a[2]"],
  ["a key that is no word", '{"a b":[x]}', '["a b"][0]'],
  ["a missing comma", '{"a":{"b":1 "c":2}}', "a"],
  ["the top", "x", ""],
])("the path leads to the fault: %s", (_name, text, path) => {
  expect(faultOf(text)?.path).toBe(path);
});

test("a path is bounded and holds no value", () => {
  const key = "k".repeat(1000);
  const fault = faultOf(`${`{"${key}":`.repeat(60)}"secret value" x`);
  expect(fault?.path.length).toBeLessThanOrEqual(260);
  expect(fault?.path).not.toContain("secret");
});

describe("limits", () => {
  const limits = { ...jsonLimitsDefault, keysMax: 3, valuesMax: 5, keyBytesMax: 4, numberBytesMax: 6 };
  test.each<[name: string, text: string, code: JsonFaultCode | undefined]>([
    ["keys at the limit", '{"a":1,"b":{"c":1}}', undefined],
    ["one key too many", '{"a":1,"b":{"c":1,"d":1}}', "too_many_keys"],
    ["values at the limit", "[1,2,3,4]", undefined],
    ["one value too many", "[1,2,3,4,[]]", "too_many_values"],
    ["a key at the limit", '{"abcd":1}', undefined],
    ["a key too long", '{"abcde":1}', "key_too_long"],
    ["a number at the limit", "123456", undefined],
    ["a number too long", "1234567", "number_too_long"],
  ])("%s", (_name, text, code) => {
    expect(faultOf(text, limits)?.code).toBe(code);
  });

  test("an embeddings request of 300,000 token numbers fits the default", () => {
    const input = Array.from({ length: 300_000 }, (_, i) => i % 100_000);
    expect(faultOf(JSON.stringify({ model: "m", input }))).toBeUndefined();
  });

  test("a depth limit beyond 1000 is our mistake", () => {
    expect(() => scanJson(Buffer.from("1"), { ...jsonLimitsDefault, depthMax: 1001 })).toThrow("depthMax");
  });
});

describe("hostile shapes end at once, in bounded memory", () => {
  test.each(hostileRows)("$name", (row) => {
    const bytes = jsonShapeBytes(row);
    const before = process.memoryUsage().arrayBuffers;
    const startedMs = performance.now();
    expect(faultOf(bytes)?.code).toBe(row.code);
    expect(performance.now() - startedMs).toBeLessThan(1000); // some 30 ms where nothing else runs
    // a tape for 400,000 values, while it grows
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 2 ** 20);
  });

  test.each<[name: string, key: (i: number) => string]>([
    ["plain", (i) => `k${i}`],
    ["long and alike", (i) => `${"x".repeat(120)}${i}`],
    ["escaped", (i) => `\\u006b${i}`],
  ])("100,000 %s keys in one object take linear time", (_name, key) => {
    const bytes = Buffer.from(`{${Array.from({ length: 100_000 }, (_, i) => `"${key(i)}":0`).join(",")}}`);
    const startedMs = performance.now();
    expect(scanJson(bytes).root.length).toBe(100_000);
    expect(performance.now() - startedMs).toBeLessThan(3000); // some 40 ms; comparing all pairs would take minutes
  });
});

test("a scan that fails leaves documents that live untouched", () => {
  const first = scanJson(Buffer.from('{"a":[1,2,3]}'));
  expect(faultOf('[1,2,3,{"x":nul')).toBeDefined();
  const second = scanJson(Buffer.from('["other"]'));
  expect(first.root.get("a")?.item(2)?.number()).toBe(3);
  expect(second.root.item(0)?.string()).toBe("other");
});

test("many documents live side by side", () => {
  const documents = Array.from({ length: 500 }, (_, i) =>
    scanJson(Buffer.from(JSON.stringify({ id: i, list: Array(i % 400).fill(i) }))),
  );
  documents.forEach(({ root }, i) => {
    expect(root.get("id")?.number()).toBe(i);
    expect([...(root.get("list")?.items() ?? [])].every((item) => item.number() === i)).toBe(true);
    expect(root.get("list")?.length).toBe(i % 400);
  });
});
