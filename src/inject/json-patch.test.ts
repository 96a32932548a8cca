import fc from "fast-check";
import { expect, test } from "vitest";
import { applyPatch } from "../../test/golden/inject/apply-patch.ts";
import { jsonPatch } from "./json-patch.ts";

test.each([
  { name: "equal values", before: { a: [1] }, after: { a: [1] }, want: [] },
  {
    name: "a member with ~ and / in its name",
    before: { m: {} },
    after: { m: { "a/b~c": 1 } },
    want: [{ op: "add", path: "/m/a~1b~0c", value: 1 }],
  },
  {
    name: "an element before a named one that changes",
    before: [{ name: "b", x: 1 }],
    after: [{ name: "a" }, { name: "b", x: 2 }],
    want: [
      { op: "add", path: "/0", value: { name: "a" } },
      { op: "replace", path: "/1/x", value: 2 },
    ],
  },
  {
    name: "two elements of one name are replaced whole",
    before: [{ name: "a" }, { name: "a" }],
    after: [{ name: "a" }],
    want: [{ op: "replace", path: "", value: [{ name: "a" }] }],
  },
  {
    name: "an element that goes replaces the list",
    before: [{ name: "a" }, { name: "b" }],
    after: [{ name: "b" }],
    want: [{ op: "replace", path: "", value: [{ name: "b" }] }],
  },
  { name: "a member that goes", before: { a: 1, b: 2 }, after: { b: 2 }, want: [{ op: "remove", path: "/a" }] },
])("$name", ({ before, after, want }) => {
  expect(jsonPatch(before, after)).toEqual(want);
});

const named = fc.uniqueArray(fc.record({ name: fc.constantFrom("a", "b", "c", "d"), x: fc.jsonValue() }), {
  selector: ({ name }) => name,
});
const value = fc.record({ list: fc.oneof(named, fc.array(fc.jsonValue())), object: fc.object(), "~/": fc.jsonValue() });

test("applied to the one value it makes the other", () => {
  const json = value.map((each): unknown => JSON.parse(JSON.stringify(each)));
  fc.assert(
    fc.property(json, json, (before, after) => {
      expect(applyPatch(before, jsonPatch(before, after))).toEqual(after);
      expect(jsonPatch(after, after)).toEqual([]);
    }),
    { numRuns: 500 },
  );
});
