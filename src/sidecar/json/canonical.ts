/** One form for all texts that say the same, written straight from the bytes that came into a hash. */
import { canonicalNumber } from "./decimal.ts";
import { type Escape, isSurrogate, readEscape, writeUtf8 } from "./escape.ts";
import { compareKeys } from "./key-order.ts";
import * as tapes from "./tape.ts";
import { decodedText, isKey } from "./text.ts";
import { plainEnd } from "./token.ts";
import type { JsonDocument } from "./view.ts";

/** What is left out, and where the bytes go. */
export interface CanonicalOptions {
  /** Members of the top object that are left out. */
  readonly omit?: ReadonlySet<string>;
  /** Takes the canonical bytes piece by piece. A piece is only valid during the call: its memory is used again. May not write another document. */
  readonly update: (chunk: Buffer) => void;
}

/** Bytes gathered before they are handed on; a call into a hash costs as much as hashing some hundred bytes. */
const chunkBytes = 4096;
/** One for all: a document is written in one go, and nobody else runs meanwhile. */
const chunkPlace = Buffer.allocUnsafeSlow(chunkBytes);
/** Longer runs are handed on from the document itself. */
const copiedBytesMax = 1024;
/** Shorter runs are copied in a loop: a call would cost more. */
const loopBytesMax = 48;
const backslash = 0x5c;
const slash = 0x2f;
const letterU = 0x75;

/**
 * Feeds a document's canonical form (RFC 8785: members sorted by the UTF-16 units of their keys, no white space, shortest escapes and
 * numbers) to `update`. No value is built or held.
 *
 * It leaves RFC 8785 in two places, where that form would give two different requests one key. Numbers that a double cannot
 * carry (integers beyond 2^53, more digits than a double keeps, 1E400) stay as they are written, where the RFC rounds or refuses them. Lone
 * surrogates stay as lower-case escapes, where the RFC refuses them. Both can make two keys of one value, never one key of two.
 */
export function canonicalDigest(document: JsonDocument, options: CanonicalOptions): void {
  const writer = new CanonicalWriter(document, options.update);
  writer.value(0, options.omit);
  writer.flush();
}

class CanonicalWriter {
  readonly #bytes: Buffer;
  readonly #tape: tapes.Tape;
  readonly #update: (chunk: Buffer) => void;
  readonly #chunk = chunkPlace;
  readonly #escape: Escape = { codePoint: 0, byteLength: 0 };
  #used = 0;

  constructor({ bytes, tape }: JsonDocument, update: (chunk: Buffer) => void) {
    this.#bytes = bytes;
    this.#tape = tape;
    this.#update = update;
  }

