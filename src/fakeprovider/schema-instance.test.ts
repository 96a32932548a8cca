import { expect, test } from "vitest";
import { instanceOf } from "./schema-instance.ts";

test.each([
  { name: "text", schema: { type: "string" }, want: "amber" },
  { name: "a short text", schema: { type: "string", maxLength: 2 }, want: "am" },
  { name: "a long text", schema: { type: "string", minLength: 7 }, want: "amberaa" },
  { name: "a date", schema: { type: "string", format: "date" }, want: "2026-01-02" },
  { name: "a bounded whole number", schema: { type: "integer", minimum: 10 }, want: 10 },
  { name: "a number over a bound", schema: { type: "integer", exclusiveMinimum: 10 }, want: 11 },
  { name: "a number under a bound", schema: { type: "integer", maximum: 3 }, want: 2 },
  { name: "a fraction", schema: { type: "number" }, want: 7.5 },
  { name: "a constant", schema: { const: 5 }, want: 5 },
  { name: "one of several", schema: { enum: ["b", "a"] }, want: "b" },
  { name: "the first alternative", schema: { anyOf: [{ type: "boolean" }, { type: "null" }] }, want: true },
  { name: "what is not null", schema: { type: ["null", "integer"] }, want: 7 },
  { name: "a list of two", schema: { type: "array", minItems: 2, items: { type: "null" } }, want: [null, null] },
  { name: "all parts together", schema: { allOf: [{ type: "object", properties: { a: {} } }] }, want: { a: "amber" } },
])("$name is made from its schema", ({ schema, want }) => {
  expect(instanceOf(schema)).toEqual(want);
});

test("a schema that contains itself ends", () => {
  const node = { type: "object", properties: { next: { $ref: "#" }, all: { type: "array", items: { $ref: "#" } } } };
  expect(JSON.stringify(instanceOf(node)).length).toBeLessThan(100_000);
});

test("a schema that is only itself ends", () => {
  expect(() => instanceOf({ $ref: "#" })).not.toThrow();
});
