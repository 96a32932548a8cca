/** Edits sorted into a tree by path, so that those below one object are applied to it together. */
import { assert } from "../../base/assert.ts";
import { scanJson } from "./scan.ts";

/** Member names and list indexes from the top. Indexes count the items of the document as it came, whatever else is edited. */
export type JsonPath = readonly (string | number)[];

/** One change. `value` is the text of one JSON value. */
export type JsonEdit =
  /** Replaces a value or adds a member; missing objects on the way are made (null counts as missing). An index must exist. */
  | { readonly op: "set"; readonly path: JsonPath; readonly value: Buffer | string }
  /** Takes a member or item away; nothing happens when it is absent. */
  | { readonly op: "remove"; readonly path: JsonPath }
  /** Puts an item before the index that ends the path (0: first; the list's length: last). A missing list is made. */
  | { readonly op: "insert"; readonly path: JsonPath; readonly value: Buffer | string };

/** What happens at one place: a new text for it, its removal, or edits further in and items to insert. */
export interface EditNode {
  /** The new text; null: taken away; undefined: edited inside. */
  replacement: Buffer | null | undefined;
  readonly children: Map<string | number, EditNode>;
  /** New items by the index they come before, in the order they were asked for. */
  readonly inserts: Map<number, Buffer[]>;
}

/**
 * Sorts edits into a tree. Of two that set or remove the same place the later one counts. Throws AssertionFault when one lies inside
 * what another sets or removes, when a path is empty, and when a value is not JSON.
 */
export function editTree(edits: readonly JsonEdit[]): EditNode {
  const root = newNode();
  for (const edit of edits) {
    const last = edit.path.at(-1);
    assert(last !== undefined, "an edit needs a path");
    let node = root;
    for (const step of edit.op === "insert" ? edit.path.slice(0, -1) : edit.path) {
      assert(node.replacement === undefined, "an edit lies inside another one");
      node = child(node, step);
    }
    if (edit.op === "insert") {
      assert(typeof last === "number" && Number.isSafeInteger(last) && last >= 0, "an insert ends in an index");
      assert(node.replacement === undefined, "an edit lies inside another one");
      node.inserts.set(last, [...(node.inserts.get(last) ?? []), jsonText(edit.value)]);
    } else {
      assert(node.children.size === 0 && node.inserts.size === 0, "an edit lies inside another one");
      node.replacement = edit.op === "set" ? jsonText(edit.value) : null;
    }
  }
  return root;
}

function child(node: EditNode, step: string | number): EditNode {
  const known = node.children.get(step);
  if (known) return known;
  const made = newNode();
  node.children.set(step, made);
  return made;
}

const newNode = (): EditNode => ({ replacement: undefined, children: new Map(), inserts: new Map() });

/** The value's bytes. Checked, because one wrong value of ours would break a whole body. */
function jsonText(value: Buffer | string): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  try {
    scanJson(bytes);
  } catch {
    assert(false, "an edit's value is not JSON");
  }
  return bytes;
}
