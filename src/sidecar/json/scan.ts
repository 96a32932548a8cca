/** One pass over a JSON text: the grammar checked, the limits kept, each token's place written to a tape. Nothing is decoded. */
import { isUtf8 } from "node:buffer";
import { assert } from "../../base/assert.ts";
import { duplicateKey } from "./duplicates.ts";
import { JsonFault, type JsonFaultCode } from "./fault.ts";
import { pathAt } from "./path.ts";
import * as tapes from "./tape.ts";
import { escapedEnd, numberEnd, plainEnd, spaceEnd, wordEnd } from "./token.ts";
import { JsonDocument } from "./view.ts";

export { JsonFault, type JsonFaultCode } from "./fault.ts";

/** What a text may hold at most. Together with the body's size they bound the tape: 16 bytes for each key and each value. */
export interface JsonLimits {
  /** Objects and lists inside one another, 1-1000 (what reads a document may recurse). */
  readonly depthMax: number;
  /** Keys in the whole text. */
  readonly keysMax: number;
  /** Values in the whole text, containers included. */
  readonly valuesMax: number;
  /** Bytes of one key as it is written, without its quotes. */
  readonly keyBytesMax: number;
  /** Bytes of one number as it is written. */
  readonly numberBytesMax: number;
}

/** Room for the largest inference requests: an embeddings request may carry 300,000 token numbers. */
export const jsonLimitsDefault: JsonLimits = {
  depthMax: 64,
  keysMax: 100_000,
  valuesMax: 400_000,
  keyBytesMax: 1024,
  numberBytesMax: 1024,
};

/** The most that `JsonLimits.depthMax` may be. */
const depthMaxMax = 1000;
/** A text's offsets must fit the tape's 32-bit words; far above any body limit. */
const textBytesMax = 2 ** 30;
/** Words of a slab: 16 KiB, the tapes of some 25 small texts. */
const slabWords = 4096;
/** A scan opens a new slab when less is left in the old one. */
const slabRestWords = 512;

/**
 * Small tapes are cut from a shared slab, as Node does for small Buffers: a typed array of its own costs a third of a small scan. A slab lives
 * as long as any document on it. A scan never yields, so only one at a time writes behind `used`.
 */
const slab = { words: new Int32Array(slabWords), used: 0 };

/**
 * Scans a JSON text (RFC 8259, UTF-8 without byte order mark, one value with white space around it). `bytes` must not change while
 * the document lives. Throws JsonFault; a key that stands twice in one object is refused (`"a"` and `"\u0061"` are the same key).
 */
export function scanJson(bytes: Buffer, limits: JsonLimits = jsonLimitsDefault): JsonDocument {
  assert(bytes.length <= textBytesMax, "a JSON text is far below 1 GiB");
  assert(limits.depthMax >= 1 && limits.depthMax <= depthMaxMax, "depthMax is 1-1000");
  checkEncoding(bytes);
  const scan = new Scan(bytes, limits);
  scan.run();
  return new JsonDocument(bytes, scan.finish());
}

function checkEncoding(bytes: Buffer): void {
  const top = { offset: 0, path: "" };
  if (bytes.length === 0) throw new JsonFault("invalid_json", "the text is empty", top);
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    throw new JsonFault("byte_order_mark", "the text starts with a byte order mark", top);
  }
  if (!isUtf8(bytes))
    throw new JsonFault("invalid_utf8", "the text is not valid UTF-8", { offset: brokenUtf8(bytes), path: "" });
}

/** Offset of a character at or just before the first byte that is not UTF-8, by halving: linear in all. */
function brokenUtf8(bytes: Buffer): number {
  let low = 0;
  let high = bytes.length;
  while (high - low > 4) {
    let middle = (low + high) >>> 1;
    // not in the middle of a character, which has at most three bytes 10xxxxxx
    for (let back = 0; back < 3 && ((bytes[middle] ?? 0) & 0xc0) === 0x80; back++) middle--;
    if (middle <= low) break;
    if (isUtf8(bytes.subarray(low, middle))) low = middle;
    else high = middle;
  }
  return low;
}

