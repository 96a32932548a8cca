import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { actualAmount, chargedTokens, type PlannedClaim } from "./plan.ts";
import { costOf } from "./price.ts";
import { nameInKey } from "./subject.ts";

const model = {
  outputTokensMax: 1000,
  imageTokensMax: 1000,
  pricing: { inputPerMTok: 2_500_000_000, cachedInputPerMTok: 1_250_000_000, outputPerMTok: 10_000_000_000 },
};

describe("cost", () => {
  test("is the price list's, in nano-dollars, rounded up", () => {
    expect(costOf(model, { input: 1_000_000, cachedInput: 0, output: 0 })).toBe(2_500_000_000);
    expect(costOf(model, { input: 1000, cachedInput: 400, output: 10 })).toBe(600 * 2500 + 400 * 1250 + 10 * 10_000);
    expect(
      costOf({ ...model, pricing: { ...model.pricing, inputPerMTok: 1 } }, { input: 1, cachedInput: 0, output: 0 }),
    ).toBe(1);
    expect(costOf({ outputTokensMax: 1, imageTokensMax: 1 }, { input: 1, cachedInput: 0, output: 1 })).toBe(0);
  });

  test("is never more than a counter holds, however many tokens at whatever price", () => {
    const dear = { inputPerMTok: 8_999_999e9, cachedInputPerMTok: 0, outputPerMTok: 8_999_999e9 };
    const tokens = { input: 1_000_000_000_000_000, cachedInput: 0, output: 1_000_000_000 };
    expect(costOf({ ...model, pricing: dear }, tokens)).toBe(Number.MAX_SAFE_INTEGER);
  });

  test("equals a ledger in whole numbers for any usage", () => {
    const count = fc.integer({ min: 0, max: 100_000_000 });
    fc.assert(
      fc.property(count, count, count, (input, cached, output) => {
        const cachedInput = Math.min(cached, input);
        const pico =
          BigInt(input - cachedInput) * 2500n * 1000n +
          BigInt(cachedInput) * 1250n * 1000n +
          BigInt(output) * 10_000n * 1000n;
        expect(BigInt(costOf(model, { input, cachedInput, output }))).toBe((pico + 999n) / 1000n);
      }),
    );
  });
});

test("an answer from the cache is a request, but none of a backend", () => {
  const of = (per: readonly string[], outcome: "hit" | "failed") =>
    actualAmount(
      { limit: { resource: "Requests" }, quota: { per, reservation: {} } } as unknown as PlannedClaim, // all that is read
      { outcome, status: 200 },
      { input: 1, output: 1 },
      model,
    );
  expect([of(["Tenant"], "hit"), of(["Tenant", "Backend"], "hit"), of(["Backend"], "failed")]).toEqual([1, 0, 1]);
});

describe("what an ended request is charged", () => {
  const held = { input: 100, output: 50 };
  const usage = { inputTokens: 7, cachedInputTokens: 2, outputTokens: 3, reasoningTokens: 0, totalTokens: 10 };
  test.each([
    ["completed with usage: that", { outcome: "completed", usage } as const, { input: 7, cachedInput: 2, output: 3 }],
    [
      "completed without usage: what was held",
      { outcome: "completed" } as const,
      { input: 100, cachedInput: 0, output: 50 },
    ],
    [
      "aborted in a stream: what came",
      { outcome: "aborted", observedOutputTokens: 9 } as const,
      { input: 100, cachedInput: 0, output: 9 },
    ],
    [
      "aborted before anything came: what was held",
      { outcome: "aborted" } as const,
      { input: 100, cachedInput: 0, output: 50 },
    ],
    [
      "never more than was held",
      { outcome: "aborted", observedOutputTokens: 99 } as const,
      { input: 100, cachedInput: 0, output: 50 },
    ],
    ["uncertain: what was held", { outcome: "uncertain" } as const, { input: 100, cachedInput: 0, output: 50 }],
    [
      "uncertain in a stream: what was held, whatever came",
      { outcome: "uncertain", observedOutputTokens: 4 } as const,
      { input: 100, cachedInput: 0, output: 50 },
    ],
    ["failed with usage: that", { outcome: "failed", usage } as const, { input: 7, cachedInput: 2, output: 3 }],
    ["failed with an error answer: nothing", { outcome: "failed" } as const, { input: 0, cachedInput: 0, output: 0 }],
    [
      "failed in a stream: what came",
      { outcome: "failed", observedOutputTokens: 4 } as const,
      { input: 100, cachedInput: 0, output: 4 },
    ],
    [
      "a hit: nothing, though its usage is known",
      { outcome: "hit", usage } as const,
      { input: 0, cachedInput: 0, output: 0 },
    ],
    ["refused: nothing", { outcome: "refused" } as const, { input: 0, cachedInput: 0, output: 0 }],
  ])("%s", (_name, ending, want) => {
    expect(chargedTokens({ status: 200, ...ending }, held, "ChargeReserved")).toEqual(want);
  });

  test.each([
    ["completed", 4],
    ["uncertain", 4],
    ["aborted", 4],
    ["uncertain", undefined],
  ] as const)("without usage, %s, ChargeObserved takes what was seen, where that is known", (outcome, seen) => {
    const ending = { status: 200, outcome, observedOutputTokens: seen };
    expect(chargedTokens(ending, held, "ChargeObserved").output).toBe(seen ?? held.output);
  });

  test("what was let through is charged, where less was held of it by a quota of P99", () => {
    const of = (outcome: "uncertain" | "completed") =>
      actualAmount(
        {
          limit: { resource: "OutputTokens" },
          quota: { per: [], reservation: { output: "P99", onUnknownUsage: "ChargeReserved" } },
          outputHeld: 5,
        } as unknown as PlannedClaim, // all that is read
        { outcome, status: 200 },
        held,
        model,
      );
    expect([of("uncertain"), of("completed")]).toEqual([50, 50]);
  });
});

test("a model's name in a key has only the characters that keys have, and two names never meet", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.string({ unit: "binary", maxLength: 300 }),
      (one, other) => {
        expect(nameInKey(one)).toMatch(/^[A-Za-z0-9._=-]{0,128}$/);
        expect(nameInKey(one) === nameInKey(other)).toBe(
          one.isWellFormed() && other.isWellFormed() ? one === other : nameInKey(one) === nameInKey(other),
        );
      },
    ),
  );
  expect(nameInKey("ft:gpt-4o:org::id")).toBe("ft=3agpt-4o=3aorg=3a=3aid");
});
