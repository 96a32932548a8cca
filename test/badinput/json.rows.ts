/** JSON bodies: grammar, encoding, keys, numbers, depth and size. */
import type { Row } from "../fixtures/bad-input.ts";

/** One body of a chat request. */
export interface JsonRow extends Row {
  readonly body: () => Buffer;
  /** An error of ours, or "passes": the provider sees the very bytes. */
  readonly want: readonly [status: number, code: string] | "passes";
  /** Of unknown length to the sidecar: sent chunked. */
  readonly isChunked?: boolean;
}

const invalid = [400, "invalid_json"] as const;
const twice = [400, "duplicate_key"] as const;
const tooLarge = [413, "json_too_large"] as const;
const start = '{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"max_tokens":5';
const mebibyte = 1024 * 1024;

const bytes = (name: string, body: Buffer | string, want: JsonRow["want"]): JsonRow => ({
  name,
  body: () => Buffer.from(body as string), // a Buffer is copied
  want,
});
const made = (name: string, body: () => string, want: JsonRow["want"], isChunked = false): JsonRow => ({
  name,
  body: () => Buffer.from(body()),
  want,
  isChunked,
});
/** A good request with one more member. */
const withValue = (name: string, value: string, want: JsonRow["want"]): JsonRow =>
  bytes(name, `${start},"x":${value}}`, want);
const bad = (value: string): JsonRow => withValue(`the value ${JSON.stringify(value)}`, value, invalid);
const good = (value: string): JsonRow => withValue(`the value ${JSON.stringify(value)}`, value, "passes");
const whole = `${start}}`;
const spliced = (...raw: readonly number[]): Buffer =>
  Buffer.concat([Buffer.from(`${start},"x":"`), Buffer.from(raw), Buffer.from('"}')]);

const grammar: readonly JsonRow[] = [
  ...["NaN", "Infinity", "-Infinity", "+1", "01", "1.", ".5", "1e", "-", "0x10", "1_000", "undefined", "True"].map(bad),
  ...["'text'", "[1,]", "[,1]", "[1 2]", '{"a":1,}', "{a:1}", '{"a" 1}', '{"a":}', "{1:1}", "{]", "[}", ""].map(bad),
  ...["/* a */ 1", "1 // a", "`a`", '"\\x41"', '"\\u12G4"', '"\\u12"', '"a\nb"', '"a\tb"', '"a\0b"', '"a', "nul"].map(
    bad,
  ),
  ...["-0", "1E400", "1e-400", "12345678901234567890", "0.10000000000000000555", "[]", "{}", '""', "null"].map(good),
  ...[
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\u0000"',
    '"\\/"',
    '{"":1}',
    '{"__proto__":{"a":1}}',
    '{"a":{"a":{"a":1}}}',
  ].map(good),
  withValue("the constructor of an object", '{"constructor":{"prototype":{"a":1}}}', "passes"),
  bytes(
    "white space wherever it may be",
    `\r\n\t ${whole.replaceAll(",", " ,\n\t").replaceAll(":", "\t: ")} \n`,
    "passes",
  ),
];

const shapes: readonly JsonRow[] = [
  bytes("nothing", "", invalid),
  bytes("white space alone", " \n\t ", invalid),
  ...["[]", '"text"', "1", "null", "true", `[${whole}]`].map((top) =>
    bytes(`${top.slice(0, 12)} at the top`, top, invalid),
  ),
  bytes("two objects", whole + whole, invalid),
  bytes("JSON lines", `${whole}\n${whole}\n`, invalid),
  bytes("a NUL behind", `${whole}\0`, invalid),
  bytes("a comma behind", `${whole},`, invalid),
  bytes("a form feed in front", `\f${whole}`, invalid),
  bytes("a no-break space in front", `\u00a0${whole}`, invalid),
  bytes("a line separator behind", `${whole}\u2028`, invalid),
  bytes("a guard against script inclusion in front", `)]}',\n${whole}`, invalid),
];

