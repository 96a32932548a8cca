import fc from "fast-check";
import { expect, test } from "vitest";
import { OutputSizes, samplesMin, sizesMax } from "./output-sizes.ts";

const filled = (sizes: readonly number[]): OutputSizes => {
  const learnt = new OutputSizes();
  for (const tokens of sizes) learnt.record("m", "ChatCompletions", tokens);
  return learnt;
};

test("nothing is told before enough was seen, nor of another model or endpoint", () => {
  const learnt = filled(new Array<number>(samplesMin - 1).fill(7));
  expect(learnt.p99("m", "ChatCompletions")).toBeUndefined();
  learnt.record("m", "ChatCompletions", 7);
  expect(learnt.p99("m", "ChatCompletions")).toBe(8);
  expect(learnt.p99("m", "Responses")).toBeUndefined();
  expect(learnt.p99("n", "ChatCompletions")).toBeUndefined();
});

test("is never below the true percentile, and at most 19 % and a token above it", () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 2_000_000 }), { minLength: samplesMin, maxLength: 1000 });
  fc.assert(
    fc.property(sizes, (seen) => {
      const sorted = seen.toSorted((a, b) => a - b);
      const truth = sorted[Math.ceil(seen.length * 0.99) - 1] ?? expect.unreachable();
      const told = filled(seen).p99("m", "ChatCompletions") ?? expect.unreachable();
      expect(told).toBeGreaterThanOrEqual(truth);
      expect(told).toBeLessThanOrEqual(Math.ceil(Math.max(1, truth) * 2 ** 0.25) + 1);
    }),
  );
});

test("what was seen lately weighs more", () => {
  const learnt = filled(new Array<number>(20_000).fill(1000));
  for (let i = 0; i < 100_000; i++) learnt.record("m", "ChatCompletions", 10);
  expect(learnt.p99("m", "ChatCompletions")).toBeLessThan(20);
});

test("memory is bounded: the model that was seen least lately is forgotten", () => {
  const learnt = new OutputSizes();
  for (let i = 0; i < sizesMax + 1; i++)
    for (let k = 0; k < samplesMin; k++) learnt.record(`m${i}`, "ChatCompletions", 5);
  expect(learnt.p99("m0", "ChatCompletions")).toBeUndefined();
  expect(learnt.p99("m1", "ChatCompletions")).toBe(6);
});
