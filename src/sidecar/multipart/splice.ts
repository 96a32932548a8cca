/** Edits to a form at byte offsets. */
import { assert } from "../../base/assert.ts";
import type { MultipartScan } from "./scan.ts";

/** A text field. */
export interface FormField {
  readonly name: string;
  readonly value: string;
}

/**
 * The form with the text field `name` replaced, or added as the last part where there is none; all other bytes stay. Throws AssertionFault when the
 * field is a file or stands several times, when its name cannot be written plainly, or when its value holds the form's boundary.
 */
export function spliceMultipart(bytes: Buffer, scan: MultipartScan, field: FormField): Buffer {
  return Buffer.concat(spliceMultipartParts(bytes, scan, field));
}

/** The same in pieces, to be sent one after another; the untouched ones are views of `bytes`. */
export function spliceMultipartParts(bytes: Buffer, scan: MultipartScan, { name, value }: FormField): Buffer[] {
  const same = scan.parts.filter((part) => part.name === name);
  const part = same[0];
  assert(same.length <= 1 && part?.filename === undefined, "a field that is replaced is one text field");
  assert(/^[A-Za-z0-9_.[\]-]{1,256}$/.test(name), "a field's name is a plain word");
  // the line break before the content is one half of a boundary already
  assert(!`\n${value}`.includes(`\n--${scan.boundary}`), "a field's value does not hold the boundary");
  if (part) return [bytes.subarray(0, part.start), Buffer.from(value), bytes.subarray(part.end)];
  const isEmpty = scan.parts.length === 0;
  const head = `--${scan.boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`;
  const added = isEmpty ? `${head}${value}\r\n` : `\r\n${head}${value}`;
  return [bytes.subarray(0, scan.closeStart), Buffer.from(added), bytes.subarray(scan.closeStart)];
}
