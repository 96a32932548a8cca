/**
 * HalfSipHash-1-3 (Aumasson and Bernstein's SipHash with 32-bit words, github.com/veorq/SipHash): a keyed hash of 32 bits. Keys of large
 * objects go through it, because with an unkeyed hash a sender could choose 100,000 keys that all collide.
 */

/** Hashes `bytes[start..end)`; `seed` is two random 32-bit words. */
export function halfSip(
  bytes: Uint8Array,
  range: { start: number; end: number },
  seed: readonly [number, number],
): number {
  const { start, end } = range;
  let v0 = seed[0] | 0;
  let v1 = seed[1] | 0;
  let v2 = 0x6c796765 ^ v0;
  let v3 = 0x74656462 ^ v1;
  const words = (end - start) >> 2;
  let tail = (end - start) << 24;
  // the last 0-3 bytes; the offsets are below `end`
  for (let i = start + words * 4, shift = 0; i < end; i++, shift += 8) tail |= (bytes[i] as number) << shift;
  // one round for each word and for the tail, then three that finish
  for (let step = 0, at = start; step <= words + 3; step++, at += 4) {
    const word = step < words ? wordAt(bytes, at) : step === words ? tail : 0;
    if (step === words + 1) v2 ^= 0xff;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return v1 ^ v3;
}

/** A little-endian word; its four bytes are inside the range. */
const wordAt = (bytes: Uint8Array, at: number): number =>
  (bytes[at] as number) |
  ((bytes[at + 1] as number) << 8) |
  ((bytes[at + 2] as number) << 16) |
  ((bytes[at + 3] as number) << 24);
