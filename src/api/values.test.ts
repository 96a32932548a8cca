import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { durationMs, durationSchema, parseDuration } from "./duration.ts";
import { nanoDollars, parseMoney } from "./money.ts";
import { parseQuantity, quantityBytes, quantitySchema } from "./quantity.ts";

describe("durations", () => {
  test.each([
    ["5s", 5000],
    ["1m30s", 90_000],
    ["500ms", 500],
    ["1h", 3_600_000],
    ["1s500ms", 1500],
    ["30s1m", 90_000],
    ["0s", 0],
    ["00001s", 1000],
    ["1h1m1s1ms", 3_661_001],
  ])("%s is %i ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    "",
    "5",
    "s",
    "1d",
    "-1s",
    "+1s",
    "1.5s",
    "1s ",
    " 1s",
    "1S",
    "100000s",
    "1s1s1s1s1s",
    "1m30",
    "∞",
    "1us",
  ])("%j is none", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test("groups add up, whatever their units and order", () => {
    const unitMs = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
    const group = fc.tuple(fc.integer({ min: 0, max: 99_999 }), fc.constantFrom("h", "m", "s", "ms"));
    fc.assert(
      fc.property(fc.array(group, { minLength: 1, maxLength: 4 }), (groups) => {
        const text = groups.map(([figure, unit]) => `${figure}${unit}`).join("");
        expect(parseDuration(text)).toBe(groups.reduce((sum, [figure, unit]) => sum + figure * unitMs[unit], 0));
      }),
    );
  });

  test("a schema holds its bounds, both included", () => {
    const schema = durationSchema({ min: "1s", max: "1m" });
    expect(["1s", "60s", "1m"].map((text) => schema.safeParse(text).success)).toEqual([true, true, true]);
    expect(["999ms", "1m1ms"].map((text) => schema.safeParse(text).success)).toEqual([false, false]);
  });

  test("text that no schema accepted is our own mistake", () => {
    expect(() => durationMs("soon")).toThrow('"soon" is not a duration');
  });
});

describe("money", () => {
  test.each([
    ["2.50", 2_500_000_000],
    ["0", 0],
    ["0.000000001", 1],
    ["500.00", 500_000_000_000],
    ["0.1", 100_000_000],
    ["8999999.999999999", 8_999_999_999_999_999],
    ["007", 7_000_000_000],
  ])("%s dollars are %i nano-dollars", (text, nanos) => {
    expect(parseMoney(text)).toBe(nanos);
  });

  test.each(["", ".5", "5.", "-1", "+1", "1e3", "1,5", "0.0000000001", "9000000", "NaN", " 1", "1 ", "0x1"])(
    "%j is none",
    (text) => {
      expect(parseMoney(text)).toBeUndefined();
    },
  );

  test("every amount keeps its last digit", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 8_999_999 }),
        fc.integer({ min: 0, max: 999_999_999 }),
        (whole, fraction) => {
          const nanos = parseMoney(`${whole}.${String(fraction).padStart(9, "0")}`);
          expect(BigInt(nanos ?? -1)).toBe(BigInt(whole) * 1_000_000_000n + BigInt(fraction));
          expect(Number.isSafeInteger(nanos)).toBe(true);
        },
      ),
    );
  });

  test("a whole number of dollars is money too", () => {
    expect(nanoDollars(250)).toBe(250_000_000_000);
  });
});

describe("quantities", () => {
  test.each<[string | number, number]>([
    [1_048_576, 1_048_576],
    ["1", 1],
    ["32Mi", 33_554_432],
    ["512Ki", 524_288],
    ["64M", 64_000_000],
    ["1k", 1000],
  ])("%s is %i bytes", (value, bytes) => {
    expect(quantityBytes(value)).toBe(bytes);
  });

  test.each<string | number>(["", 0, "0", "1.5Mi", "Mi", "1Gi", "1 Mi", "-1", -1, 1.5, "1e3", "01"])(
    "%j is none",
    (value) => {
      expect(parseQuantity(value)).toBeUndefined();
    },
  );

  test.each([
    { mebibyteDigits: 2, max: 99 * 2 ** 20 },
    { mebibyteDigits: 3, max: 999 * 2 ** 20 },
  ] as const)(
    "whatever $mebibyteDigits digits of mebibytes accept is at most $max bytes",
    ({ mebibyteDigits, max }) => {
      const schema = quantitySchema({ mebibyteDigits });
      const value = fc.oneof(
        fc.integer({ min: 0, max: 9_999_999_999 }),
        fc
          .tuple(fc.integer({ min: 0, max: 9_999_999_999 }), fc.constantFrom("", "Ki", "Mi", "k", "M"))
          .map((parts) => parts.join("")),
      );
      fc.assert(
        fc.property(
          value,
          (size) => !schema.safeParse(size).success || (quantityBytes(size) >= 1 && quantityBytes(size) <= max),
        ),
      );
      expect(schema.safeParse(`${"9".repeat(mebibyteDigits)}Mi`).success).toBe(true);
    },
  );
});
