import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { sidecarConfigSchema } from "../config/contract.ts";
import { builtinModels, pricesAsOf } from "./models.ts";

test("every row fits the contract", () => {
  const models = sidecarConfigSchema.shape.route.unwrap().shape.models;
  expect(() => models.parse(Object.fromEntries(builtinModels))).not.toThrow();
});

test("no name stands in two rows", () => {
  // A name that stood twice would have replaced the first row; the newest and the oldest family bracket the table.
  const names = [...builtinModels.keys()];
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThan(60);
});

test("a cached token never costs more than a fresh one", () => {
  for (const [name, { pricing }] of builtinModels) {
    if (pricing)
      expect({ name, isCheaper: pricing.cachedInputPerMTok <= pricing.inputPerMTok }).toEqual({
        name,
        isCheaper: true,
      });
  }
});

test.each([
  ["gpt-4o", 2_500_000_000, 10_000_000_000],
  ["gpt-4o-2024-05-13", 5_000_000_000, 15_000_000_000],
  ["gpt-4.1-nano", 100_000_000, 400_000_000],
  ["text-embedding-3-small", 20_000_000, 0],
])("%s has the price of its own date", (name, input, output) => {
  expect(builtinModels.get(name)?.pricing).toMatchObject({ inputPerMTok: input, outputPerMTok: output });
});

test.each(["whisper-1", "gpt-image-1", "gpt-5.5"])("%s has no flat price for a token, so it has none here", (name) => {
  expect(builtinModels.get(name)).toBeDefined();
  expect(builtinModels.get(name)?.pricing).toBeUndefined();
});

test("the documentation says as of when the prices are", () => {
  expect(readFileSync("docs/quotas.md", "utf8")).toContain(`OpenAI's list as of ${pricesAsOf} `);
});

test("a window holds at least what a choice can have", () => {
  for (const [name, { inputTokensMax, outputTokensMax }] of builtinModels)
    expect({ name, fits: (inputTokensMax ?? outputTokensMax) >= outputTokensMax }).toEqual({ name, fits: true });
});
