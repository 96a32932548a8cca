import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { choices, type Tree, trees, written } from "./arbitrary.rows.ts";
import { canonicalDigest } from "./canonical.ts";
import { scanJson } from "./scan.ts";

function canonical(text: string, omit?: ReadonlySet<string>): string {
  const chunks: Buffer[] = [];
  canonicalDigest(scanJson(Buffer.from(text)), { omit, update: (chunk) => chunks.push(Buffer.from(chunk)) });
  return Buffer.concat(chunks).toString();
}

test.each<[name: string, text: string, want: string]>([
  ["white space goes", ' { "a" : [ 1 , { } ,\n[ ] ] } ', '{"a":[1,{},[]]}'],
  ["members are sorted", '{"b":1,"a":2,"aa":3,"":4,"B":5}', '{"":4,"B":5,"a":2,"aa":3,"b":1}'],
  [
    "by UTF-16 units, as in RFC 8785 section 3.2.3",
    '{"\\u20ac":1,"\\r":2,"\\ufb33":3,"1":4,"\\ud83d\\ude00":5,"\\u0080":6,"\\u00f6":7}',
    '{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}',
  ],
  ["with letters as they stand too", '{"\ufb33":3,"😀":5,"€":1,"\ud7ff":2}', '{"€":1,"\ud7ff":2,"😀":5,"\ufb33":3}'],
  [
    "escapes are the shortest",
    '"\\u0041\\/\\u000a\\n\\u001F\\u0022\\"\\u005c\\\\\\u00e9\\ud83d\\ude00"',
    '"A/\\n\\n\\u001f\\"\\"\\\\\\\\é😀"',
  ],
  ["the first and the last surrogate pair are letters", '"\\ud800\\udc00\\uDBFF\\uDFFF"', '"\u{10000}\u{10ffff}"'],
  ["lone surrogates stay escapes", '"\\uD83D|\\uDE00"', '"\\ud83d|\\ude00"'],
  ["DEL and separators stand as they are", '"\\u007f\\u2028"', '"\u007f\u2028"'],
  ["strings in lists and literals", '["a",true,false,null]', '["a",true,false,null]'],
])("%s", (_name, text, want) => {
  expect(canonical(text)).toBe(want);
});

test("objects with many keys are sorted like small ones", () => {
  const keys = Array.from({ length: 60 }, (_, i) => `${(i * 37) % 60}`.padStart(i % 3, "\u{1f600}"));
  const members = keys.map((key) => `${JSON.stringify(key)}:1`);
  expect(canonical(`{${members.join(", ")}}`)).toBe(
    `{${keys
      .toSorted()
      .map((key) => `${JSON.stringify(key)}:1`)
      .join(",")}}`,
  );
});

test("members are left out at the top alone", () => {
  const omit = new Set(["stream", "é"]);
  expect(canonical('{"stream":true,"a":{"stream":1},"\\u00e9":2}', omit)).toBe('{"a":{"stream":1}}');
  expect(canonical('{"str\\u0065am":true}', omit)).toBe("{}");
});

test("long strings and many small values come whole, in pieces", () => {
  const text = `{"a":"${"x".repeat(10_000)}\\u00e9${"y".repeat(3000)}","b":[${"1.0,".repeat(5000)}1]}`;
  expect(canonical(text)).toBe(`{"a":"${"x".repeat(10_000)}é${"y".repeat(3000)}","b":[${"1,".repeat(5000)}1]}`);
});

test.each([1, 7, 48, 49, 600, 1022, 1023, 1024, 5000])(
  "strings of %d letters come whole wherever a piece ends",
  (length) => {
    const strings = Array.from({ length: 300 }, (_, i) => String.fromCharCode(97 + (i % 26)).repeat(length));
    expect(canonical(JSON.stringify(strings, null, 1))).toBe(JSON.stringify(strings));
    const escaped = strings.map((text) => `"${text}\\u00e9\\ud83d\\ude00\\u0000"`);
    expect(canonical(`[${escaped}]`)).toBe(JSON.stringify(strings.map((text) => `${text}é😀\0`)));
  },
);

test.each([0, 1, 2, 3])("a run of escapes comes whole, shifted by %d bytes", (shift) => {
  const shifted = "x".repeat(shift);
  expect(canonical(`"${shifted}${"\\ud83d\\ude00".repeat(3000)}"`)).toBe(`"${shifted}${"😀".repeat(3000)}"`);
});

test("the digest is that of the canonical bytes", () => {
  const hash = createHash("sha256");
  canonicalDigest(scanJson(Buffer.from('{"b":"é","a":1e2}')), { update: (chunk) => hash.update(chunk) });
  expect(hash.digest("hex")).toBe(createHash("sha256").update('{"a":100,"b":"é"}').digest("hex"));
});

/** RFC 8785 by way of ECMAScript, as its appendix does it. */
function reference(tree: Tree): string {
  if (tree.kind === "scalar") return JSON.stringify(tree.value);
  if (tree.kind === "list") return `[${tree.items.map(reference).join(",")}]`;
  const members = tree.members.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, value]) => `${JSON.stringify(key)}:${reference(value)}`).join(",")}}`;
}

function shuffled(tree: Tree, choose: (below: number) => number): Tree {
  if (tree.kind === "scalar") return tree;
  if (tree.kind === "list") return { kind: "list", items: tree.items.map((item) => shuffled(item, choose)) };
  const members = tree.members.map(([key, value]) => [choose(1000), key, shuffled(value, choose)] as const);
  return { kind: "object", members: members.toSorted((a, b) => a[0] - b[0]).map(([, key, value]) => [key, value]) };
}

test("all texts that say the same have the form of RFC 8785", () => {
  fc.assert(
    fc.property(trees, fc.nat(), (tree, seed) => {
      const choose = choices(seed);
      expect(canonical(written(shuffled(tree, choose), choose))).toBe(reference(tree));
    }),
    { numRuns: 2000 },
  );
});

test("texts that say different things have different forms", () => {
  fc.assert(
    fc.property(trees, trees, fc.nat(), (a, b, seed) => {
      const isSame = canonical(written(a, choices(seed))) === canonical(written(b, choices(seed + 1)));
      expect(isSame).toBe(reference(a) === reference(b));
    }),
    { numRuns: 1000 },
  );
});
