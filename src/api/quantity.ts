import { z } from "zod";
import { assert } from "../base/assert.ts";

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
 * Schema of a size of at most `mebibyteDigits` nines of mebibytes: 999Mi or 99Mi. Kubernetes' int-or-string is the one union that a
 * structural schema can hold, so that both `1048576` and `1Mi` may be written. The bound stands in the pattern because CEL
 * knows no length of such a value, and the API server refuses rules whose cost it cannot bound.
 */
export const quantitySchema = (bounds: { mebibyteDigits: 2 | 3 }) => {
  const digits = bounds.mebibyteDigits;
  const bytesMax = 10 ** (digits + 6) - 1;
  const pattern = `^([1-9][0-9]{0,${digits + 5}}|[1-9][0-9]{0,${digits + 2}}(Ki|k)|[1-9][0-9]{0,${digits - 1}}(Mi|M))$`;
  const max = `${"9".repeat(digits)}Mi`;
  return z
    .union([z.int().min(1).max(bytesMax), z.string().regex(new RegExp(pattern))], {
      error: `must be a size up to ${max}, such as 1048576, "512Ki" or "32Mi"`,
    })
    .meta({ bounds: `1 to ${max}`, "x-kubernetes-int-or-string": true });
};
