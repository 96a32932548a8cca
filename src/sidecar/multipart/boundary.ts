/** The boundary that a form's `content-type` names. */
import { MultipartFault } from "./fault.ts";
import { readParameters } from "./parameters.ts";

/** RFC 2046 section 5.1.1: 1 to 70 characters of these, and the last is no space. */
const boundaryText = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;
/** Characters of a `content-type` that is looked at. */
const contentTypeCharsMax = 512;
/** All that a lenient sender leaves unquoted; a token proper has less. */
const unquoted = /^([^;]*;\s*boundary=)([0-9A-Za-z'()+_,\-./:=?]+)$/i;

/**
 * The boundary of a `multipart/form-data` content type, quoted or not. Throws MultipartFault: not_multipart, missing_boundary, or
 * bad_boundary (not of RFC 2046's form, or named twice).
 */
export function boundaryOf(contentType: string): string {
  const kind = contentType.slice(0, contentTypeCharsMax).split(";", 1)[0] ?? "";
  if (kind.trim().toLowerCase() !== "multipart/form-data")
    throw new MultipartFault("not_multipart", "the body is not multipart/form-data", 0);
  if (contentType.length > contentTypeCharsMax) throw bad();
  const boundary = unquoted.exec(contentType.trim())?.[2] ?? fromParameters(contentType);
  if (!boundaryText.test(boundary)) throw bad();
  return boundary;
}

function fromParameters(contentType: string): string {
  const parameters = readParameters(contentType)?.parameters;
  if (!parameters) throw bad();
  const boundary = parameters.get("boundary");
  if (boundary === undefined) throw new MultipartFault("missing_boundary", "content-type names no boundary", 0);
  return boundary;
}

const bad = (): MultipartFault =>
  new MultipartFault("bad_boundary", "content-type does not name one proper boundary", 0);
