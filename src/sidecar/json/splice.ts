/** Edits to a JSON text at byte offsets. All bytes that no edit names stay as they came, white space included. */
import { assert } from "../../base/assert.ts";
import { type EditNode, editTree, type JsonEdit } from "./edit-tree.ts";
import { JsonFault } from "./scan.ts";
import type { JsonDocument, JsonValue } from "./view.ts";

export type { JsonEdit, JsonPath } from "./edit-tree.ts";

/** `texts` stand in place of the bytes from `start` to `end` of the text that came. */
interface Patch {
  readonly start: number;
  readonly end: number;
  readonly texts: readonly (Buffer | string)[];
}

/** The edited text as one buffer. Throws as `spliceParts` does. */
export function spliceJson(document: JsonDocument, edits: readonly JsonEdit[]): Buffer {
  const parts = spliceParts(document, edits);
  return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
}

/**
 * The edited text in pieces, to be sent one after another; the untouched ones are views of the document's bytes. Edits name places of
 * the document as it came, so their order does not matter, but for items inserted at one index and for the same place set twice.
 * Throws JsonFault (wrong_type) where a path leads through a value that is no object (or list), and AssertionFault for edits that cannot be
 * meant: one inside another, an index that is not there, a value that is not JSON.
 */
export function spliceParts(document: JsonDocument, edits: readonly JsonEdit[]): Buffer[] {
  const { bytes } = document;
  if (edits.length === 0) return [bytes];
  const patches: Patch[] = [];
  patchValue(document.root, editTree(edits), { patches, path: "" });
  // at one offset insertions come first; sort is stable, so they keep their order
  patches.sort((a, b) => a.start - b.start || a.end - b.end);
  const parts: Buffer[] = [];
  let at = 0;
  for (const { start, end, texts } of patches) {
    assert(start >= at, "patches never overlap");
    if (start > at) parts.push(bytes.subarray(at, start));
    for (const text of texts) parts.push(typeof text === "string" ? Buffer.from(text) : text);
    at = end;
  }
  if (at < bytes.length) parts.push(bytes.subarray(at));
  return parts;
}

interface Place {
  readonly patches: Patch[];
  /** Path so far, for a fault. */
  readonly path: string;
}

function patchValue(value: JsonValue, node: EditNode, place: Place): void {
  if (node.replacement === undefined && value.kind !== "object" && value.kind !== "array" && onlyRemoves(node)) return;
  if (node.replacement) place.patches.push({ start: value.start, end: value.end, texts: [node.replacement] });
  else if (value.kind === "null" && (node.children.size > 0 || node.inserts.size > 0)) patchMissing(value, node, place);
  else if (isList(node)) patchArray(value, node, place);
  else if (node.children.size > 0) patchObject(value, node, place);
}

/** A null that edits lead into gives way to what they make. */
function patchMissing(value: JsonValue, node: EditNode, place: Place): void {
  const made = madeText(node);
  if (made) place.patches.push({ start: value.start, end: value.end, texts: made });
}

const isList = (node: EditNode): boolean =>
  node.inserts.size > 0 || typeof node.children.keys().next().value === "number";

function patchObject(value: JsonValue, node: EditNode, place: Place): void {
  if (value.kind !== "object") throw wrongType(value, place, "an object");
  const removed = new Set<number>();
  const added: (Buffer | string)[][] = [];
  for (const [key, edit] of node.children) {
    assert(typeof key === "string", "a path takes a member by its name");
    const member = value.get(key);
    if (member && edit.replacement === null) removed.add(member.start);
    else if (member) patchValue(member, edit, { ...place, path: place.path === "" ? key : `${place.path}.${key}` });
    else {
      const made = madeText(edit);
      if (made) added.push([`${JSON.stringify(key)}:`, ...made]);
    }
  }
  if (removed.size > 0 || added.length > 0) {
    const spans = memberSpans(value);
    patchRow(value, { spans, removed, inserts: new Map([[spans.length, added]]) }, place.patches);
  }
}

