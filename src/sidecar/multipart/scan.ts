/**
 * multipart/form-data (RFC 7578) by byte offsets. Where readers of forms differ, the form is refused and never guessed at: a part that we see
 * and the provider does not, or the other way round, would be a way past the rules.
 */
import { isUtf8 } from "node:buffer";
import { boundaryOf } from "./boundary.ts";
import { MultipartFault } from "./fault.ts";
import { readPartHeaders } from "./part-headers.ts";

export { boundaryOf } from "./boundary.ts";
export { MultipartFault, type MultipartFaultCode } from "./fault.ts";

/** What a form may hold at most. Its size is bounded where the body is read. */
export interface MultipartLimits {
  readonly partsMax: number;
  /** Bytes of one part's headers, all lines together. */
  readonly headerBytesMax: number;
  /** Header lines of one part. */
  readonly headerLinesMax: number;
  /** Names that may stand in several parts, besides those that end in `[]`, which always may. */
  readonly repeatableNames: ReadonlySet<string>;
}

/** More than any request of the API has: a few fields and up to 16 images. */
export const multipartLimitsDefault: MultipartLimits = {
  partsMax: 100,
  headerBytesMax: 4096,
  headerLinesMax: 16,
  repeatableNames: new Set(),
};

/** A part. Offsets are into the body. */
export interface MultipartPart {
  readonly name: string;
  /** As it was sent, percent signs and all; present (perhaps "") exactly where the part is a file. */
  readonly filename: string | undefined;
  readonly contentType: string | undefined;
  /** First byte of the headers, behind the boundary's line. */
  readonly headerStart: number;
  /** First byte of the content. */
  readonly start: number;
  /** Byte behind the content; there the next boundary's CRLF begins. */
  readonly end: number;
}

/** A form whose parts are known by their offsets. */
export interface MultipartScan {
  readonly boundary: string;
  readonly parts: readonly MultipartPart[];
  /** Where the last boundary's line begins: at its CRLF, or at 0 in a form without parts. */
  readonly closeStart: number;
}

/** Scans a form. Throws MultipartFault; `limits` are those of MultipartLimits. Contents are not looked into. */
export function scanMultipart(
  bytes: Buffer,
  contentType: string,
  limits: MultipartLimits = multipartLimitsDefault,
): MultipartScan {
  const boundary = boundaryOf(contentType);
  const dashed = Buffer.from(`--${boundary}`, "latin1");
  if (bytes.compare(dashed, 0, dashed.length, 0, Math.min(dashed.length, bytes.length)) !== 0)
    throw headless(bytes, dashed);
  const parts: MultipartPart[] = [];
  const names = new Names(limits.repeatableNames);
  // A delimiter is looked for with its line feed: such a text never overlaps itself, so the search is linear.
  const delimiter = Buffer.concat([Buffer.from("\n"), dashed]);
  let closeStart = 0;
  let at = dashed.length;
  while (!isClose(bytes, at)) {
    const part = scanPart(bytes, lineEnd(bytes, at), { delimiter, limits });
    if (parts.length === limits.partsMax)
      throw new MultipartFault("too_many_parts", `it has more than ${limits.partsMax} parts`, at);
    names.add(part);
    parts.push(part);
    closeStart = part.end;
    at = part.end + 1 + delimiter.length;
  }
  checkEpilogue(bytes, at + 2);
  return { boundary, parts, closeStart };
}

function headless(bytes: Buffer, dashed: Buffer): MultipartFault {
  if (bytes.indexOf(dashed) < 0) return new MultipartFault("no_end", "the boundary is nowhere in the body", 0);
  return new MultipartFault("preamble", "something stands before the first boundary", 0);
}

const isClose = (bytes: Buffer, at: number): boolean => bytes[at] === 0x2d && bytes[at + 1] === 0x2d;

/** Offset behind the CRLF that must follow a boundary. Padding, a bare line feed and longer boundaries are read in different ways elsewhere. */
function lineEnd(bytes: Buffer, at: number): number {
  if (bytes[at] === 0x0d && bytes[at + 1] === 0x0a) return at + 2;
  if (at + 1 >= bytes.length) throw new MultipartFault("no_end", "the body ends before its closing boundary", at);
  throw new MultipartFault("bad_delimiter", "a boundary is not followed by a line break", at);
}

function scanPart(
  bytes: Buffer,
  headerStart: number,
  { delimiter, limits }: { delimiter: Buffer; limits: MultipartLimits },
): MultipartPart {
  const window = bytes.subarray(headerStart, headerStart + limits.headerBytesMax + 4);
  const blank = window.indexOf("\r\n\r\n");
  const feed = bytes.indexOf(delimiter, headerStart - 1);
  const headerEnd = headerStart + (blank < 0 ? limits.headerBytesMax : blank + 4);
  if (feed >= 0 && feed < headerEnd)
    throw new MultipartFault("bad_header", "a part ends inside its headers", headerStart);
  if (blank < 0 && headerEnd < bytes.length) {
    throw new MultipartFault(
      "header_too_big",
      `the headers of a part are larger than ${limits.headerBytesMax} bytes`,
      headerStart,
    );
  }
  if (blank < 0 || feed < 0)
    throw new MultipartFault("no_end", "the body ends before its closing boundary", bytes.length);
  if (bytes[feed - 1] !== 0x0d) throw new MultipartFault("bad_delimiter", "a boundary follows a bare line feed", feed);
  const start = headerStart + blank + 4;
  const headers = readPartHeaders(window.subarray(0, blank), { offset: headerStart, linesMax: limits.headerLinesMax });
  return { ...headers, headerStart, start, end: feed - 1 };
}

/** At most one line break may follow: what else stands there, some readers would still read. */
function checkEpilogue(bytes: Buffer, at: number): void {
  if (at === bytes.length || (at + 2 === bytes.length && bytes[at] === 0x0d && bytes[at + 1] === 0x0a)) return;
  throw new MultipartFault("epilogue", "something follows the closing boundary", at);
}

/** The names so far. `x` and `x[]` in one form would be one field for some readers and two for others. */
class Names {
  readonly #repeatable: ReadonlySet<string>;
  readonly #lists = new Set<string>();
  readonly #singles = new Set<string>();

  constructor(repeatable: ReadonlySet<string>) {
    this.#repeatable = repeatable;
  }

  add({ name, headerStart }: MultipartPart): void {
    const stem = name.endsWith("[]") ? name.slice(0, -2) : name;
    const isList = stem !== name;
    const clashes = isList
      ? this.#singles.has(stem)
      : this.#lists.has(stem) || (this.#singles.has(stem) && !this.#repeatable.has(stem));
    if (clashes) throw new MultipartFault("duplicate_name", "a field stands twice", headerStart);
    (isList ? this.#lists : this.#singles).add(stem);
  }
}

/** Bytes of a field that is read as text. */
const fieldBytesMax = 65_536;

/**
 * The text of the field called `name` (never a file); undefined when there is none. Throws MultipartFault (not_a_field) when it is a file,
 * larger than `bytesMax`, or not UTF-8.
 */
export function fieldOf(
  bytes: Buffer,
  scan: MultipartScan,
  { name, bytesMax = fieldBytesMax }: { name: string; bytesMax?: number },
): string | undefined {
  const part = scan.parts.find((candidate) => candidate.name === name);
  if (!part) return undefined;
  const content = bytes.subarray(part.start, part.end);
  if (part.filename !== undefined || content.length > bytesMax || !isUtf8(content)) {
    throw new MultipartFault("not_a_field", `${name} is not a text field of at most ${bytesMax} bytes`, part.start);
  }
  return content.toString();
}