  /** Recursion is bounded by the scan's depth limit. */
  value(at: number, omit?: ReadonlySet<string>): void {
    const kind = tapes.kindAt(this.#tape, at);
    if (kind === tapes.kindObject) this.#object(at, omit);
    else if (kind === tapes.kindArray) this.#array(at);
    else if (kind === tapes.kindString) this.#string(at);
    else if (kind === tapes.kindNumber) this.#number(at);
    else this.#raw(tapes.startAt(this.#tape, at), tapes.endAt(this.#tape, at));
  }

  flush(): void {
    if (this.#used > 0) this.#update(this.#chunk.subarray(0, this.#used));
    this.#used = 0;
  }

  #object(at: number, omit: ReadonlySet<string> | undefined): void {
    const tape = this.#tape;
    const keys: number[] = [];
    const behind = tapes.nextAt(tape, at);
    for (let key = at + tapes.entryWords; key < behind; key = tapes.nextAt(tape, key + tapes.entryWords)) {
      if (omit === undefined || !isOneOf(this.#bytes, tape, key, omit)) keys.push(key);
    }
    this.#byte(0x7b);
    let isFirst = true;
    for (const key of sortedKeys(this.#bytes, tape, keys)) {
      if (!isFirst) this.#byte(0x2c);
      isFirst = false;
      this.#string(key);
      this.#byte(0x3a);
      this.value(key + tapes.entryWords);
    }
    this.#byte(0x7d);
  }

  #array(at: number): void {
    const behind = tapes.nextAt(this.#tape, at);
    const first = at + tapes.entryWords;
    this.#byte(0x5b);
    for (let item = first; item < behind; item = tapes.nextAt(this.#tape, item)) {
      if (item !== first) this.#byte(0x2c);
      this.value(item);
    }
    this.#byte(0x5d);
  }

  #number(at: number): void {
    const token = this.#bytes.toString("latin1", tapes.startAt(this.#tape, at), tapes.endAt(this.#tape, at));
    this.#ascii(canonicalNumber(token));
  }

  /** A string or key: as it stands where it has no escapes, which is then the shortest form. */
  #string(at: number): void {
    const end = tapes.endAt(this.#tape, at);
    let from = tapes.startAt(this.#tape, at);
    if (tapes.detailAt(this.#tape, at) === 0) {
      this.#raw(from, end);
      return;
    }
    const bytes = this.#bytes;
    // a checked string stops being plain at a backslash or at its closing quote
    for (let i = plainEnd(bytes, from + 1); bytes[i] === backslash; i = plainEnd(bytes, i)) {
      if (bytes[i + 1] !== letterU && bytes[i + 1] !== slash) {
        i += 2; // the shortest form already
        continue;
      }
      this.#raw(from, i);
      readEscape(bytes, i, this.#escape);
      this.#character(this.#escape.codePoint);
      i += this.#escape.byteLength;
      from = i;
    }
    this.#raw(from, end);
  }

  /** A character that was escaped, as `JSON.stringify` writes it. */
  #character(codePoint: number): void {
    if (codePoint < 0x20 || codePoint === 0x22 || codePoint === 0x5c || isSurrogate(codePoint)) {
      this.#ascii(JSON.stringify(String.fromCharCode(codePoint)).slice(1, -1));
      return;
    }
    if (this.#used + 4 > chunkBytes) this.flush();
    this.#used = writeUtf8(codePoint, this.#chunk, this.#used);
  }

  /** Short ASCII: at most a number's token. */
  #ascii(text: string): void {
    if (text.length > chunkBytes) {
      this.flush();
      this.#update(Buffer.from(text, "latin1"));
      return;
    }
    if (this.#used + text.length > chunkBytes) this.flush();
    for (let i = 0; i < text.length; i++) this.#chunk[this.#used++] = text.charCodeAt(i);
  }

  #byte(byte: number): void {
    if (this.#used === chunkBytes) this.flush();
    this.#chunk[this.#used++] = byte;
  }

  #raw(start: number, end: number): void {
    const length = end - start;
    if (length > copiedBytesMax) {
      this.flush();
      this.#update(this.#bytes.subarray(start, end));
      return;
    }
    if (this.#used + length > chunkBytes) this.flush();
    if (length > loopBytesMax) this.#used += this.#bytes.copy(this.#chunk, this.#used, start, end);
    else for (let i = start; i < end; i++) this.#chunk[this.#used++] = this.#bytes[i] as number; // inside a token
  }
}

function isOneOf(bytes: Buffer, tape: tapes.Tape, key: number, names: ReadonlySet<string>): boolean {
  for (const name of names) if (isKey(bytes, tape, key, name)) return true;
  return false;
}

/** Keys of larger objects are decoded once for sorting, smaller ones compared where they stand. */
const comparedKeysMax = 16;

function sortedKeys(bytes: Buffer, tape: tapes.Tape, keys: number[]): number[] {
  if (keys.length <= comparedKeysMax) return insertionSorted(bytes, tape, keys);
  const decoded = keys.map((key) => ({ key, text: decodedText(bytes, tape, key) }));
  return decoded.sort((a, b) => (a.text < b.text ? -1 : 1)).map(({ key }) => key);
}

/** In place: V8's own sort takes memory for each call, which costs more than so few comparisons. */
function insertionSorted(bytes: Buffer, tape: tapes.Tape, keys: number[]): number[] {
  for (let at = 1; at < keys.length; at++) {
    const key = keys[at] as number; // within its length
    let to = at;
    for (; to > 0 && compareKeys(bytes, tape, keys[to - 1] as number, key) > 0; to--) keys[to] = keys[to - 1] as number;
    keys[to] = key;
  }
  return keys;
}
