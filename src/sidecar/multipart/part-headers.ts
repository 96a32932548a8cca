/** The headers of one part of a form. */
import { isUtf8 } from "node:buffer";
import { MultipartFault } from "./fault.ts";
import { readParameters } from "./parameters.ts";

/** What a part's headers say, as `MultipartPart` has it. */
export interface PartHeaders {
  readonly name: string;
  readonly filename: string | undefined;
  readonly contentType: string | undefined;
}

/** What does not change the content. RFC 7578 section 4.7 deprecates the header; with base64 two readers see two contents. */
const harmlessEncodings: ReadonlySet<string> = new Set(["binary", "8bit", "7bit"]);
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Readers of some languages trim names, and control characters are never meant. */
const fieldName = /^[^\s\p{Cc}](?:[^\p{Cc}]*[^\s\p{Cc}])?$/u;
/** Characters of a field's name. */
const nameCharsMax = 256;

/** Reads a header block without its blank line. Throws MultipartFault (bad_header, bad_disposition); `offset` is the block's in the body. */
export function readPartHeaders(
  block: Buffer,
  { offset, linesMax }: { offset: number; linesMax: number },
): PartHeaders {
  const bad = (message: string): MultipartFault => new MultipartFault("bad_header", message, offset);
  if (!isUtf8(block)) throw bad("the headers of a part are not UTF-8");
  const lines = block.toString().split("\r\n");
  if (lines.length > linesMax) throw bad(`a part has more than ${linesMax} headers`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0));
    const value = line.slice(colon + 1).trim();
    // a folded line has no name, a name before white space is another name to some
    if (!headerName.test(name)) throw bad("a part has a header without a proper name");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) throw bad("a part has a header with a control character");
    if (headers.has(name.toLowerCase())) throw bad("a part has a header twice");
    headers.set(name.toLowerCase(), value);
  }
  const encoding = headers.get("content-transfer-encoding");
  if (encoding !== undefined && !harmlessEncodings.has(encoding.toLowerCase()))
    throw bad("a part has a content-transfer-encoding");
  const disposition = readDisposition(headers.get("content-disposition") ?? "", offset);
  const contentType = headers.get("content-type");
  if (disposition.filename === undefined && contentType !== undefined && !isOurCharset(contentType)) {
    throw bad("a field is in another charset than UTF-8");
  }
  return { ...disposition, contentType };
}

/** A field is read as UTF-8; one in UTF-16 would be one model here and another one there. */
function isOurCharset(contentType: string): boolean {
  if (!/charset/i.test(contentType)) return true;
  const charset = readParameters(contentType)?.parameters.get("charset")?.toLowerCase();
  return charset === "utf-8" || charset === "utf8" || charset === "us-ascii";
}

function readDisposition(text: string, offset: number): { name: string; filename: string | undefined } {
  const bad = (message: string): MultipartFault => new MultipartFault("bad_disposition", message, offset);
  const disposition = readParameters(text);
  if (disposition?.value.toLowerCase() !== "form-data") throw bad("a part has no proper content-disposition");
  for (const parameter of disposition.parameters.keys()) {
    // RFC 7578 section 4.2: not in forms; who reads `name*` sees another name than who does not
    if (parameter.includes("*")) throw bad("a part has an extended parameter (name*, filename*)");
  }
  const name = disposition.parameters.get("name");
  if (name === undefined || name.length > nameCharsMax || name.includes("\\") || !fieldName.test(name)) {
    throw bad("a part has no proper name");
  }
  // RFC 7578 section 4.6: such a field names the charset of all others
  if (name === "_charset_") throw bad("a part is called _charset_");
  return { name, filename: disposition.parameters.get("filename") };
}
