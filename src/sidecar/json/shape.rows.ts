/** JSON texts and what the scan says to each: the class "JSON shape" of bad input. */
import type { JsonFaultCode } from "./fault.ts";

export interface JsonShapeRow {
  readonly name: string;
  /** The text, or what makes it where it is large. */
  readonly text: string | Buffer | (() => string);
  /** The refusal; undefined where the text is accepted. */
  readonly code: JsonFaultCode | undefined;
  /** Byte offset of the fault, where the row cares. */
  readonly offset?: number;
  readonly path?: string;
}

const row = (
  name: string,
  text: JsonShapeRow["text"],
  code?: JsonFaultCode,
  where: { offset?: number; path?: string } = {},
): JsonShapeRow => ({
  name,
  text,
  code,
  ...where,
});

/** The bytes of a row. */
export function jsonShapeBytes({ text }: JsonShapeRow): Buffer {
  const made = typeof text === "function" ? text() : text;
  return typeof made === "string" ? Buffer.from(made) : made;
}

/** A text with every kind of token, white space and escapes. */
export const sampleText =
  ' {"model":"gpt-4o", "messages" : [{"role":"user","content":"h\\u00e9\\n\\ud83d\\ude00 é"}],"n":-1.5e+3,"x":[true,false,null,{}, []]}\n';

const acceptedTexts = [
  "0",
  "-0",
  "1E400",
  "1e-9",
  "9007199254740993",
  '""',
  '"\\ud800"',
  '"\\"\\\\\\/\\b\\f\\n\\r\\t\\uAbCd"',
  '"\u007f\u2028"',
  " [ ] ",
  "\t{\r\n}\n",
  "[[],{},[{}]]",
  "null",
  '{"a":1,"A":1,"":2}',
  '{"\\ud800":1,"\\ufffd":2,"\\udc00":3}',
  sampleText,
];

/** Accepted, as `JSON.parse` accepts them. */
export const acceptedRows: readonly JsonShapeRow[] = acceptedTexts.map((text) => row(text, text));

/** Refused for their grammar, as `JSON.parse` refuses them. */
export const grammarRows: readonly JsonShapeRow[] = [
  row("nothing", "", "invalid_json", { offset: 0 }),
  row("only white space", " \n", "invalid_json", { offset: 2 }),
  row("a second value", "{} {}", "invalid_json", { offset: 3 }),
  row("trailing bytes", '{"a":1}x', "invalid_json", { offset: 7 }),
  row("a trailing comma in a list", "[1,]", "invalid_json", { offset: 3 }),
  row("a trailing comma in an object", '{"a":1,}', "invalid_json", { offset: 7 }),
  row("a leading comma", "[,1]", "invalid_json", { offset: 1 }),
  row("a comma for a colon", '{"a",1}', "invalid_json", { offset: 4 }),
  row("a missing comma", "[1 2]", "invalid_json", { offset: 3 }),
  row("a wrong bracket", '{"a":[1}', "invalid_json", { offset: 7 }),
  row("a key without quotes", "{a:1}", "invalid_json", { offset: 1 }),
  row("a number as a key", "{1:1}", "invalid_json", { offset: 1 }),
  row("single quotes", "['a']", "invalid_json", { offset: 1 }),
  row("a comment", "[1/**/]", "invalid_json", { offset: 2 }),
  row("NaN", "[NaN]", "invalid_json", { offset: 1 }),
  row("Infinity", "[-Infinity]", "invalid_json", { offset: 2 }),
  row("a leading zero", "[01]", "invalid_json", { offset: 2 }),
  row("a leading plus", "[+1]", "invalid_json", { offset: 1 }),
  row("a bare point", "[.5]", "invalid_json", { offset: 1 }),
  row("a point without digits", "[1.]", "invalid_json", { offset: 3 }),
  row("an exponent without digits", "[1e+]", "invalid_json", { offset: 4 }),
  row("hexadecimal", "[0x1]", "invalid_json", { offset: 2 }),
  row("a cut literal", "[tru]", "invalid_json", { offset: 4 }),
  row("an upper-case literal", "[True]", "invalid_json", { offset: 1 }),
  row("an unknown escape", '["\\x41"]', "invalid_json", { offset: 3 }),
  row("a short escape", '["\\u12"]', "invalid_json", { offset: 3 }),
  row("a raw line feed in a string", '["a\nb"]', "invalid_json", { offset: 3 }),
  row("a raw NUL in a string", '["a\u0000b"]', "invalid_json", { offset: 3 }),
  row("a vertical tab between values", "[1,\u000b2]", "invalid_json", { offset: 3 }),
  row("a no-break space between values", "[1,\u00a02]", "invalid_json", { offset: 3 }),
];

