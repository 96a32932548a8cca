/** A scanned text as values. Reading one member decodes no other; nothing is kept beside the bytes and the tape. */
import * as tapes from "./tape.ts";
import { decodedText, isKey } from "./text.ts";

/** What a value is; the two booleans are kinds of their own. */
export type JsonKind = "object" | "array" | "string" | "number" | "true" | "false" | "null";

/** By the tape's kind numbers. */
const kindNames: readonly JsonKind[] = ["object", "array", "string", "number", "true", "false", "null"];

/** A checked JSON text. Made by `scanJson` alone; `bytes` is the text that came and must not be written to. */
export class JsonDocument {
  readonly bytes: Buffer;
  readonly tape: tapes.Tape;
  /** The text's one value. */
  readonly root: JsonValue;

  constructor(bytes: Buffer, tape: tapes.Tape) {
    this.bytes = bytes;
    this.tape = tape;
    this.root = new JsonValue(this, 0);
  }
}

/** One value of a document. A view: cheap to make, two views of one value are not the same object. */
export class JsonValue {
  readonly document: JsonDocument;
  /** Index of the value's entry on the tape. */
  readonly entry: number;

  constructor(document: JsonDocument, entry: number) {
    this.document = document;
    this.entry = entry;
  }

  get kind(): JsonKind {
    // a value's entry is never a key's, so the name is always there
    return kindNames[tapes.kindAt(this.document.tape, this.entry)] as JsonKind;
  }

  /** Byte offset of the value's first byte (a string's opening quote). */
  get start(): number {
    return tapes.startAt(this.document.tape, this.entry);
  }

  /** Byte offset behind the value. */
  get end(): number {
    return tapes.endAt(this.document.tape, this.entry);
  }

  /** Bytes of the value as it is written, quotes and brackets included. */
  get byteLength(): number {
    return this.end - this.start;
  }

  /** Members of an object, items of a list; 0 for all other values. */
  get length(): number {
    return this.#isContainer() ? tapes.detailAt(this.document.tape, this.entry) : 0;
  }

  /** A member of an object; undefined when it is absent or this is no object. */
  get(key: string): JsonValue | undefined {
    const { bytes, tape } = this.document;
    if (tapes.kindAt(tape, this.entry) !== tapes.kindObject) return undefined;
    const behind = tapes.nextAt(tape, this.entry);
    for (let at = this.entry + tapes.entryWords; at < behind; at = tapes.nextAt(tape, at + tapes.entryWords)) {
      if (isKey(bytes, tape, at, key)) return new JsonValue(this.document, at + tapes.entryWords);
    }
    return undefined;
  }

  /** An item of a list by its index from 0; undefined when there is none or this is no list. Steps over the items before it. */
  item(index: number): JsonValue | undefined {
    const { tape } = this.document;
    if (tapes.kindAt(tape, this.entry) !== tapes.kindArray || index < 0 || index >= this.length) return undefined;
    let at = this.entry + tapes.entryWords;
    for (let step = 0; step < index; step++) at = tapes.nextAt(tape, at);
    return new JsonValue(this.document, at);
  }

  /** The members of an object in their order, keys decoded; none for other values. */
  *entries(): Generator<[key: string, value: JsonValue], undefined> {
    const { bytes, tape } = this.document;
    if (tapes.kindAt(tape, this.entry) !== tapes.kindObject) return;
    const behind = tapes.nextAt(tape, this.entry);
    for (let at = this.entry + tapes.entryWords; at < behind; at = tapes.nextAt(tape, at + tapes.entryWords)) {
      yield [decodedText(bytes, tape, at), new JsonValue(this.document, at + tapes.entryWords)];
    }
  }

  /** The members of an object by the byte offset of their key (its opening quote), keys not decoded; none for other values. */
  *members(): Generator<{ keyStart: number; value: JsonValue }, undefined> {
    const { tape } = this.document;
    if (tapes.kindAt(tape, this.entry) !== tapes.kindObject) return;
    const behind = tapes.nextAt(tape, this.entry);
    for (let at = this.entry + tapes.entryWords; at < behind; at = tapes.nextAt(tape, at + tapes.entryWords)) {
      yield { keyStart: tapes.startAt(tape, at), value: new JsonValue(this.document, at + tapes.entryWords) };
    }
  }

  /** Visits the items of a list or the values of an object, without their keys, in their order; nothing for other values. */
  eachChild<Context>(visit: (child: JsonValue, context: Context) => void, context: Context): void {
    const { tape } = this.document;
    const kind = tapes.kindAt(tape, this.entry);
    if (kind > tapes.kindArray) return;
    const keyWords = kind === tapes.kindObject ? tapes.entryWords : 0;
    const behind = tapes.nextAt(tape, this.entry);
    for (let at = this.entry + tapes.entryWords + keyWords; at < behind; at = tapes.nextAt(tape, at) + keyWords) {
      visit(new JsonValue(this.document, at), context);
    }
  }

  /** The items of a list in their order; none for other values. */
  *items(): Generator<JsonValue, undefined> {
    const { tape } = this.document;
    if (tapes.kindAt(tape, this.entry) !== tapes.kindArray) return;
    const behind = tapes.nextAt(tape, this.entry);
    for (let at = this.entry + tapes.entryWords; at < behind; at = tapes.nextAt(tape, at))
      yield new JsonValue(this.document, at);
  }

  /** A string's text, decoded anew at each call; undefined for other values. The text may take two bytes of heap for each byte here. */
  string(): string | undefined {
    const { bytes, tape } = this.document;
    return tapes.kindAt(tape, this.entry) === tapes.kindString ? decodedText(bytes, tape, this.entry) : undefined;
  }

  /** A number as the nearest double (`1E400` is Infinity); undefined for other values. `raw()` has all its digits. */
  number(): number | undefined {
    const { bytes, tape } = this.document;
    return tapes.kindAt(tape, this.entry) === tapes.kindNumber
      ? Number(bytes.toString("latin1", this.start, this.end))
      : undefined;
  }

  /** True or false; undefined for other values. */
  boolean(): boolean | undefined {
    const kind = tapes.kindAt(this.document.tape, this.entry);
    if (kind === tapes.kindTrue) return true;
    return kind === tapes.kindFalse ? false : undefined;
  }

  /** The value's bytes as they came: a view of the document's, not a copy. */
  raw(): Buffer {
    return this.document.bytes.subarray(this.start, this.end);
  }

  #isContainer(): boolean {
    return tapes.kindAt(this.document.tape, this.entry) <= tapes.kindArray;
  }
}