class Scan {
  readonly #bytes: Buffer;
  readonly #limits: JsonLimits;
  #tape: tapes.Tape;
  #isOnSlab = true;
  /** Index behind the last entry. */
  #top = 0;
  /** Index of the innermost open container, -1 outside of the top value. */
  #open = -1;
  #depth = 0;
  #keys = 0;
  #values = 0;

  constructor(bytes: Buffer, limits: JsonLimits) {
    this.#bytes = bytes;
    this.#limits = limits;
    if (slabWords - slab.used < slabRestWords) {
      slab.words = new Int32Array(slabWords);
      slab.used = 0;
    }
    this.#tape = slab.words.subarray(slab.used);
  }

  run(): void {
    const bytes = this.#bytes;
    let at = spaceEnd(bytes, 0);
    while (at >= 0) {
      const byte = bytes[at];
      if (byte === 0x22) at = this.#next(this.#string(at, tapes.kindString));
      else if (byte === 0x7b) at = this.#enterObject(at);
      else if (byte === 0x5b) at = this.#enterArray(at);
      else at = this.#next(this.#scalar(at, byte));
    }
  }

  /** The tape, kept from the next scan. */
  finish(): tapes.Tape {
    if (this.#isOnSlab) slab.used += this.#top;
    return this.#tape;
  }

  /** Steps behind a value: closes what ends there. Answers with the next value's offset, -1 when the text is over. */
  #next(behind: number): number {
    const bytes = this.#bytes;
    let at = behind;
    for (;;) {
      at = spaceEnd(bytes, at);
      if (this.#open < 0) {
        if (at !== bytes.length) throw this.#fault("invalid_json", "something follows the value", at);
        return -1;
      }
      const isObject = tapes.kindAt(this.#tape, this.#open) === tapes.kindObject;
      if (bytes[at] === 0x2c) {
        at = spaceEnd(bytes, at + 1);
        return isObject ? this.#key(at) : at;
      }
      if (bytes[at] !== (isObject ? 0x7d : 0x5d))
        throw this.#broken(at, isObject ? "a comma or } is missing" : "a comma or ] is missing");
      at = this.#leave(at + 1);
    }
  }

  #enterObject(at: number): number {
    this.#enter(tapes.kindObject, at);
    const inside = spaceEnd(this.#bytes, at + 1);
    return this.#bytes[inside] === 0x7d ? this.#next(this.#leave(inside + 1)) : this.#key(inside);
  }

  #enterArray(at: number): number {
    this.#enter(tapes.kindArray, at);
    const inside = spaceEnd(this.#bytes, at + 1);
    return this.#bytes[inside] === 0x5d ? this.#next(this.#leave(inside + 1)) : inside;
  }

  #enter(kind: number, at: number): void {
    if (++this.#depth > this.#limits.depthMax)
      throw this.#fault("too_deep", `it is nested deeper than ${this.#limits.depthMax}`, at);
    const parent = this.#open;
    this.#open = this.#push(kind, at, 0);
    this.#tape[this.#open + 3] = parent;
  }

  /** Closes the innermost container, which ends before `end`. */
  #leave(end: number): number {
    const tape = this.#tape;
    const open = this.#open;
    if (tapes.kindAt(tape, open) === tapes.kindObject) {
      const twice = duplicateKey(this.#bytes, tape, { object: open, top: this.#top });
      if (twice >= 0) throw this.#duplicate(twice);
    }
    this.#open = tapes.nextAt(tape, open);
    this.#depth--;
    tape[open + 2] = end;
    tape[open + 3] = this.#top;
    return end;
  }

  /** Reads a key and its colon; answers with the value's offset. */
  #key(at: number): number {
    if (this.#bytes[at] !== 0x22) throw this.#broken(at, "a key is missing");
    if (++this.#keys > this.#limits.keysMax)
      throw this.#fault("too_many_keys", `it has more than ${this.#limits.keysMax} keys`, at);
    const end = this.#string(at, tapes.kindKey);
    if (end - at - 2 > this.#limits.keyBytesMax) {
      throw this.#fault("key_too_long", `a key is longer than ${this.#limits.keyBytesMax} bytes`, at);
    }
    const colon = spaceEnd(this.#bytes, end);
    if (this.#bytes[colon] !== 0x3a) throw this.#broken(colon, "a colon is missing");
    return spaceEnd(this.#bytes, colon + 1);
  }

  #string(at: number, kind: number): number {
    const stop = plainEnd(this.#bytes, at + 1);
    if (this.#bytes[stop] === 0x22) {
      this.#push(kind, at, stop + 1);
      return stop + 1;
    }
    const end = escapedEnd(this.#bytes, stop);
    if (end < 0) throw this.#broken(~end, "a string is not well formed");
    this.#push(kind | (1 << tapes.detailShift), at, end);
    return end;
  }

  #scalar(at: number, byte: number | undefined): number {
    if (byte === 0x74) return this.#word(at, "true", tapes.kindTrue);
    if (byte === 0x66) return this.#word(at, "false", tapes.kindFalse);
    if (byte === 0x6e) return this.#word(at, "null", tapes.kindNull);
    const end = numberEnd(this.#bytes, at);
    if (end < 0) throw this.#broken(~end, "a value is missing or not well formed");
    if (end - at > this.#limits.numberBytesMax) {
      throw this.#fault("number_too_long", `a number is longer than ${this.#limits.numberBytesMax} bytes`, at);
    }
    this.#push(tapes.kindNumber, at, end);
    return end;
  }

  #word(at: number, word: string, kind: number): number {
    const end = wordEnd(this.#bytes, at, word);
    if (end < 0) throw this.#broken(~end, "a value is missing or not well formed");
    this.#push(kind, at, end);
    return end;
  }

  #push(kind: number, start: number, end: number): number {
    const at = this.#top;
    if (at + tapes.entryWords > this.#tape.length) this.#grow();
    const tape = this.#tape;
    if ((kind & 15) !== tapes.kindKey) {
      if (++this.#values > this.#limits.valuesMax) {
        throw this.#fault("too_many_values", `it has more than ${this.#limits.valuesMax} values`, start);
      }
      if (this.#open >= 0) tape[this.#open] = (tape[this.#open] as number) + (1 << tapes.detailShift); // an open container is on the tape
    }
    tape[at] = kind;
    tape[at + 1] = start;
    tape[at + 2] = end;
    tape[at + 3] = at + tapes.entryWords;
    this.#top = at + tapes.entryWords;
    return at;
  }

  #grow(): void {
    const larger = new Int32Array(Math.max(this.#tape.length * 2, slabWords));
    larger.set(this.#tape);
    this.#tape = larger;
    this.#isOnSlab = false;
  }

  /** Bad grammar at `at`: another sentence where the text simply stops. */
  #broken(at: number, message: string): JsonFault {
    return this.#fault(
      "invalid_json",
      at >= this.#bytes.length ? "the text ends too early" : message,
      Math.min(at, this.#bytes.length),
    );
  }

  #fault(code: JsonFaultCode, message: string, offset: number): JsonFault {
    return new JsonFault(code, message, {
      offset,
      path: pathAt(this.#bytes, this.#tape, { open: this.#open, top: this.#top }),
    });
  }

  #duplicate(key: number): JsonFault {
    const offset = tapes.startAt(this.#tape, key);
    // the path ends in the key: as if the scan stood right behind it
    const path = pathAt(this.#bytes, this.#tape, { open: this.#open, top: key + tapes.entryWords });
    return new JsonFault("duplicate_key", "a key stands twice in one object", { offset, path });
  }
}
