import { describe, expect, test } from "vitest";
import { AssertionFault } from "../../base/assert.ts";
import { JsonFault, scanJson } from "./scan.ts";
import { type JsonEdit, type JsonPath, spliceJson, spliceParts } from "./splice.ts";

const spliced = (text: string, edits: readonly JsonEdit[]): string =>
  spliceJson(scanJson(Buffer.from(text)), edits).toString();
const set = (path: JsonPath, value: string): JsonEdit => ({ op: "set", path, value });
const remove = (...path: JsonPath): JsonEdit => ({ op: "remove", path });
const insert = (path: JsonPath, value: string): JsonEdit => ({ op: "insert", path, value });

describe("set", () => {
  test.each<[name: string, text: string, edits: JsonEdit[], want: string]>([
    ["replaces a value", ' {"a" : 1 , "b":2}', [set(["a"], '"x"')], ' {"a" : "x" , "b":2}'],
    ["replaces deep inside", '{"a":[0,{"b":[1] }]}', [set(["a", 1, "b"], "null")], '{"a":[0,{"b":null }]}'],
    ["adds behind the last member", '{"a":1 }', [set(["b"], "2")], '{"a":1,"b":2 }'],
    ["adds to an empty object", "{ }", [set(["b"], "2")], '{"b":2 }'],
    ["makes missing objects", '{"a":1}', [set(["s", "t", "u"], "true")], '{"a":1,"s":{"t":{"u":true}}}'],
    ["makes an object of null", '{"s":null}', [set(["s", "u"], "true")], '{"s":{"u":true}}'],
    ["adds to an object that is there", '{"s":{"v":0}}', [set(["s", "u"], "true")], '{"s":{"v":0,"u":true}}'],
    ["merges what it makes", "{}", [set(["s", "a"], "1"), set(["s", "b"], "2")], '{"s":{"a":1,"b":2}}'],
    [
      "composes in one object",
      '{"a":1,"b":2}',
      [set(["c"], "3"), set(["a"], "0"), set(["d"], "4")],
      '{"a":0,"b":2,"c":3,"d":4}',
    ],
    ["lets the later of two win", '{"a":1}', [set(["a"], "2"), set(["a"], "3")], '{"a":3}'],
    ["escapes a new key", "{}", [set(['q"\ud800'], "1")], '{"q\\"\\ud800":1}'],
    ["finds an escaped key", '{"\\u0061":1}', [set(["a"], "2")], '{"\\u0061":2}'],
    ["takes __proto__ for a key", "{}", [set(["__proto__"], "1")], '{"__proto__":1}'],
  ])("%s", (_name, text, edits, want) => {
    expect(spliced(text, edits)).toBe(want);
  });
});

describe("remove", () => {
  const three = '{ "a":1, "b" : 2 ,"c":3 }';
  test.each<[name: string, text: string, edits: JsonEdit[], want: string]>([
    ["takes the first member", three, [remove("a")], '{ "b" : 2 ,"c":3 }'],
    ["takes the middle one", three, [remove("b")], '{ "a":1 ,"c":3 }'],
    ["takes the last one", three, [remove("c")], '{ "a":1, "b" : 2 }'],
    ["takes the first two", three, [remove("b"), remove("a")], '{ "c":3 }'],
    ["takes the last two", three, [remove("c"), remove("b")], '{ "a":1 }'],
    ["takes the outer two", three, [remove("c"), remove("a")], '{ "b" : 2 }'],
    ["takes all", three, [remove("a"), remove("b"), remove("c")], "{  }"],
    ["takes all and adds", three, [remove("a"), set(["d"], "4"), remove("b"), remove("c")], '{ "d":4 }'],
    ["takes the last and adds", three, [remove("c"), set(["d"], "4")], '{ "a":1, "b" : 2,"d":4 }'],
    ["takes the first and adds", three, [set(["d"], "4"), remove("a")], '{ "b" : 2 ,"c":3,"d":4 }'],
    ["takes items", "[0, 1, 2, 3]", [remove(0), remove(2)], "[1, 3]"],
    ["leaves what is absent alone", three, [remove("x"), remove("a", "y"), remove("z", "y")], three],
    ["is undone by a later set", '{"a":1}', [remove("a"), set(["a"], "2")], '{"a":2}'],
  ])("%s", (_name, text, edits, want) => {
    expect(spliced(text, edits)).toBe(want);
  });
});

