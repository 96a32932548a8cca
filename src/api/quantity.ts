import { assert } from "../base/assert.ts";
import { intOrString } from "./int-or-string.ts";

const suffixBytes: Readonly<Record<string, number>> = { "": 1, Ki: 2 ** 10, Mi: 2 ** 20, k: 1e3, M: 1e6 };

/**
 * Bytes of a quantity: whole bytes, or a whole number with a Kubernetes suffix (`512Ki`, `32Mi`, `64M`); no fractions, no exponents.
 * undefined when `value` is none.
 */
export const parseQuantity = (value: number | string): number | undefined => {
  const [, digits, suffix = ""] = /^([1-9][0-9]{0,8})(Ki|Mi|k|M)?$/.exec(String(value)) ?? [];
  return digits === undefined ? undefined : Number(digits) * (suffixBytes[suffix] ?? 0);
};

/** Bytes of a quantity that a schema has already accepted. Throws AssertionFault otherwise. */
export const quantityBytes = (value: number | string): number => {
  const bytes = parseQuantity(value);
  assert(bytes !== undefined, `${JSON.stringify(value)} is not a quantity`);
  return bytes;
};

/**
 * Schema of a size of at most `mebibyteDigits` nines of mebibytes: 999Mi or 99Mi. Both `1048576` and `1Mi` may be written. The bound
 * stands in the pattern because CEL knows no length of an int-or-string, and the API server refuses rules whose cost it cannot bound.
 */
export const quantitySchema = (bounds: { mebibyteDigits: 2 | 3 }) => {
  const digits = bounds.mebibyteDigits;
  const bytesMax = 10 ** (digits + 6) - 1;
  const pattern = `^([1-9][0-9]{0,${digits + 5}}|[1-9][0-9]{0,${digits + 2}}(Ki|k)|[1-9][0-9]{0,${digits - 1}}(Mi|M))$`;
  const max = `${"9".repeat(digits)}Mi`;
  const message = `must be a size up to ${max}, such as 1048576, "512Ki" or "32Mi"`;
  return intOrString({ min: 1, max: bytesMax, pattern, message, bounds: `1 to ${max}` });
};
