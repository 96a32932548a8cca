/** The order of an object's keys in RFC 8785 (section 3.2.3): by the UTF-16 code units of the decoded key. */
import { detailAt, endAt, startAt, type Tape } from "./tape.ts";
import { decodedText } from "./text.ts";

/** Negative when the key at entry `a` comes first. The keys of one object are never equal. Keys without escapes are compared as bytes. */
export function compareKeys(bytes: Buffer, tape: Tape, a: number, b: number): number {
  if (detailAt(tape, a) === 1 || detailAt(tape, b) === 1)
    return decodedText(bytes, tape, a) < decodedText(bytes, tape, b) ? -1 : 1;
  const startA = startAt(tape, a) + 1;
  const startB = startAt(tape, b) + 1;
  const lengthA = endAt(tape, a) - 1 - startA;
  const lengthB = endAt(tape, b) - 1 - startB;
  const shared = Math.min(lengthA, lengthB);
  for (let i = 0; i < shared; i++) {
    const left = bytes[startA + i] as number; // inside both keys
    const right = bytes[startB + i] as number;
    if (left !== right) return unitOrder(left) - unitOrder(right);
  }
  return lengthA - lengthB;
}

/**
 * UTF-8 bytes sort like code points, and UTF-16 units do too with one exception: characters beyond U+FFFF (lead bytes F0-F4) are written with
 * surrogates (D800-DFFF) and so come before U+E000-U+FFFF (lead bytes EE and EF).
 */
const unitOrder = (byte: number): number => (byte >= 0xf0 ? 0xed + (byte - 0xef) / 8 : byte);
