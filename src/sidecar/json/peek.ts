/** A quick look into a provider's answer: a few members of the top object, everything else stepped over unread. */
import { decodeEscaped } from "./text.ts";
import { escapedEnd, numberEnd, plainEnd, spaceEnd, wordEnd } from "./token.ts";

/** Byte offsets of a value: its first byte and the one behind it. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Containers inside one another; a deeper text counts as not balanced. */
const depthMax = 512;
/** A string is searched byte by byte so far; behind that a native search for the next quote is quicker. */
const loopBytesMax = 64;

/** The brackets that must close, innermost last. A walk never yields, so one is enough. */
const closers = new Uint8Array(depthMax);

/** 1 for the bytes that matter between values: quote, brackets and braces. */
const structural = new Uint8Array(256);
for (const character of '"{}[]') structural[character.charCodeAt(0)] = 1;

/**
 * Finds members of the top object by name (ASCII), in one pass; of a name that stands twice the last counts, as for `JSON.parse`.
 * Undefined when the text is no balanced JSON object: cut short, followed by something, no object at all. What stands inside the values is
 * only checked for closed strings and matching brackets, so this is for answers that we pass on, never for requests that we judge.
 */
export function peekMembers(bytes: Buffer, keys: readonly string[]): Map<string, ByteRange> | undefined {
  const found = new Map<string, ByteRange>();
  let at = spaceEnd(bytes, 0);
  if (bytes[at] !== 0x7b) return undefined;
  at = spaceEnd(bytes, at + 1);
  if (bytes[at] === 0x7d) return spaceEnd(bytes, at + 1) === bytes.length ? found : undefined;
  for (;;) {
    if (bytes[at] !== 0x22) return undefined;
    const keyEnd = stringEnd(bytes, at);
    if (keyEnd < 0) return undefined;
    const key = matchingKey(bytes, { start: at, end: keyEnd }, keys);
    at = spaceEnd(bytes, keyEnd);
    if (bytes[at] !== 0x3a) return undefined;
    const start = spaceEnd(bytes, at + 1);
    const end = valueEnd(bytes, start);
    if (end < 0) return undefined;
    if (key !== undefined) found.set(key, { start, end });
    at = spaceEnd(bytes, end);
    if (bytes[at] === 0x7d) return spaceEnd(bytes, at + 1) === bytes.length ? found : undefined;
    if (bytes[at] !== 0x2c) return undefined;
    at = spaceEnd(bytes, at + 1);
  }
}

/** True for one object or list with closed strings and matching brackets and only white space around it: a text that was cut is never that. */
export function isBalanced(bytes: Buffer): boolean {
  const start = spaceEnd(bytes, 0);
  if (bytes[start] !== 0x7b && bytes[start] !== 0x5b) return false;
  const end = containerEnd(bytes, start);
  return end > 0 && spaceEnd(bytes, end) === bytes.length;
}

/** Offset behind the value at `at`, negative when it is broken. */
function valueEnd(bytes: Buffer, at: number): number {
  switch (bytes[at]) {
    case 0x22:
      return stringEnd(bytes, at);
    case 0x7b:
    case 0x5b:
      return containerEnd(bytes, at);
    case 0x74:
      return wordEnd(bytes, at, "true");
    case 0x66:
      return wordEnd(bytes, at, "false");
    case 0x6e:
      return wordEnd(bytes, at, "null");
    default:
      return numberEnd(bytes, at);
  }
}

/** Offset behind the container that opens at `at`, -1 when it does not close or a bracket does not match. */
function containerEnd(bytes: Buffer, at: number): number {
  const { length } = bytes;
  let depth = 0;
  for (let i = structuralAt(bytes, at); i < length; i = structuralAt(bytes, i)) {
    const byte = bytes[i] as number; // below the length
    if (byte === 0x22) {
      i = stringEnd(bytes, i);
      if (i < 0) return -1;
      continue;
    }
    i++;
    if (byte === 0x7b || byte === 0x5b) {
      if (depth === depthMax) return -1;
      closers[depth++] = byte + 2; // { } and [ ] are two apart in ASCII
    } else {
      if (closers[--depth] !== byte) return -1;
      if (depth === 0) return i;
    }
  }
  return -1;
}

/** Offset behind the string whose opening quote stands at `at`, -1 when it does not close. */
function stringEnd(bytes: Buffer, at: number): number {
  let i = at + 1;
  while (i < bytes.length) {
    for (const last = Math.min(bytes.length, i + loopBytesMax); i < last; i++) {
      if (bytes[i] === 0x22) return i + 1;
      if (bytes[i] === 0x5c) i++;
    }
    const quote = bytes.indexOf(0x22, i);
    if (quote < 0) return -1;
    let first = quote;
    while (first > i && bytes[first - 1] === 0x5c) first--;
    if ((quote - first) % 2 === 0) return quote + 1;
    i = quote + 1;
  }
  return -1;
}

/** Offset of the first byte from `at` on that matters between values; the text's length when there is none. */
function structuralAt(bytes: Buffer, at: number): number {
  let i = at;
  // four at a time, as in a string; the indexes are below the length
  for (const last = bytes.length - 4; i <= last; i += 4) {
    const any =
      (structural[bytes[i] as number] as number) |
      (structural[bytes[i + 1] as number] as number) |
      (structural[bytes[i + 2] as number] as number) |
      (structural[bytes[i + 3] as number] as number);
    if (any !== 0) break;
  }
  while (i < bytes.length && structural[bytes[i] as number] === 0) i++;
  return i;
}

/** The one of `keys` that the key token in `range` decodes to. */
function matchingKey(bytes: Buffer, range: ByteRange, keys: readonly string[]): string | undefined {
  const start = range.start + 1;
  const length = range.end - 1 - start;
  const stop = plainEnd(bytes, start);
  if (bytes[stop] === 0x5c) {
    if (escapedEnd(bytes, stop) !== range.end) return undefined;
    const text = decodeEscaped(bytes, range);
    return keys.find((key) => key === text);
  }
  return keys.find((key) => key.length === length && isAscii(bytes, start, key));
}

function isAscii(bytes: Buffer, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}
