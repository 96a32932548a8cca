/** The escapes of a string whose grammar a scan has checked. */

/** An escape sequence: the code point it stands for (a surrogate where it has no other half) and the bytes it takes: 2, 6 or 12. */
export interface Escape {
  codePoint: number;
  byteLength: number;
}

const letters: Readonly<Record<number, number>> = { 98: 8, 102: 12, 110: 10, 114: 13, 116: 9 };

/** Reads the escape whose backslash stands at `at` into `found`, so that a loop makes no garbage. */
export function readEscape(bytes: Uint8Array, at: number, found: Escape): void {
  const letter = bytes[at + 1] as number; // a checked string never ends in a backslash
  if (letter !== 0x75) {
    found.codePoint = letters[letter] ?? letter;
    found.byteLength = 2;
    return;
  }
  const unit = hex4(bytes, at + 2);
  found.codePoint = unit;
  found.byteLength = 6;
  if (unit < 0xd800 || unit > 0xdbff || bytes[at + 6] !== 0x5c || bytes[at + 7] !== 0x75) return;
  const low = hex4(bytes, at + 8);
  if (low < 0xdc00 || low > 0xdfff) return;
  found.codePoint = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
  found.byteLength = 12;
}

/** True for half a surrogate pair, which UTF-8 cannot carry. */
export const isSurrogate = (codePoint: number): boolean => codePoint >= 0xd800 && codePoint <= 0xdfff;

/** Writes a code point as UTF-8 (a lone surrogate too, by the same rule: WTF-8) and answers with the offset behind it. */
export function writeUtf8(codePoint: number, into: Uint8Array, at: number): number {
  if (codePoint < 0x80) {
    into[at] = codePoint;
    return at + 1;
  }
  if (codePoint < 0x800) {
    into[at] = 0xc0 | (codePoint >> 6);
    into[at + 1] = 0x80 | (codePoint & 0x3f);
    return at + 2;
  }
  if (codePoint < 0x10000) {
    into[at] = 0xe0 | (codePoint >> 12);
    into[at + 1] = 0x80 | ((codePoint >> 6) & 0x3f);
    into[at + 2] = 0x80 | (codePoint & 0x3f);
    return at + 3;
  }
  into[at] = 0xf0 | (codePoint >> 18);
  into[at + 1] = 0x80 | ((codePoint >> 12) & 0x3f);
  into[at + 2] = 0x80 | ((codePoint >> 6) & 0x3f);
  into[at + 3] = 0x80 | (codePoint & 0x3f);
  return at + 4;
}

/** Decodes WTF-8, for the strings that hold a lone surrogate, which UTF-8 decoders replace. */
export function wtf8String(bytes: Buffer): string {
  const units = Buffer.allocUnsafe(bytes.length * 2);
  let to = 0;
  for (let at = 0; at < bytes.length; ) {
    const codePoint = wtf8At(bytes, at);
    at += codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
    if (codePoint >= 0x10000) to = units.writeUInt16LE(0xd7c0 + (codePoint >> 10), to);
    to = units.writeUInt16LE(codePoint < 0x10000 ? codePoint : 0xdc00 | (codePoint & 0x3ff), to);
  }
  return units.toString("utf16le", 0, to);
}

function wtf8At(bytes: Buffer, at: number): number {
  const lead = bytes[at] as number; // well-formed: what follows a lead byte is there
  if (lead < 0x80) return lead;
  const next = (bytes[at + 1] as number) & 0x3f;
  if (lead < 0xe0) return ((lead & 0x1f) << 6) | next;
  const third = (bytes[at + 2] as number) & 0x3f;
  if (lead < 0xf0) return ((lead & 0x0f) << 12) | (next << 6) | third;
  return ((lead & 0x07) << 18) | (next << 12) | (third << 6) | ((bytes[at + 3] as number) & 0x3f);
}

/** What an unescaped string came to: its length, and whether a lone surrogate is in it (so that it is WTF-8, not UTF-8). */
export interface Unescaped {
  byteLength: number;
  hasSurrogate: boolean;
}

/** Writes the inside of a string (`bytes[start..end)`, without quotes) unescaped to `into`, which must be at least as large. */
export function unescapeInto(bytes: Buffer, range: { start: number; end: number }, into: Buffer): Unescaped {
  const found: Escape = { codePoint: 0, byteLength: 0 };
  let to = 0;
  let hasSurrogate = false;
  for (let at = range.start; at < range.end; ) {
    const byte = bytes[at] as number; // below `end`
    if (byte !== 0x5c) {
      into[to++] = byte;
      at++;
      continue;
    }
    readEscape(bytes, at, found);
    at += found.byteLength;
    hasSurrogate ||= isSurrogate(found.codePoint);
    to = writeUtf8(found.codePoint, into, to);
  }
  return { byteLength: to, hasSurrogate };
}

function hex4(bytes: Uint8Array, at: number): number {
  let unit = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = bytes[i] as number; // four checked hex digits
    unit = (unit << 4) | (byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x57);
  }
  return unit;
}
