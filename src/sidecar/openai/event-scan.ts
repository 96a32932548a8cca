/** One pass over the JSON of a stream event that finds what a meter needs without building a single object. */

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const letterU = 0x75;
const openBrace = 0x7b;
const openBracket = 0x5b;
const closeBrace = 0x7d;
const closeBracket = 0x5d;
/** After so many bytes of one string, native search takes over from the byte loop. */
const searchAfterBytes = 256;

type Kind = 0 | 1 | 2;
const other = 0;
const output = 1;
const media = 2;

/**
 * Knows depth and keys, so no text inside a string can fool it: a quoted quote is escaped there, and a key counts only at
 * the depth where the format has it. Broken JSON gives some result and never throws. An instance is used again and again.
 *
 * Output is every string inside a `delta` (of the event, or of a choice), and a choice's `text`: content, refusal, tool names
 * and arguments, reasoning under whatever name a server gives it. Roles, ids and types are not.
 */
export class EventScan {
  /** Length of the output strings once decoded, in bytes of UTF-8; never less (a surrogate pair written as escapes counts 6 for 4). */
  outputBytes = 0;
  /** Length of base64 strings: audio, images. */
  mediaBytes = 0;
  /** The root has a `usage` object. */
  hasUsage = false;
  /** The root has an `error` that is not null. */
  hasError = false;
  /** A choice has a `finish_reason` that is a string. */
  hasFinish = false;
  /** The root's `type` is `bytes[typeStart, typeEnd)`; typeEnd 0: there is none. */
  typeStart = 0;
  typeEnd = 0;
  /** Escapes make this many bytes of the last string disappear. */
  #escapedBytes = 0;
  /** Depth inside the `delta` object; 0: not in one. */
  #deltaDepth = 0;

  /** Scans one JSON object in `bytes[start, end)`. */
  scan(bytes: Buffer, start: number, end: number): void {
    this.outputBytes = 0;
    this.mediaBytes = 0;
    this.hasUsage = false;
    this.hasError = false;
    this.hasFinish = false;
    this.typeEnd = 0;
    this.#deltaDepth = 0;
    let depth = 0;
    let kind: Kind = other;
    let pos = start;
    while (pos < end) {
      const byte = bytes[pos];
      if (byte === quote) {
        const open = pos + 1;
        const close = this.#stringEnd(bytes, open, end);
        const after = skipSpace(bytes, close + 1, end);
        if (bytes[after] === colon && after < end) {
          pos = skipSpace(bytes, after + 1, end);
          kind = this.#kindOf(bytes, open, close, depth, pos);
          continue;
        }
        if (kind === output) this.outputBytes += Math.max(0, close - open - this.#escapedBytes);
        else if (kind === media) this.mediaBytes += close - open;
        pos = after;
        continue;
      }
      if (byte === openBrace || byte === openBracket) depth += 1;
      else if (byte === closeBrace || byte === closeBracket) {
        depth -= 1;
        if (depth < this.#deltaDepth) {
          this.#deltaDepth = 0;
          kind = other;
        }
      }
      pos += 1;
    }
  }

  /** What the strings below a key are, and what the key alone tells. `value` is where its value starts. */
  #kindOf(bytes: Buffer, open: number, close: number, depth: number, value: number): Kind {
    const length = close - open;
    if (this.#deltaDepth > 0) {
      if (length === 4)
        return is(bytes, open, "role") || is(bytes, open, "type") ? other : is(bytes, open, "data") ? media : output;
      return length === 2 && is(bytes, open, "id") ? other : output;
    }
    if (depth !== 1 && depth !== 3) return other;
    const first = bytes[value];
    if (length === 5 && is(bytes, open, "delta")) {
      if (first === openBrace) this.#deltaDepth = depth + 1;
      return output;
    }
    if (depth === 3) {
      if (length === 13 && first === quote && is(bytes, open, "finish_reason")) this.hasFinish = true;
      return length === 4 && is(bytes, open, "text") ? output : other;
    }
    return this.#rootKey(bytes, open, length, value);
  }

  #rootKey(bytes: Buffer, open: number, length: number, value: number): Kind {
    const first = bytes[value];
    if (length === 5) {
      if (first === openBrace && is(bytes, open, "usage")) this.hasUsage = true;
      else if ((first === openBrace || first === quote) && is(bytes, open, "error")) this.hasError = true;
      else if (is(bytes, open, "audio")) return media;
    } else if (length === 4) {
      if (first === quote && is(bytes, open, "type")) {
        this.typeStart = value + 1;
        this.typeEnd = Math.max(bytes.indexOf(quote, value + 1), 0);
      }
    } else if (
      (length === 8 && is(bytes, open, "b64_json")) ||
      (length === 17 && is(bytes, open, "partial_image_b64"))
    ) {
      return media;
    }
    return other;
  }

  /** Offset of the quote that closes the string which starts at `open`; `end` where none does. Linear, however escaped. */
  #stringEnd(bytes: Buffer, open: number, end: number): number {
    let escaped = 0;
    let pos = open;
    let searchAt = open + searchAfterBytes;
    let nextQuote = -1;
    while (pos < end) {
      if (pos >= searchAt) {
        // the quote ahead is looked up once, and no search for a backslash goes beyond it
        if (nextQuote < pos) nextQuote = found(bytes, quote, { from: pos, to: end });
        pos = found(bytes, backslash, { from: pos, to: nextQuote });
        searchAt = pos + searchAfterBytes;
        if (pos === end) break;
      }
      const byte = bytes[pos];
      if (byte === quote) break;
      if (byte === backslash) {
        const isUnicode = bytes[pos + 1] === letterU;
        escaped += isUnicode ? 3 : 1;
        pos += isUnicode ? 6 : 2;
      } else {
        pos += 1;
      }
    }
    this.#escapedBytes = escaped;
    return Math.min(pos, end);
  }
}

/** Offset of the next such byte in [from, to); `to` where there is none. */
function found(bytes: Buffer, byte: number, range: { from: number; to: number }): number {
  const at = bytes.subarray(range.from, range.to).indexOf(byte);
  return at === -1 ? range.to : range.from + at;
}

function skipSpace(bytes: Buffer, from: number, end: number): number {
  let pos = from;
  while (pos < end) {
    const byte = bytes[pos];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
    pos += 1;
  }
  return pos;
}

/** Does `word` stand at `at`? The caller has compared the lengths. */
function is(bytes: Buffer, at: number, word: string): boolean {
  for (let i = 0; i < word.length; i += 1) if (bytes[at + i] !== word.charCodeAt(i)) return false;
  return true;
}
