/** JSON texts for the property tests: a value, written in one of its many forms. */
import fc from "fast-check";
import type { JsonValue } from "./view.ts";

/** A value as a tree whose objects keep their members' order and may hold any key. */
export type Tree =
  | { readonly kind: "scalar"; readonly value: string | number | boolean | null }
  | { readonly kind: "list"; readonly items: readonly Tree[] }
  | { readonly kind: "object"; readonly members: readonly (readonly [string, Tree])[] };

const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "grapheme", maxLength: 6 }),
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.string({ unit: fc.constantFrom("\\", '"', "\n", "\u0000", "\ud83d", "\ude00", "\ufffd", "é", "/"), maxLength: 6 }),
);
const key = fc.oneof(
  text,
  fc.constantFrom("a", "b", "model", "__proto__", "constructor", "", "é", "\ud83d\ude00", "\uffff"),
);
const number = fc.oneof(
  fc.integer(),
  fc.double({ noDefaultInfinity: true, noNaN: true }),
  fc.constantFrom(0, -0, 1e21, 5e-324),
);
const scalar = fc
  .oneof(text, number, fc.boolean(), fc.constant(null))
  .map((value): Tree => ({ kind: "scalar", value }));

/** Trees of bounded size without duplicate keys. */
export const trees: fc.Arbitrary<Tree> = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "small", maxDepth: 5 },
    scalar,
    fc.array(tie("tree"), { maxLength: 5 }).map((items): Tree => ({ kind: "list", items })),
    fc
      .uniqueArray(fc.tuple(key, tie("tree")), { selector: ([name]) => name, maxLength: 5 })
      .map((members): Tree => ({ kind: "object", members })),
  ),
})).tree;

/** Trees whose top is an object. */
export const objectTrees = trees.map(
  (tree): Tree => (tree.kind === "object" ? tree : { kind: "object", members: [["top", tree]] }),
);

/** A stream of choices made from one seed (a linear congruential generator): shrinks to the plainest form at 0. */
export function choices(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    if (seed === 0) return 0;
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Writes a tree with white space, escapes and forms of numbers as `choose` says. All forms say the same. */
export function written(tree: Tree, choose: (below: number) => number): string {
  const space = (): string => ["", "", "", " ", "\n\t", "\r\n "][choose(6)] ?? "";
  const write = (node: Tree): string => {
    if (node.kind === "scalar")
      return typeof node.value === "string" ? quoted(node.value, choose) : scalarText(node.value, choose);
    const inside =
      node.kind === "list"
        ? node.items.map((item) => space() + write(item) + space())
        : node.members.map(
            ([name, member]) => `${space()}${quoted(name, choose)}${space()}:${space()}${write(member)}${space()}`,
          );
    const body = inside.length > 0 ? inside.join(",") : space();
    return node.kind === "list" ? `[${body}]` : `{${body}}`;
  };
  return space() + write(tree) + space();
}

function quoted(value: string, choose: (below: number) => number): string {
  let out = "";
  for (const character of value) {
    const plain = JSON.stringify(character).slice(1, -1);
    const isLong = choose(6) === 5;
    const hex = [...Array(character.length).keys()].map((i) => character.charCodeAt(i).toString(16).padStart(4, "0"));
    out += isLong ? hex.map((digits) => `\\u${choose(2) === 1 ? digits.toUpperCase() : digits}`).join("") : plain;
  }
  return `"${out}"`;
}

function scalarText(value: number | boolean | null, choose: (below: number) => number): string {
  if (typeof value !== "number") return JSON.stringify(value);
  const plain = Object.is(value, -0) ? "-0" : JSON.stringify(value);
  const hasExponent = plain.includes("e");
  if (choose(3) === 0) return plain;
  if (choose(2) === 0) return hasExponent ? plain.replace("e", "E") : `${plain}E+0`;
  return plain.includes(".") || hasExponent ? plain : `${plain}.0`;
}

/** The tree as `JSON.parse` would build it, `__proto__` a member like any other. */
export function plainValue(tree: Tree): unknown {
  if (tree.kind === "scalar") return tree.value;
  if (tree.kind === "list") return tree.items.map(plainValue);
  return record(tree.members.map(([name, member]) => [name, plainValue(member)]));
}

/** What a view says, built up again. */
export function viewedValue(value: JsonValue): unknown {
  if (value.kind === "array") return [...value.items()].map(viewedValue);
  if (value.kind === "object") return record([...value.entries()].map(([name, member]) => [name, viewedValue(member)]));
  return value.kind === "null" ? null : (value.string() ?? value.number() ?? value.boolean());
}

/** An object with these members, `__proto__` one like any other. */
export function record(members: readonly (readonly [string, unknown])[]): object {
  const made = {};
  // defined, because assigning `__proto__` would set the prototype
  for (const [name, value] of members)
    Object.defineProperty(made, name, { value, enumerable: true, writable: true, configurable: true });
  return made;
}
