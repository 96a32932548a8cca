import { deepStrictEqual } from "node:assert";
import fc from "fast-check";
import { expect, test } from "vitest";
import { choices, plainValue, trees, viewedValue, written } from "./arbitrary.rows.ts";
import { JsonFault, scanJson } from "./scan.ts";
import type { JsonDocument } from "./view.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What JSON.parse makes of the bytes; undefined where it refuses. */
function parsed(bytes: Buffer): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(decoder.decode(bytes)) };
  } catch {
    return undefined;
  }
}

function scanned(bytes: Buffer): JsonDocument | JsonFault {
  try {
    return scanJson(bytes);
  } catch (fault) {
    if (fault instanceof JsonFault) return fault;
    throw fault;
  }
}

// What a text says is compared with the tree that it was written from and not with JSON.parse: that of Node 24 and 26 takes an escaped key for
// one that begins with a backslash, once it has seen such a key in an object of the same shape (nodejs/node issue 63785).

test("every way to write a value is read as what was written", () => {
  fc.assert(
    fc.property(trees, fc.nat(), (tree, seed) => {
      const { root } = scanJson(Buffer.from(written(tree, choices(seed))));
      deepStrictEqual(viewedValue(root), plainValue(tree)); // vitest's equality looks at a member called `constructor`
    }),
    { numRuns: 1500 },
  );
});

test("an escaped key is read by its letters, also where JSON.parse has been misled", () => {
  for (let i = 0; i < 3; i++) JSON.parse('{"x":1,"\\\\":2}');
  const { root } = scanJson(Buffer.from('{"x":1,"\\u0061":2}'));
  expect([...root.entries()].map(([key]) => key)).toEqual(["x", "a"]);
});

const bytesThatMatter = fc.oneof(
  fc.constantFrom(...Buffer.from('{}[]",:\\u0123456789eE+-. \n\tabtrufalsn\u0000\u001f')),
  fc.nat({ max: 255 }),
);
const mutations = fc.array(
  fc.record({ place: fc.double({ min: 0, max: 1, noNaN: true }), byte: bytesThatMatter, how: fc.nat({ max: 2 }) }),
  {
    minLength: 1,
    maxLength: 4,
  },
);

test("a broken text is accepted exactly where JSON.parse accepts it, but for keys that stand twice", () => {
  fc.assert(
    fc.property(trees, fc.nat(), mutations, (tree, seed, changes) => {
      const bytes = [...Buffer.from(written(tree, choices(seed)))];
      for (const { place, byte, how } of changes) {
        const at = Math.floor(place * bytes.length);
        if (how === 0) bytes.splice(at, 1);
        else bytes.splice(at, how - 1, byte);
      }
      const text = Buffer.from(bytes);
      const reference = parsed(text);
      const ours = scanned(text);
      if (ours instanceof JsonFault) {
        // found while reading, before a later fault that JSON.parse would refuse
        if (ours.code !== "duplicate_key") expect(reference, ours.message).toBeUndefined();
      } else {
        expect(reference).toBeDefined();
        if (!text.includes(0x5c)) deepStrictEqual({ value: viewedValue(ours.root) }, reference);
      }
    }),
    { numRuns: 4000 },
  );
});

test("a member added under a key that is there already is refused, however the key is written", () => {
  const objects = fc.uniqueArray(fc.string({ unit: "binary", maxLength: 5 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(objects, fc.nat(), fc.nat(), (keys, pick, seed) => {
      const scalar = { kind: "scalar", value: 1 } as const;
      const again = keys[pick % keys.length] ?? "";
      const twice = { kind: "object", members: [...keys, again].map((key) => [key, scalar] as const) } as const;
      const fault = scanned(Buffer.from(written(twice, choices(seed))));
      expect(fault instanceof JsonFault && fault.code).toBe("duplicate_key");
    }),
    { numRuns: 500 },
  );
});
