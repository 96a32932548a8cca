/** Finds a key that stands twice in one object, in linear time whatever the keys are. */
import { randomBytes } from "node:crypto";
import { unescapeInto } from "./escape.ts";
import { halfSip } from "./halfsip.ts";
import { detailAt, endAt, entryWords, nextAt, startAt, type Tape } from "./tape.ts";

/** Up to so many keys all pairs are compared: cheaper than a table, and most objects have less. */
const pairwiseKeysMax = 16;

/** Drawn with the first large object; unknown to senders, so that they cannot make keys collide. */
let seed: readonly [number, number] | undefined;

/**
 * Index of the entry of the first key that equals an earlier one of the same object, -1 when all differ. Decoded keys are compared.
 * `top` is the index behind the object's last entry.
 */
export function duplicateKey(bytes: Buffer, tape: Tape, place: { object: number; top: number }): number {
  const keys = detailAt(tape, place.object);
  if (keys < 2) return -1;
  return keys <= pairwiseKeysMax ? pairwise(bytes, tape, place) : hashed(bytes, tape, { ...place, keys });
}

function pairwise(bytes: Buffer, tape: Tape, { object, top }: { object: number; top: number }): number {
  const first = object + entryWords;
  let escaped = detailAt(tape, first);
  for (let key = nextAt(tape, first + entryWords); key < top; key = nextAt(tape, key + entryWords)) {
    escaped |= detailAt(tape, key);
    if (escaped === 1) return hashed(bytes, tape, { object, top, keys: detailAt(tape, object) });
    for (let other = first; other < key; other = nextAt(tape, other + entryWords)) {
      if (isSameText(bytes, tape, key, other)) return key;
    }
  }
  return -1;
}

/** Compares two keys without escapes. */
function isSameText(bytes: Buffer, tape: Tape, key: number, other: number): boolean {
  const start = startAt(tape, key);
  const shift = startAt(tape, other) - start;
  if (endAt(tape, other) - endAt(tape, key) !== shift) return false;
  // from the end: keys of one object more often begin alike
  for (let i = endAt(tape, key) - 2; i > start; i--) if (bytes[i] !== bytes[i + shift]) return false;
  return true;
}

function hashed(
  bytes: Buffer,
  tape: Tape,
  { object, top, keys }: { object: number; top: number; keys: number },
): number {
  seed ??= drawSeed();
  const mask = 2 ** Math.ceil(Math.log2(keys * 2)) - 1;
  const slots = new Int32Array(mask + 1);
  const hashes = new Int32Array(mask + 1);
  for (let key = object + entryWords; key < top; key = nextAt(tape, key + entryWords)) {
    const text = keyText(bytes, tape, key);
    const hash = halfSip(text.bytes, text, seed);
    let slot = hash & mask;
    // 0 is free: no key is the first entry of a tape
    for (let other = slots[slot] as number; other !== 0; other = slots[slot] as number) {
      if (hashes[slot] === hash && isSame(text, keyText(bytes, tape, other))) return key;
      slot = (slot + 1) & mask;
    }
    slots[slot] = key;
    hashes[slot] = hash;
  }
  return -1;
}

interface KeyText {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** A key's decoded bytes: in place where it has no escapes. */
function keyText(bytes: Buffer, tape: Tape, key: number): KeyText {
  const range = { start: startAt(tape, key) + 1, end: endAt(tape, key) - 1 };
  if (detailAt(tape, key) === 0) return { bytes, ...range };
  const decoded = Buffer.allocUnsafe(range.end - range.start);
  return { bytes: decoded, start: 0, end: unescapeInto(bytes, range, decoded).byteLength };
}

const isSame = (a: KeyText, b: KeyText): boolean => a.bytes.compare(b.bytes, b.start, b.end, a.start, a.end) === 0;

function drawSeed(): readonly [number, number] {
  const random = randomBytes(8);
  return [random.readInt32LE(0), random.readInt32LE(4)];
}
