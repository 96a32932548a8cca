import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalNumber } from "./decimal.ts";

test.each([
  ["0", "0"],
  ["-0", "0"],
  ["0.000", "0"],
  ["0e99999999999999999999", "0"],
  ["-12", "-12"],
  ["1.0", "1"],
  ["10e-1", "1"],
  ["0.1e1", "1"],
  ["1e2", "100"],
  ["1E+2", "100"],
  ["0.10", "0.1"],
  ["0.7", "0.7"],
  ["70.0e-2", "0.7"],
  ["1e21", "1e+21"],
  ["1000000000000000000000", "1e+21"],
  ["0.0000001", "1e-7"],
  ["4.50", "4.5"],
  ["9007199254740992", "9007199254740992"],
  ["123456789012345678", "123456789012345678"],
])("%s is written %s, as ECMAScript does", (token, want) => {
  expect(canonicalNumber(token)).toBe(want);
});

test.each([
  ["9007199254740993", "an integer beyond 2^53"],
  ["-9007199254740993", "a negative one"],
  ["1E400", "too large for a double"],
  ["-1e400", "too small"],
  ["1e-400", "too close to zero"],
  ["1e-99999999999999999999", "absurdly close to zero"],
  ["0.1000000000000000055511151231257827", "more digits than a double keeps"],
  ["3.14159265358979323846", "pi"],
])("%s stays as it is: %s", (token) => {
  expect(canonicalNumber(token)).toBe(token);
});

/** A number's exact value as a fraction of big integers. */
function exact(token: string): { digits: bigint; power: number } {
  const [mantissa = "", exponent = "0"] = token.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  return { digits: BigInt(whole + fraction), power: Number(exponent) - fraction.length };
}

function isEqual(a: string, b: string): boolean {
  const [x, y] = [exact(a), exact(b)];
  const low = Math.min(x.power, y.power);
  return x.digits * 10n ** BigInt(x.power - low) === y.digits * 10n ** BigInt(y.power - low);
}

const digits = fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: 1, maxLength: 20 });
const tokens = fc
  .tuple(fc.constantFrom("", "-"), digits, fc.option(digits), fc.option(fc.integer({ min: -330, max: 330 })))
  .map(([sign, whole, fraction, exponent]) => {
    const head = `${sign}${whole.replace(/^0+(?=.)/, "")}`;
    return `${head}${fraction === null ? "" : `.${fraction}`}${exponent === null ? "" : `e${exponent}`}`;
  });

test("the value never changes, so two different numbers never become one", () => {
  fc.assert(
    fc.property(tokens, (token) => {
      expect(isEqual(token, canonicalNumber(token))).toBe(true);
    }),
    { numRuns: 3000 },
  );
});

test("numbers of at most 15 digits have one form, however they are written", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 999_999_999_999_999 }), fc.integer({ min: -20, max: 20 }), (whole, power) => {
      const forms = [
        `${whole}e${power}`,
        `${whole}0e${power - 1}`,
        `${whole}.000E${power}`,
        `0.${whole}e${power + String(whole).length}`,
      ];
      expect(new Set(forms.map(canonicalNumber))).toEqual(new Set([String(Number(`${whole}e${power}`))]));
    }),
  );
});
