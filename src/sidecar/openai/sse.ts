/**
 * Server-sent events on the byte level: cuts a stream into whole events, and reads the fields of one.
 * Rules: WHATWG HTML, "Interpreting an event stream". Nothing is decoded, nothing is rewritten.
 */

/** Says what happens to one whole event. Must not throw and must not keep `bytes`. */
export interface EventObserver {
  /**
   * `bytes[start, end)` is one event with its closing blank line (absent only for what `flush` finds). Where a chunk ended
   * between the CR and the LF of that blank line, the LF is not in the range: it follows the event's own fate.
   * An event without any field (a lone blank line, a comment) comes here too. True passes it on, false drops it.
   */
  event(bytes: Buffer, start: number, end: number): boolean;
}

/** Longest event that is held while it is incomplete, in bytes, unless the caller says otherwise. */
export const sseEventBytesMax = 8 * 1024 * 1024;

/** An event is longer than the limit. The stream is not usable any more: end it with an error frame. */
export class EventTooLarge extends Error {
  override readonly name = "EventTooLarge";
  readonly eventBytesMax: number;
  /** The whole events before the large one, which are still to be forwarded; absent: none. */
  readonly forward: Buffer | undefined;
  constructor(eventBytesMax: number, forward: Buffer | undefined) {
    super(`A server-sent event is larger than ${eventBytesMax} bytes.`);
    this.eventBytesMax = eventBytesMax;
    this.forward = forward;
  }
}

const lf = 0x0a;
const cr = 0x0d;
const byteOrderMark = [0xef, 0xbb, 0xbf];
const empty = Buffer.alloc(0);
/** First capacity of the store for an incomplete event, in bytes: most events fit. */
const heldBytesMin = 512;

/**
 * Forwards whole events only, byte for byte: the incomplete tail is held back, so that an abnormal end can drop it and put a
 * clean error frame in its place. Line ends may be LF, CR and CRLF, mixed. A byte order mark at the start is stripped
 * (the Python SDK loses the first event after one).
 *
 * A CR at the end of a chunk ends its line at once, so a CR-only stream is never delayed; an LF that then opens the next
 * chunk is the second half of that line end and never a blank line of its own.
 *
 * Chunks are kept while an event is incomplete only as copies; the caller may reuse them once the returned buffer is written.
 */
export class SseSplitter {
  readonly #observer: EventObserver;
  readonly #eventBytesMax: number;
  /** The incomplete event: the first `#heldBytes` bytes of `#held`. */
  #held = empty;
  #heldBytes = 0;
  /** Bytes that may be the beginning of a byte order mark; undefined once the start of the stream is behind us. */
  #opening: Buffer | undefined = empty;
  #isAtLineStart = true;
  /** The last byte seen was a CR that ended a line: an LF now belongs to it. */
  #isAfterCr = false;
  #hasPassedLast = true;
  #isBroken = false;
  /** Next LF and CR at or after the place searched, in the buffer at hand; -1: not searched, its length: none. */
  #nextLf = -1;
  #nextCr = -1;

  constructor(observer: EventObserver, options: { eventBytesMax?: number } = {}) {
    this.#observer = observer;
    this.#eventBytesMax = options.eventBytesMax ?? sseEventBytesMax;
  }

  /** Bytes of the incomplete event, at most `eventBytesMax`. */
  get heldBytes(): number {
    return this.#heldBytes + (this.#opening?.length ?? 0);
  }

