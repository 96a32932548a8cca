/** Reads the fields of one server-sent event. Rules: WHATWG HTML, "Interpreting an event stream". */

const lf = 0x0a;
const cr = 0x0d;
const colon = 0x3a;
const space = 0x20;
const letterD = 0x64;
const letterE = 0x65;
const none = Buffer.alloc(0);

/**
 * The event name and the data of one event, as byte ranges: nothing is copied unless the data has several lines (then they
 * are joined with LF). An instance can be read into again and again.
 */
export class EventFields {
  /** False for comments, `id` and `retry` alone, and lone blank lines: such an event is never dispatched. */
  hasData = false;
  /** The data is `dataBytes[dataStart, dataEnd)`; `data:` alone has no bytes, and `hasData` all the same. */
  dataBytes: Buffer = none;
  dataStart = 0;
  dataEnd = 0;
  #source: Buffer = none;
  #nameStart = 0;
  #nameEnd = 0;

  /** Value of the `event` field, undefined where there is none. The last one wins, as the standard says. */
  get name(): string | undefined {
    return this.#nameEnd > this.#nameStart ? this.#source.toString("utf8", this.#nameStart, this.#nameEnd) : undefined;
  }

  /** The data as text. Broken UTF-8 becomes U+FFFD. */
  get data(): string {
    return this.dataBytes.toString("utf8", this.dataStart, this.dataEnd);
  }

  /** Reads the event in `bytes[start, end)`, which may lack its last line end. Answers itself. */
  read(bytes: Buffer, start: number, end: number): this {
    // a view, so that no search runs on into the events that follow
    const event = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
    const length = event.length;
    this.hasData = false;
    this.#source = event;
    this.#nameEnd = 0;
    this.#nameStart = 0;
    let lines: Buffer[] | undefined;
    let nextLf = -1;
    let nextCr = -1;
    let pos = 0;
    while (pos < length) {
      if (nextLf < pos) nextLf = lineEndOf(event, lf, pos);
      if (nextCr < pos) nextCr = lineEndOf(event, cr, pos);
      const lineEnd = Math.min(nextLf, nextCr);
      const first = event[pos];
      if (first === letterD && isField(event, pos, lineEnd, "data")) {
        if (this.hasData) {
          lines ??= [event.subarray(this.dataStart, this.dataEnd)];
          lines.push(event.subarray(valueStart(event, pos + 4, lineEnd), lineEnd));
        } else {
          this.hasData = true;
          this.dataStart = valueStart(event, pos + 4, lineEnd);
          this.dataEnd = lineEnd;
        }
      } else if (first === letterE && isField(event, pos, lineEnd, "event")) {
        this.#nameStart = valueStart(event, pos + 5, lineEnd);
        this.#nameEnd = lineEnd;
      }
      pos = lineEnd + 1;
    }
    this.dataBytes = event;
    if (lines !== undefined) {
      this.dataBytes = joinLines(lines);
      this.dataStart = 0;
      this.dataEnd = this.dataBytes.length;
    }
    return this;
  }
}

/** The fields of the event in `bytes[start, end)`; name and data are decoded when they are asked for. */
export function eventFields(bytes: Buffer, start: number, end: number): EventFields {
  return new EventFields().read(bytes, start, end);
}

function lineEndOf(event: Buffer, byte: number, from: number): number {
  const at = event.indexOf(byte, from);
  return at === -1 ? event.length : at;
}

/** Is the line `name`, alone or before a colon? */
function isField(event: Buffer, pos: number, lineEnd: number, name: string): boolean {
  const nameEnd = pos + name.length;
  if (nameEnd > lineEnd) return false;
  for (let i = 0; i < name.length; i += 1) if (event[pos + i] !== name.charCodeAt(i)) return false;
  return nameEnd === lineEnd || event[nameEnd] === colon;
}

/** Where the value starts: behind the colon and one space; at the line's end where there is no colon. */
function valueStart(event: Buffer, nameEnd: number, lineEnd: number): number {
  if (nameEnd >= lineEnd) return lineEnd;
  return nameEnd + 1 < lineEnd && event[nameEnd + 1] === space ? nameEnd + 2 : nameEnd + 1;
}

function joinLines(lines: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [];
  for (const line of lines) parts.push(line, lineFeed);
  parts.pop();
  return Buffer.concat(parts);
}
const lineFeed = Buffer.from("\n");