function patchArray(value: JsonValue, node: EditNode, place: Place): void {
  if (value.kind !== "array") throw wrongType(value, place, "a list");
  const spans = [...value.items()].map((item) => ({ start: item.start, end: item.end, valueStart: item.start, item }));
  const removed = new Set<number>();
  for (const [index, edit] of node.children) {
    assert(typeof index === "number", "a path takes an item by its index");
    const item = spans[index]?.item;
    if (edit.replacement === null) {
      if (item) removed.add(item.start);
      continue;
    }
    assert(item, "an edit names an item that is not there");
    patchValue(item, edit, { ...place, path: `${place.path}[${index}]` });
  }
  const inserts = new Map<number, Buffer[][]>();
  for (const [index, texts] of node.inserts) {
    assert(index <= spans.length, "an insert lies behind the list's end");
    inserts.set(
      index,
      texts.map((text) => [text]),
    );
  }
  if (removed.size > 0 || inserts.size > 0) patchRow(value, { spans, removed, inserts }, place.patches);
}

/** A member (from its key) or an item of a container. */
interface Span {
  readonly start: number;
  readonly end: number;
  readonly valueStart: number;
}

function memberSpans(object: JsonValue): Span[] {
  const spans: Span[] = [];
  for (const { keyStart, value } of object.members())
    spans.push({ start: keyStart, end: value.end, valueStart: value.start });
  return spans;
}

interface RowEdit {
  readonly spans: readonly Span[];
  /** Starts of the values that go. */
  readonly removed: ReadonlySet<number>;
  /** What comes in, by the index of the span it comes before. */
  readonly inserts: ReadonlyMap<number, readonly (readonly (Buffer | string)[])[]>;
}

/**
 * Takes members or items out of a container and puts others in, commas kept right: behind something that stays, a newcomer brings the comma
 * before it and a removal takes it; as long as nothing has stayed, the comma behind goes with the removed and comes with the new.
 */
function patchRow(container: JsonValue, { spans, removed, inserts }: RowEdit, patches: Patch[]): void {
  const inside = spans[0]?.start ?? container.start + 1;
  let lastEnd = inside;
  let hasBefore = false;
  const front: (Buffer | string)[] = [];
  for (let index = 0; index <= spans.length; index++) {
    for (const text of inserts.get(index) ?? []) {
      if (hasBefore) patches.push({ start: lastEnd, end: lastEnd, texts: [",", ...text] });
      else front.push(...(front.length > 0 ? ["," as const, ...text] : text));
    }
    const span = spans[index];
    if (!span) break;
    if (!removed.has(span.valueStart)) {
      if (!hasBefore && front.length > 0) front.push(",");
      hasBefore = true;
    } else if (hasBefore) {
      patches.push({ start: lastEnd, end: span.end, texts: [] });
    } else {
      patches.push({ start: span.start, end: spans[index + 1]?.start ?? span.end, texts: [] });
    }
    lastEnd = span.end;
  }
  if (front.length > 0) patches.push({ start: inside, end: inside, texts: front });
}

/** True when nothing is set or inserted: then there is nothing to do where the path does not lead on. */
const onlyRemoves = (node: EditNode): boolean =>
  node.replacement === null ||
  (node.replacement === undefined && node.inserts.size === 0 && node.children.values().every(onlyRemoves));

/** The text of what edits make where nothing was; undefined when they only remove. */
function madeText(node: EditNode): (Buffer | string)[] | undefined {
  if (node.replacement !== undefined) return node.replacement === null ? undefined : [node.replacement];
  if (isList(node)) return madeList(node);
  const members: (Buffer | string)[] = [];
  for (const [key, edit] of node.children) {
    const made = madeText(edit);
    if (made) members.push(`${members.length > 0 ? "," : "{"}${JSON.stringify(key)}:`, ...made);
  }
  return members.length > 0 ? [...members, "}"] : undefined;
}

function madeList(node: EditNode): (Buffer | string)[] | undefined {
  for (const edit of node.children.values())
    assert(edit.replacement === null, "an edit names an item that is not there");
  if (node.inserts.size === 0) return undefined;
  assert(
    [...node.inserts.keys()].every((index) => index === 0),
    "an insert lies behind the list's end",
  );
  return ["[", ...(node.inserts.get(0) ?? []).flatMap((text, index) => (index > 0 ? [",", text] : [text])), "]"];
}

const wrongType = (value: JsonValue, { path }: Place, want: string): JsonFault =>
  new JsonFault("wrong_type", `${want} is needed here`, { offset: value.start, path });