/** Refused for their encoding; the offset may be that of the character before. */
export const encodingRows: readonly JsonShapeRow[] = [
  row("a byte order mark", Buffer.from('\ufeff{"a":1}'), "byte_order_mark", { offset: 0 }),
  row("UTF-16", Buffer.from('{"a":1}', "utf16le"), "invalid_json", { offset: 1 }),
  row("UTF-16 with a byte order mark", Buffer.from('\ufeff{"a":1}', "utf16le"), "invalid_utf8", { offset: 0 }),
  row("a surrogate as UTF-8", Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), "invalid_utf8", { offset: 1 }),
  row("an overlong slash", Buffer.from([0x22, 0xc0, 0xaf, 0x22]), "invalid_utf8", { offset: 0 }),
  row(
    "a lone continuation byte behind 40 kB",
    Buffer.concat([Buffer.from(`"${"é".repeat(20_000)}`), Buffer.from([0x80, 0x22])]),
    "invalid_utf8",
    { offset: 40_001 },
  ),
];

const many = (keys: readonly string[]): string => `{${keys.map((key) => `"${key}":0`).join(",")}}`;
const numbered = Array.from({ length: 40 }, (_, index) => `key${index}`);

/** Refused for a key that stands twice. */
export const duplicateRows: readonly JsonShapeRow[] = [
  row("plainly", '{"a":1,"b":2,"a":3}', "duplicate_key", { path: "a" }),
  row("once escaped", '{"a":1,"\\u0061":2}', "duplicate_key", { path: '["\\u0061"]' }),
  row("escaped in two ways", '{"\\u00e9":1,"\\u00E9":2}', "duplicate_key", { path: '["\\u00E9"]' }),
  row("as letter and as escape", '{"é":1,"\\u00e9":2}', "duplicate_key", { path: '["\\u00e9"]' }),
  row("as surrogates and as a letter", '{"\\ud83d\\ude00":1,"\u{1f600}":2}', "duplicate_key", {
    path: '["\u{1f600}"]',
  }),
  row("with a lone surrogate", '{"\\ud800":1,"\\uD800":2}', "duplicate_key", { path: '["\\uD800"]' }),
  row("deep inside", '{"x":[0,{"y":{"a":1,"a":1}}]}', "duplicate_key", { path: "x[1].y.a" }),
  row("as __proto__", '{"__proto__":1,"__proto__":2}', "duplicate_key", { path: "__proto__" }),
  row("empty", '{"":1,"":2}', "duplicate_key", { path: '[""]' }),
  row("among many", many([...numbered, "key7"]), "duplicate_key", { path: "key7" }),
  row("escaped among many", many([...numbered, "\\u006bey7"]), "duplicate_key", { path: '["\\u006bey7"]' }),
];

const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);

/** Shapes meant to exhaust a parser. */
export const hostileRows: readonly JsonShapeRow[] = [
  row("64 levels", nested(64)),
  row("65 levels", nested(65), "too_deep"),
  row("10,000 levels", nested(10_000), "too_deep"),
  row("65 levels of objects", `${'{"a":'.repeat(65)}1${"}".repeat(65)}`, "too_deep"),
  row("5 million open lists", () => "[".repeat(5_000_000), "too_deep"),
  row("9.5 MiB of open lists", () => "[".repeat(9_961_472), "too_deep"),
  row("500,000 keys", () => `{${Array.from({ length: 500_000 }, (_, i) => `"k${i}":0`).join(",")}}`, "too_many_keys"),
  row("3.3 million empty objects", () => `[${"{},".repeat(3_300_000)}{}]`, "too_many_values"),
  row("16 MiB of digits", () => "1".repeat(16_777_216), "number_too_long"),
  row("16 MiB of one key", () => `{"${"k".repeat(16_777_216)}":0}`, "key_too_long"),
];

/** The whole class. */
export const jsonShapeRows: readonly JsonShapeRow[] = [
  ...acceptedRows,
  ...grammarRows,
  ...encodingRows,
  ...duplicateRows,
  ...hostileRows,
];