  /**
   * Takes the next chunk, gives what may be forwarded now: the chunk itself where it ends with an event, nothing was held
   * and nothing dropped, else a view or a copy; undefined: nothing. Throws EventTooLarge, then and on every later call.
   */
  push(chunk: Buffer): Buffer | undefined {
    if (this.#isBroken) throw new EventTooLarge(this.#eventBytesMax, undefined);
    const input = this.#opening === undefined ? chunk : this.#withoutMark(this.#opening, chunk);
    if (input === undefined || input.length === 0) return undefined;
    let start = 0;
    let from = 0;
    if (this.#isAfterCr) {
      this.#isAfterCr = false;
      if (input[0] === lf) {
        from = 1;
        if (this.#heldBytes === 0) start = 1;
      }
    }
    const first = start === 1 && !this.#hasPassedLast ? 1 : 0;
    this.#nextLf = -1;
    this.#nextCr = -1;
    const end = this.#eventEnd(input, from);
    if (this.#heldBytes === 0) return this.#cut(input, first, start, end);
    if (end === -1) {
      this.#hold(input, 0, undefined);
      return undefined;
    }
    const shift = this.#heldBytes;
    this.#append(input, 0);
    const joined = this.#held.subarray(0, this.#heldBytes);
    this.#held = empty;
    this.#heldBytes = 0;
    this.#nextLf = -1;
    this.#nextCr = -1;
    return this.#cut(joined, 0, 0, end + shift);
  }

  /**
   * At a clean end of the stream: what is left, unchanged, after the observer has seen it as one event without its final
   * blank line. Undefined: nothing is left, or the observer dropped it. After an abnormal end do not call it.
   */
  flush(): Buffer | undefined {
    const rest = this.#heldBytes > 0 ? this.#held.subarray(0, this.#heldBytes) : this.#opening;
    this.#held = empty;
    this.#heldBytes = 0;
    this.#opening = undefined;
    if (this.#isBroken || rest === undefined || rest.length === 0) return undefined;
    return this.#observer.event(rest, 0, rest.length) ? rest : undefined;
  }

  /** Shows the events of `bytes` to the observer: [start, end) is the first, bytes from `first` on are to be forwarded. */
  #cut(bytes: Buffer, first: number, start: number, end: number): Buffer | undefined {
    let runStart = first;
    let eventStart = start;
    let eventEnd = end;
    let runs: Buffer[] | undefined;
    while (eventEnd !== -1) {
      if (eventEnd - eventStart > this.#eventBytesMax) this.#break(joinRuns(bytes, runs, runStart, eventStart));
      this.#hasPassedLast = this.#observer.event(bytes, eventStart, eventEnd);
      if (!this.#hasPassedLast) {
        if (eventStart > runStart) {
          runs ??= [];
          runs.push(bytes.subarray(runStart, eventStart));
        }
        runStart = eventEnd;
      }
      eventStart = eventEnd;
      eventEnd = this.#eventEnd(bytes, eventStart);
    }
    const forward = joinRuns(bytes, runs, runStart, eventStart);
    if (eventStart < bytes.length) this.#hold(bytes, eventStart, forward);
    return forward;
  }

  /** Offset behind the next blank line at or after `from`; -1: none in this buffer. Every byte is looked at once. */
  #eventEnd(bytes: Buffer, from: number): number {
    let pos = from;
    while (pos < bytes.length) {
      if (this.#nextLf < pos) this.#nextLf = found(bytes, lf, pos);
      if (this.#nextCr < pos) this.#nextCr = found(bytes, cr, pos);
      const lineEnd = Math.min(this.#nextLf, this.#nextCr);
      if (lineEnd === bytes.length) {
        this.#isAtLineStart = false;
        return -1;
      }
      const isBlank = this.#isAtLineStart && lineEnd === pos;
      this.#isAtLineStart = true;
      pos = lineEnd + 1;
      if (bytes[lineEnd] === cr) {
        if (pos === bytes.length) this.#isAfterCr = true;
        else if (bytes[pos] === lf) pos += 1;
      }
      if (isBlank) return pos;
    }
    return -1;
  }

  #hold(bytes: Buffer, from: number, forward: Buffer | undefined): void {
    if (this.#heldBytes + bytes.length - from > this.#eventBytesMax) this.#break(forward);
    this.#append(bytes, from);
  }

  #append(bytes: Buffer, from: number): void {
    const needed = this.#heldBytes + bytes.length - from;
    if (needed > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, heldBytesMin, Math.min(2 * needed, this.#eventBytesMax)));
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    bytes.copy(this.#held, this.#heldBytes, from);
    this.#heldBytes = needed;
  }

  #break(forward: Buffer | undefined): never {
    this.#isBroken = true;
    this.#held = empty;
    this.#heldBytes = 0;
    throw new EventTooLarge(this.#eventBytesMax, forward);
  }

  /** The input behind a byte order mark; undefined while the few bytes so far could still be the start of one. */
  #withoutMark(opening: Buffer, chunk: Buffer): Buffer | undefined {
    const bytes = opening.length === 0 ? chunk : Buffer.concat([opening, chunk]);
    let matched = 0;
    while (matched < 3 && matched < bytes.length && bytes[matched] === byteOrderMark[matched]) matched += 1;
    if (matched === bytes.length && matched < 3) {
      this.#opening = Buffer.from(bytes);
      return undefined;
    }
    this.#opening = undefined;
    return matched === 3 ? bytes.subarray(3) : bytes;
  }
}

function found(bytes: Buffer, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from);
  return at === -1 ? bytes.length : at;
}

/** The forwarded pieces as one buffer: nothing copied unless an event between them was dropped. */
function joinRuns(bytes: Buffer, runs: Buffer[] | undefined, runStart: number, runEnd: number): Buffer | undefined {
  if (runs !== undefined) {
    if (runEnd > runStart) runs.push(bytes.subarray(runStart, runEnd));
    return runs.length === 1 ? runs[0] : Buffer.concat(runs);
  }
  if (runEnd === runStart) return undefined;
  return runStart === 0 && runEnd === bytes.length ? bytes : bytes.subarray(runStart, runEnd);
}