const encodings: readonly JsonRow[] = [
  bytes("a byte order mark", `\ufeff${whole}`, invalid),
  bytes("UTF-16, little end first", Buffer.from(whole, "utf16le"), invalid),
  bytes("UTF-16 with its mark", Buffer.from(`\ufeff${whole}`, "utf16le"), invalid),
  bytes("UTF-16, big end first", Buffer.from(whole, "utf16le").swap16(), invalid),
  bytes("a byte that no UTF-8 has", spliced(0xff), invalid),
  bytes("Latin-1", spliced(0xe4), invalid),
  bytes("an overlong NUL", spliced(0xc0, 0x80), invalid),
  bytes("an overlong quote", spliced(0xc0, 0xa2), invalid),
  bytes("a surrogate in UTF-8", spliced(0xed, 0xa0, 0x80), invalid),
  bytes("beyond Unicode", spliced(0xf4, 0x90, 0x80, 0x80), invalid),
  bytes("a character cut in two", spliced(0xf0, 0x9f, 0x98), invalid),
  bytes("a continuation alone", spliced(0x80), invalid),
];

const keys: readonly JsonRow[] = [
  bytes("two models", `{"model":"gpt-4o",${start.slice(1)}}`, twice),
  bytes("a model that is spelled with an escape", `${start},"\\u006dodel":"gpt-5"}`, twice),
  bytes(
    "two roles in one message",
    '{"model":"gpt-4o","messages":[{"role":"user","role":"system","content":"x"}]}',
    twice,
  ),
  bytes("two __proto__", `${start},"__proto__":1,"__proto__":2}`, twice),
  bytes("two empty keys", `${start},"":1,"":2}`, twice),
  bytes("the same key in two objects", `${start},"a":{"k":1},"b":{"k":1}}`, "passes"),
  bytes("keys that differ by case", `${start},"MODEL":"gpt-5"}`, "passes"),
  made("a twin after 50,000 keys", () => `${start},${keysOf(50_000)},"k0":1}`, twice),
  made("100,000 keys and no more", () => `${start},${keysOf(100_000)}}`, invalid),
  made("500,000 keys", () => `${start},${keysOf(500_000)}}`, invalid),
  withValue("a key of 1,025 bytes", `{"${"k".repeat(1025)}":1}`, invalid),
  withValue("a number of 1,025 digits", "1".repeat(1025), invalid),
];

const keysOf = (count: number): string => Array.from({ length: count }, (_, i) => `"k${i}":0`).join(",");
const nested = (depth: number, open = "[", close = "]"): string => open.repeat(depth) + close.repeat(depth);

const sizes: readonly JsonRow[] = [
  withValue("64 levels", nested(63), "passes"),
  withValue("65 levels", nested(64), invalid),
  withValue("65 levels of objects", `${'{"a":'.repeat(64)}1${"}".repeat(64)}`, invalid),
  withValue("10,000 levels", nested(10_000), invalid),
  withValue("10,000 levels that are never closed", "[".repeat(10_000), invalid),
  made("5,000,000 levels", () => `${start},"x":${nested(5_000_000)}}`, invalid),
  made("3,300,000 empty objects", () => `${start},"x":[${"{},".repeat(3_300_000)}{}]}`, invalid),
  made("400,000 values", () => `${start},"x":[${"0,".repeat(400_000)}0]}`, invalid),
  made("a text of 8 MiB", () => `${start},"x":"${"a".repeat(8 * mebibyte)}"}`, "passes"),
  made("a text of 8 MiB of escapes", () => `${start},"x":"${"\\n".repeat(4 * mebibyte)}"}`, "passes"),
  made("a text of 8 MiB that is never closed", () => `${start},"x":"${"a".repeat(8 * mebibyte)}`, invalid),
  made("8 MiB of blanks", () => `${start}${" ".repeat(8 * mebibyte)}}`, "passes"),
  made("one byte above 16 MiB", () => `${start},"x":"${"a".repeat(16 * mebibyte - start.length - 5)}"}`, tooLarge),
  made("20 MiB", () => `${start},"x":"${"a".repeat(20 * mebibyte)}"}`, tooLarge),
  made("20 MiB of unknown length", () => `${start},"x":"${"a".repeat(20 * mebibyte)}"}`, tooLarge, true),
  made("40 MiB", () => `${start},"x":"${"a".repeat(40 * mebibyte)}"}`, [413, "body_too_large"]),
];

/** All of them. */
export const jsonRows: readonly JsonRow[] = [...grammar, ...shapes, ...encodings, ...keys, ...sizes];
