/** DER (X.690), as far as two kinds of certificate need it: writing only, for values of our own. */

const tlv = (tag: number, content: Uint8Array): Buffer => {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const digits = Buffer.from(length.toString(16).padStart(length > 0xff ? 4 : 2, "0"), "hex");
  return Buffer.concat([Buffer.from([tag, 0x80 | digits.length]), digits, content]);
};

/** An object identifier from its dotted text, such as 1.2.840.10045.4.3.2. */
const objectIdentifier = (dotted: string): Buffer => {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const digits = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return tlv(0x06, Buffer.from(bytes));
};

/** Seconds only; years to 2049 as UTCTime and later ones as GeneralizedTime, as RFC 5280, 4.1.2.5 asks. */
const time = (atMs: number): Buffer => {
  const text = new Date(atMs).toISOString().replace(/\.\d+/, "").replace(/[-:T]/g, "");
  return Number(text.slice(0, 4)) < 2050 ? tlv(0x17, Buffer.from(text.slice(2))) : tlv(0x18, Buffer.from(text));
};

/** Writers of one value each; contents below 64 KiB. */
export const der = {
  sequence: (...parts: readonly Uint8Array[]): Buffer => tlv(0x30, Buffer.concat(parts)),
  set: (...parts: readonly Uint8Array[]): Buffer => tlv(0x31, Buffer.concat(parts)),
  objectIdentifier,
  time,
  boolean: (value: boolean): Buffer => tlv(0x01, Buffer.from([value ? 0xff : 0])),
  /** A whole number from its big-endian bytes; never negative. */
  integer: (bytes: Uint8Array): Buffer =>
    tlv(0x02, (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.from([0]), bytes])),
  utf8: (text: string): Buffer => tlv(0x0c, Buffer.from(text, "utf8")),
  octets: (content: Uint8Array): Buffer => tlv(0x04, content),
  /** `unusedBits` at the end of the last byte, 0 to 7. */
  bits: (content: Uint8Array, unusedBits = 0): Buffer => tlv(0x03, Buffer.concat([Buffer.from([unusedBits]), content])),
  /** A context-specific tag, 0 to 30: around other values (constructed) or in place of one's own tag. */
  tagged: (tag: number, content: Uint8Array, isConstructed = true): Buffer =>
    tlv((isConstructed ? 0xa0 : 0x80) | tag, content),
} as const;
