/**
 * The grammar of single tokens (RFC 8259), by bytes. Each function answers with the offset behind the token, or with the
 * complement (`~offset`, negative) of the byte that breaks it. All of them may look at `bytes[length]`: it is undefined and matches nothing.
 */
const quote = 0x22;
const backslash = 0x5c;

/** 1 for bytes that stand for themselves inside a string: all but quote, backslash and the control characters. */
const plain = new Uint8Array(256).fill(1, 0x20);
plain[quote] = 0;
plain[backslash] = 0;

/** 1 for the letters that may follow a backslash, 2 for `u`. */
const escapes = new Uint8Array(256);
for (const letter of '"\\/bfnrt') escapes[letter.charCodeAt(0)] = 1;
escapes[0x75] = 2;

/** Offset of the first byte from `at` on that does not stand for itself in a string; the text's length when there is none. */
export function plainEnd(bytes: Uint8Array, at: number): number {
  const length = bytes.length;
  let i = at;
  // Four at a time: the bounds check and the branch are most of the cost. The indexes are below `length`.
  for (const last = length - 4; i <= last; i += 4) {
    const all =
      (plain[bytes[i] as number] as number) &
      (plain[bytes[i + 1] as number] as number) &
      (plain[bytes[i + 2] as number] as number) &
      (plain[bytes[i + 3] as number] as number);
    if (all === 0) break;
  }
  while (i < length && plain[bytes[i] as number] === 1) i++;
  return i;
}

/** The end of a string whose first backslash stands at `at`. */
export function escapedEnd(bytes: Uint8Array, at: number): number {
  let i = at;
  for (;;) {
    const byte = bytes[i];
    if (byte === quote) return i + 1;
    if (byte !== backslash) return ~i;
    const form = escapes[bytes[i + 1] ?? 0];
    if (form === 1) i += 2;
    else if (form === 2 && isHex4(bytes, i + 2)) i += 6;
    else return ~(i + 1);
    i = plainEnd(bytes, i);
  }
}

/** The end of the number that starts at `at`. */
export function numberEnd(bytes: Uint8Array, at: number): number {
  let i = bytes[at] === 0x2d ? at + 1 : at;
  if (bytes[i] === 0x30) i++;
  else if (isDigit(bytes[i])) i = digitsEnd(bytes, i);
  else return ~i;
  if (bytes[i] === 0x2e) {
    if (!isDigit(bytes[i + 1])) return ~(i + 1);
    i = digitsEnd(bytes, i + 1);
  }
  if (bytes[i] === 0x65 || bytes[i] === 0x45) {
    i += bytes[i + 1] === 0x2b || bytes[i + 1] === 0x2d ? 2 : 1;
    if (!isDigit(bytes[i])) return ~i;
    i = digitsEnd(bytes, i);
  }
  return i;
}

/** The end of `word` (ASCII) when it stands at `at`. */
export function wordEnd(bytes: Uint8Array, at: number, word: string): number {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word.charCodeAt(i)) return ~(at + i);
  return at + word.length;
}

/** Offset of the first byte from `at` on that is not white space; the text's length when there is none. */
export function spaceEnd(bytes: Uint8Array, at: number): number {
  let i = at;
  const length = bytes.length;
  while (i < length) {
    const byte = bytes[i] as number;
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return i;
    i++;
  }
  return i;
}

function digitsEnd(bytes: Uint8Array, at: number): number {
  let i = at + 1;
  while (isDigit(bytes[i])) i++;
  return i;
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

function isHex4(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i < at + 4; i++) {
    const byte = (bytes[i] ?? 0) | 0x20;
    if (!isDigit(bytes[i]) && (byte < 0x61 || byte > 0x66)) return false;
  }
  return true;
}
