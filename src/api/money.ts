import { z } from "zod";
import { assert } from "../base/assert.ts";
import { matching } from "./rules.ts";

/** Nano-dollars in a dollar: money is counted in these, as integers. */
export const nanosPerDollar = 1_000_000_000;
/** Dollars that still fit into an exact integer of nano-dollars (2^53-1), as a round figure; the bound itself is out. */
const dollarsMax = 9_000_000;

/** Nano-dollars of a decimal such as `2.50`, without floats. undefined when `text` is none, or not below 9,000,000. */
export const parseMoney = (text: string): number | undefined => {
  const [, whole, fraction = ""] = /^([0-9]{1,15})(?:\.([0-9]{1,9}))?$/.exec(text) ?? [];
  if (whole === undefined || Number(whole) >= dollarsMax) return undefined;
  return Number(whole) * nanosPerDollar + Number(fraction.padEnd(9, "0"));
};

/** Nano-dollars of a decimal that a schema has already accepted. Throws AssertionFault otherwise. */
export const nanoDollars = (value: string | number): number => {
  const nanos = parseMoney(String(value));
  assert(nanos !== undefined, `${JSON.stringify(value)} is not an amount of money`);
  return nanos;
};

/** Nano-dollars of a decimal that we have written ourselves: a sum, which may be above what a limit may be. Throws SyntaxError otherwise. */
export const sumOfNanos = (text: string): bigint => {
  const [whole = "", fraction = ""] = text.split(".");
  return BigInt(whole) * BigInt(nanosPerDollar) + BigInt(fraction.padEnd(9, "0"));
};

/** Schema of an amount of dollars as a decimal string: a YAML number would have passed through a float. */
export const moneySchema = () =>
  matching(
    z.string({ error: 'must be a decimal string in quotes, such as "2.50"' }).max(17),
    "^([0-8][0-9]{6}|[0-9]{1,6})(\\.[0-9]{1,9})?$",
    'must be a decimal below 9000000 with at most 9 decimals, such as "2.50"',
  ).meta({ bounds: "0 to below 9000000, at most 9 decimals" });
