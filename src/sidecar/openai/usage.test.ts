import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { usageCountMax, usageOf } from "./usage.ts";

const counts = (inputTokens: number, outputTokens: number, cachedInputTokens = 0, reasoningTokens = 0) => ({
  inputTokens,
  cachedInputTokens,
  outputTokens,
  reasoningTokens,
  totalTokens: inputTokens + outputTokens,
});

describe("usageOf", () => {
  test.each([
    {
      name: "chat with details",
      usage: {
        prompt_tokens: 10,
        completion_tokens: 20,
        total_tokens: 30,
        prompt_tokens_details: { cached_tokens: 4 },
        completion_tokens_details: { reasoning_tokens: 12, rejected_prediction_tokens: 1 },
      },
      want: counts(10, 20, 4, 12),
    },
    { name: "completions", usage: { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 }, want: counts(5, 7) },
    {
      name: "responses",
      usage: {
        input_tokens: 36,
        input_tokens_details: { cached_tokens: 2 },
        output_tokens: 87,
        output_tokens_details: { reasoning_tokens: 3 },
        total_tokens: 123,
      },
      want: counts(36, 87, 2, 3),
    },
    { name: "embeddings", usage: { prompt_tokens: 8, total_tokens: 8 }, want: counts(8, 0) },
    { name: "a total alone is input", usage: { total_tokens: 8 }, want: counts(8, 0) },
    {
      name: "images",
      usage: {
        total_tokens: 100,
        input_tokens: 50,
        output_tokens: 50,
        input_tokens_details: { text_tokens: 10, image_tokens: 40 },
      },
      want: counts(50, 50),
    },
    {
      name: "transcription by tokens",
      usage: {
        type: "tokens",
        input_tokens: 14,
        input_token_details: { audio_tokens: 14 },
        output_tokens: 45,
        total_tokens: 59,
      },
      want: counts(14, 45),
    },
    {
      name: "transcription by duration",
      usage: { type: "duration", seconds: 9.5 },
      want: { ...counts(0, 0), seconds: 9.5 },
    },
    {
      name: "details may be null",
      usage: { prompt_tokens: 1, completion_tokens: 1, prompt_tokens_details: null },
      want: counts(1, 1),
    },
    {
      name: "a total that is too small is recomputed",
      usage: { prompt_tokens: 5, completion_tokens: 5, total_tokens: 1 },
      want: counts(5, 5),
    },
    {
      name: "a total that is larger means output that the parts leave out",
      usage: {
        prompt_tokens: 5,
        completion_tokens: 5,
        total_tokens: 30,
        completion_tokens_details: { reasoning_tokens: 20 },
      },
      want: counts(5, 25, 0, 20),
    },
    {
      name: "a part is at most its whole",
      usage: {
        prompt_tokens: 5,
        completion_tokens: 5,
        prompt_tokens_details: { cached_tokens: 9 },
        completion_tokens_details: { reasoning_tokens: 9 },
      },
      want: counts(5, 5, 5, 5),
    },
    {
      name: "all zero is a usage",
      usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
      want: counts(0, 0),
    },
  ])("$name is read", ({ usage, want }) => {
    expect(usageOf(usage)).toEqual(want);
  });

  test.each([
    ["nothing", undefined],
    ["null", null],
    ["a string", "10"],
    ["a list", [1]],
    ["an object without counts", { foo: 1 }],
    ["a negative count", { prompt_tokens: -1, completion_tokens: 1 }],
    ["a fraction", { prompt_tokens: 1.5, completion_tokens: 1 }],
    ["a count in a string", { prompt_tokens: "1", completion_tokens: 1 }],
    ["a huge count", { prompt_tokens: 1, completion_tokens: usageCountMax + 1 }],
    ["a huge total", { prompt_tokens: 1, completion_tokens: 1, total_tokens: 1e300 }],
    ["a negative detail", { prompt_tokens: 1, completion_tokens: 1, prompt_tokens_details: { cached_tokens: -1 } }],
    ["a duration without seconds", { type: "duration" }],
    ["a negative duration", { type: "duration", seconds: -1 }],
  ])("%s is refused", (_name, usage) => {
    expect(usageOf(usage)).toBeUndefined();
  });

  test("whatever comes, the counts are whole, bounded and consistent, or there are none", () => {
    const count = fc.oneof(
      fc.nat(1000),
      fc.integer(),
      fc.double(),
      fc.constant(null),
      fc.constant(undefined),
      fc.string(),
    );
    const details = fc.option(fc.record({ cached_tokens: count, reasoning_tokens: count }), { nil: null });
    const usage = fc.record(
      {
        prompt_tokens: count,
        completion_tokens: count,
        total_tokens: count,
        prompt_tokens_details: details,
        completion_tokens_details: details,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(usage, (value) => {
        const read = usageOf(value);
        if (read === undefined) return;
        for (const part of Object.values(read)) expect(Number.isSafeInteger(part) && part >= 0).toBe(true);
        expect(read.totalTokens).toBe(read.inputTokens + read.outputTokens);
        expect(read.cachedInputTokens).toBeLessThanOrEqual(read.inputTokens);
        expect(read.reasoningTokens).toBeLessThanOrEqual(read.outputTokens);
        expect(read.totalTokens).toBeGreaterThanOrEqual(
          typeof value.total_tokens === "number" ? value.total_tokens : 0,
        );
      }),
      { numRuns: 1000 },
    );
  });
});
