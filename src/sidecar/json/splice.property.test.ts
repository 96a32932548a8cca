import { deepStrictEqual } from "node:assert";
import fc from "fast-check";
import { expect, test } from "vitest";
import { choices, objectTrees, record, viewedValue, written } from "./arbitrary.rows.ts";
import { scanJson } from "./scan.ts";
import { type JsonEdit, type JsonPath, spliceJson, spliceParts } from "./splice.ts";
import type { JsonValue } from "./view.ts";

/** The document as a model to be edited one edit at a time: items keep the slots of the text that came. */
type Model =
  | { members: Map<string, Model> }
  | { slots: { before: unknown[]; item: Model | null }[]; behind: unknown[] }
  | { plain: unknown };

function modelOf(value: JsonValue): Model {
  if (value.kind === "object")
    return { members: new Map([...value.entries()].map(([key, member]) => [key, modelOf(member)])) };
  if (value.kind === "array") {
    return { slots: [...value.items()].map((item) => ({ before: [], item: modelOf(item) })), behind: [] };
  }
  return { plain: viewedValue(value) };
}

function finished(model: Model): unknown {
  if ("plain" in model) return model.plain;
  if ("slots" in model) {
    return [
      ...model.slots.flatMap(({ before, item }) => [...before, ...(item ? [finished(item)] : [])]),
      ...model.behind,
    ];
  }
  return record([...model.members].map(([key, member]) => [key, finished(member)]));
}

function applyTo(model: Model, edit: JsonEdit, path: JsonPath): void {
  const [step, ...rest] = path;
  const value = edit.op === "remove" ? undefined : JSON.parse(edit.value.toString());
  if ("members" in model && typeof step === "string") {
    const inner = model.members.get(step);
    if (rest.length > 0 && inner) applyTo(inner, edit, rest);
    else if (edit.op === "remove") model.members.delete(step);
    else model.members.set(step, { plain: value });
  } else if ("slots" in model && typeof step === "number") {
    const slot = model.slots[step];
    if (rest.length > 0 && slot?.item) applyTo(slot.item, edit, rest);
    else if (edit.op === "insert") (slot?.before ?? model.behind).push(value);
    else if (slot) slot.item = edit.op === "remove" ? null : { plain: value };
  }
}

/** All places in a document. */
function placesIn(value: JsonValue, path: JsonPath = []): { path: JsonPath; value: JsonValue }[] {
  const inner =
    value.kind === "object"
      ? [...value.entries()].flatMap(([key, member]) => placesIn(member, [...path, key]))
      : [...value.items()].flatMap((item, index) => placesIn(item, [...path, index]));
  return [{ path, value }, ...inner];
}

const startsWith = (path: JsonPath, prefix: JsonPath): boolean => prefix.every((step, index) => path[index] === step);

/** Edits to random places, none inside another. */
function editsFor(root: JsonValue, choose: (below: number) => number): JsonEdit[] {
  const places = placesIn(root);
  const edits: JsonEdit[] = [];
  for (let count = 1 + choose(6); count > 0; count--) {
    const place = places[choose(places.length)];
    if (!place) continue;
    const value = ["1", '"new"', ' {"x":[ ]} ', "null"][choose(4)] ?? "0";
    const edit = editAt(place, value, choose);
    // an insert touches its list, a set or removal its place
    const touched = edit.op === "insert" ? edit.path.slice(0, -1) : edit.path;
    const clashes = edits.some((other) => {
      const otherTouched = other.op === "insert" ? other.path.slice(0, -1) : other.path;
      const oneInserts = edit.op === "insert" || other.op === "insert";
      if (oneInserts && edit.op === other.op) return false;
      if (edit.op === "insert") return startsWith(touched, otherTouched);
      if (other.op === "insert") return startsWith(otherTouched, touched);
      return startsWith(touched, otherTouched) || startsWith(otherTouched, touched);
    });
    if (!clashes && edit.path.length > 0) edits.push(edit);
  }
  return edits;
}

function editAt(
  { path, value: at }: { path: JsonPath; value: JsonValue },
  value: string,
  choose: (below: number) => number,
): JsonEdit {
  if (at.kind === "object" && choose(2) === 0) return { op: "set", path: [...path, `new${choose(3)}`], value };
  if (at.kind === "array" && choose(2) === 0) return { op: "insert", path: [...path, choose(at.length + 1)], value };
  return choose(2) === 0 ? { op: "set", path, value } : { op: "remove", path };
}

test("a splice does what the edits do to the parsed value, and touches no other byte", () => {
  fc.assert(
    fc.property(objectTrees, fc.nat(), fc.integer({ min: 1 }), (tree, form, seed) => {
      const document = scanJson(Buffer.from(written(tree, choices(form))));
      const edits = editsFor(document.root, choices(seed));
      const model = modelOf(document.root);
      for (const edit of edits) applyTo(model, edit, edit.path);
      const result = scanJson(spliceJson(document, edits));
      deepStrictEqual(viewedValue(result.root), finished(model));
      // what is taken over stands in its order, each byte once
      let at = 0;
      for (const part of spliceParts(document, edits)) {
        if (part.buffer !== document.bytes.buffer) continue;
        const offset = part.byteOffset - document.bytes.byteOffset;
        if (offset < 0 || offset >= document.bytes.length) continue; // a small edit from the same pool
        expect(offset).toBeGreaterThanOrEqual(at);
        at = offset + part.length;
      }
      // members that no edit names are written as they were
      for (const [key, member] of document.root.entries()) {
        if (!edits.some((edit) => edit.path[0] === key)) expect(result.root.get(key)?.raw()).toEqual(member.raw());
      }
    }),
    { numRuns: 3000 },
  );
});

test("the result is the same in whatever order the edits are given", () => {
  fc.assert(
    fc.property(objectTrees, fc.integer({ min: 1 }), (tree, seed) => {
      const document = scanJson(Buffer.from(written(tree, choices(seed))));
      const edits = editsFor(document.root, choices(seed)).filter((edit) => edit.op !== "insert");
      const value = (list: readonly JsonEdit[]): unknown => viewedValue(scanJson(spliceJson(document, list)).root);
      deepStrictEqual(value(edits.toReversed()), value(edits));
    }),
    { numRuns: 500 },
  );
});