describe("insert", () => {
  test.each<[name: string, text: string, edits: JsonEdit[], want: string]>([
    ["first", '{"m":[ 1, 2]}', [insert(["m", 0], "0")], '{"m":[ 0,1, 2]}'],
    ["last", '{"m":[ 1, 2 ]}', [insert(["m", 2], "3")], '{"m":[ 1, 2,3 ]}'],
    ["between", "[1, 2]", [insert([1], "9")], "[1,9, 2]"],
    ["into an empty list", "[ ]", [insert([0], "9")], "[9 ]"],
    ["several at one place, in order", "[1]", [insert([0], "7"), insert([0], "8"), insert([1], "9")], "[7,8,1,9]"],
    ["where its neighbours go", "[1,2,3]", [remove(0), insert([1], "8"), remove(1), insert([2], "9")], "[8,9,3]"],
    ["where all go", "[1,2]", [remove(0), remove(1), insert([1], "9")], "[9]"],
    ["beside an edited item", '[{"a":1}]', [insert([0], "0"), set([0, "a"], "2"), insert([1], "9")], '[0,{"a":2},9]'],
    ["makes a missing list", "{}", [insert(["m", 0], "1"), insert(["m", 0], "2")], '{"m":[1,2]}'],
    ["makes a list of null", '{"m":null}', [insert(["m", 0], "1")], '{"m":[1]}'],
  ])("%s", (_name, text, edits, want) => {
    expect(spliced(text, edits)).toBe(want);
  });
});

test("the order of edits to different places does not matter", () => {
  const edits = [set(["a", "x"], "1"), remove("b"), insert(["c", 0], "2"), set(["d"], "3"), set(["c", 1], "4")];
  const text = '{"a":{},"b":0,"c":[8,9]}';
  expect(spliced(text, edits.toReversed())).toBe(spliced(text, edits));
});

test("the untouched middle is a view of the body, not a copy", () => {
  const document = scanJson(Buffer.from(`{"model":"a","text":"${"x".repeat(100_000)}","n":1}`));
  const parts = spliceParts(document, [set(["model"], '"b"'), set(["stream_options", "include_usage"], "true")]);
  const views = parts.filter((part) => part.buffer === document.bytes.buffer);
  expect(Math.max(...views.map((part) => part.length))).toBeGreaterThan(100_000);
  expect(Buffer.concat(parts).toString()).toMatch(
    /^\{"model":"b","text":"x+","n":1,"stream_options":\{"include_usage":true\}\}$/,
  );
});

test("without edits the body is the one that came", () => {
  const document = scanJson(Buffer.from(" [1] "));
  expect(spliceJson(document, [])).toBe(document.bytes);
  expect(spliceJson(document, [remove(7)]).toString()).toBe(" [1] ");
});

test.each<[name: string, text: string, edits: JsonEdit[], path: string]>([
  ["a member of a text", '{"s":{"o":"x"}}', [set(["s", "o", "u"], "1")], "s.o"],
  ["a member of a list", '{"s":[{}]}', [set(["s", "u"], "1")], "s"],
  ["an item of an object", '{"s":{}}', [insert(["s", 0], "1")], "s"],
  ["an item of a number", "[[3]]", [insert([0, 0, 0], "1")], "[0][0]"],
])("the sender's fault: %s", (_name, text, edits, path) => {
  expect(() => spliced(text, edits)).toThrow(JsonFault);
  expect(() => spliced(text, edits)).toThrow(expect.objectContaining({ code: "wrong_type", path }));
});

test.each<[name: string, text: string, edits: JsonEdit[]]>([
  ["an edit inside one that sets", "{}", [set(["a"], "{}"), set(["a", "b"], "1")]],
  ["the same the other way round", "{}", [set(["a", "b"], "1"), set(["a"], "{}")]],
  ["an edit inside one that removes", '{"a":{"b":1}}', [remove("a"), remove("a", "b")]],
  ["an insert into what is set", "{}", [set(["a"], "[]"), insert(["a", 0], "1")]],
  ["the same, set later", "{}", [insert(["a", 0], "1"), set(["a"], "[]")]],
  ["an empty path", "{}", [set([], "1")]],
  ["an insert without an index", "{}", [insert(["a"], "1")]],
  ["an insert behind the end", "[1]", [insert([2], "1")]],
  ["an insert behind the end of a missing list", "{}", [insert(["m", 1], "1")]],
  ["an item that is not there", "[1]", [set([1], "2")]],
  ["a value that is not JSON", "{}", [set(["a"], "tru")]],
  ["a value with something behind it", "{}", [set(["a"], '1,"b":2')]],
  ["an empty value", "{}", [set(["a"], "")]],
  ["names and indexes in one place", '{"m":[1]}', [set(["m", 0], "1"), set(["m", "x"], "1")]],
])("our own fault: %s", (_name, text, edits) => {
  expect(() => spliced(text, edits)).toThrow(AssertionFault);
});
