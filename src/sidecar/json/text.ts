/** Strings of a scanned text, compared and decoded. */
import { unescapeInto, wtf8String } from "./escape.ts";
import { detailAt, endAt, startAt, type Tape } from "./tape.ts";

/** Longer strings with escapes are unescaped outside of the heap: `JSON.parse` would hold two copies on it. */
const parsedBytesMax = 65_536;

/** The decoded text of a string or key entry. */
export function decodedText(bytes: Buffer, tape: Tape, at: number): string {
  const start = startAt(tape, at);
  const end = endAt(tape, at);
  if (detailAt(tape, at) === 0) return bytes.toString("utf8", start + 1, end - 1);
  return decodeEscaped(bytes, { start, end });
}

/** Decodes a checked string token with escapes, its quotes included in the range. */
export function decodeEscaped(bytes: Buffer, { start, end }: { start: number; end: number }): string {
  // A string token is a JSON text whose value is a string. (V8's fault with escaped keys, nodejs/node issue 63785, is one of objects.)
  if (end - start <= parsedBytesMax) return JSON.parse(bytes.toString("utf8", start, end)) as string;
  const decoded = Buffer.allocUnsafe(end - start - 2);
  const { byteLength, hasSurrogate } = unescapeInto(bytes, { start: start + 1, end: end - 1 }, decoded);
  return hasSurrogate ? wtf8String(decoded.subarray(0, byteLength)) : decoded.toString("utf8", 0, byteLength);
}

/** Whether a key entry decodes to `key`. Decodes only where the key has escapes or letters beyond ASCII that begin alike. */
export function isKey(bytes: Buffer, tape: Tape, at: number, key: string): boolean {
  if (detailAt(tape, at) === 1) return decodedText(bytes, tape, at) === key;
  const start = startAt(tape, at) + 1;
  const length = endAt(tape, at) - 1 - start;
  // UTF-8 never takes fewer bytes than UTF-16 takes units
  if (length < key.length) return false;
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i);
    if (unit >= 0x80) return decodedText(bytes, tape, at) === key;
    if (bytes[start + i] !== unit) return false;
  }
  return length === key.length;
}
