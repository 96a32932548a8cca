/** Ids of calls by their digests: sixteen to thirty-two bytes for each, so that a month of calls fits in memory. */
import { createHash, randomBytes } from "node:crypto";

const sizeMin = 1 << 16;

/** A set of texts that may take two for one once in some million million pairs: then a call is left out, and none is counted twice. */
export class IdSet {
  /** Another one in each set: nobody can choose ids that fall together. */
  readonly #salt = randomBytes(16);
  #places = new BigUint64Array(sizeMin);
  #count = 0;

  get size(): number {
    return this.#count;
  }

  has(id: string): boolean {
    const digest = this.#digestOf(id);
    return this.#places[placeOf(this.#places, digest)] === digest;
  }

  /** false: it was there already. */
  add(id: string): boolean {
    if (this.#count * 2 >= this.#places.length) this.#grow();
    const digest = this.#digestOf(id);
    const place = placeOf(this.#places, digest);
    if (this.#places[place] === digest) return false;
    this.#places[place] = digest;
    this.#count += 1;
    return true;
  }

  /** Never 0, which stands for nothing. */
  #digestOf(id: string): bigint {
    return createHash("sha1").update(this.#salt).update(id).digest().readBigUInt64LE() | 1n;
  }

  #grow(): void {
    const places = new BigUint64Array(this.#places.length * 2);
    for (const digest of this.#places) if (digest !== 0n) places[placeOf(places, digest)] = digest;
    this.#places = places;
  }
}

/** Where it is, or where it would be put. */
const placeOf = (places: BigUint64Array, digest: bigint): number => {
  const mask = places.length - 1;
  let place = Number((digest >> 16n) & 0xffff_ffffn) & mask;
  while (places[place] !== 0n && places[place] !== digest) place = (place + 1) & mask;
  return place;
};
