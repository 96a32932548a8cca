/** The decimal value of a JSON number's text, compared without rounding. */

/** A number's magnitude as significant digits (no zeros at either end; "" is zero) and the power of ten of the digit before the point. */
interface Decimal {
  readonly digits: string;
  /** With digits d1 d2 d3 the value is 0.d1d2d3 times ten to this; NaN for zero. */
  readonly exponent: number;
}

/** Integers of at most so many characters are exact as doubles, and are written the same by everybody. */
const plainCharsMax = 15;

/**
 * One text for all ways to write a number: ECMAScript's (RFC 8785 section 3.2.2.3) when the nearest double, written in its shortest form, has
 * the very value of `token`; otherwise `token` itself. Two different values so never share a text. `token` must follow the JSON grammar.
 */
export function canonicalNumber(token: string): string {
  if (token.length <= plainCharsMax && /^(?:0|-?[1-9][0-9]*)$/.test(token)) return token;
  const double = Number(token);
  if (!Number.isFinite(double)) return token;
  const shortest = String(double);
  return isSame(decimalOf(token), decimalOf(shortest)) ? shortest : token;
}

function decimalOf(text: string): Decimal {
  const mark = text.search(/[eE]/);
  const mantissa = text.slice(text.startsWith("-") ? 1 : 0, mark < 0 ? text.length : mark);
  const point = mantissa.indexOf(".");
  const whole = point < 0 ? mantissa : mantissa.slice(0, point);
  const all = point < 0 ? mantissa : whole + mantissa.slice(point + 1);
  let first = 0;
  while (all[first] === "0") first++;
  let last = all.length;
  while (last > first && all[last - 1] === "0") last--;
  const digits = all.slice(first, last);
  // an exponent beyond 2^53 is not exact, but then the double is 0 or infinite, and no digits can be the same
  const power = mark < 0 ? 0 : Number(text.slice(mark + 1));
  return { digits, exponent: digits === "" ? Number.NaN : whole.length - first + power };
}

/** Their signs are the same: one is the other's double. */
const isSame = (a: Decimal, b: Decimal): boolean =>
  a.digits === b.digits && (a.digits === "" || a.exponent === b.exponent);
