import { z } from "zod";
import { assert } from "../base/assert.ts";

/** Nano-dollars in a dollar: money is counted in these, as integers. */
export const nanosPerDollar = 1_000_000_000;
/** Below nine million dollars, to nine decimals: what fits into an exact integer of nano-dollars (2^53-1). */
export const moneyPattern = "^([0-8][0-9]{6}|[0-9]{1,6})(\\.[0-9]{1,9})?$";

/** Nano-dollars of a decimal such as `2.50`, without floats. undefined when `text` is none, or not below 9,000,000. */
export const parseMoney = (text: string): number | undefined => {
  if (!new RegExp(moneyPattern).test(text)) return undefined;
  const [whole = "", fraction = ""] = text.split(".");
  return Number(whole) * nanosPerDollar + Number(fraction.padEnd(9, "0"));
};

/** Nano-dollars of a decimal that a schema has already accepted. Throws AssertionFault otherwise. */
export const nanoDollars = (value: string | number): number => {
  const nanos = parseMoney(String(value));
  assert(nanos !== undefined, `${JSON.stringify(value)} is not an amount of money`);
  return nanos;
};

/** Schema of an amount of dollars as a decimal string: a YAML number would have passed through a float. */
export const moneySchema = () =>
  z
    .string({ error: 'must be a decimal string in quotes, such as "2.50"' })
    .max(17)
    .regex(new RegExp(moneyPattern), { error: 'must be a decimal below 9000000 with at most 9 decimals, such as "2.50"' })
    .meta({ bounds: "0 to below 9000000, at most 9 decimals" });
