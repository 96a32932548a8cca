/** Money is exact to the nano-dollar: what the store has charged beside a ledger that reckons in another way. */
import { expect, test } from "vitest";
import { FakeClock } from "../../src/base/clock.ts";
import type { ModelConfig } from "../../src/config/contract.ts";
import { randomFrom } from "../../src/fakeprovider/words.ts";
import { costOf, outputPriceOf } from "../../src/sidecar/quota/price.ts";
import { createMemoryQuotaStore } from "../../src/sidecar/stores/memory/quota.ts";
import { share, tellFigure } from "../fixtures/proof.ts";

const requests = share(1_000_000);
/** Dollars enough for so many requests fit in one counter. */
const perCounter = 100_000;
const counterOf = (request: number): string => `money-${Math.floor(request / perCounter)}`;
const millionth = 1_000_000n;

/** Prices as they stand in a route, US dollars for a million tokens: sold ones, tiny, odd and large ones. */
const prices = [
  { input: "2.50", cached: "1.25", output: "10" },
  { input: "0.15", cached: "0.075", output: "0.60" },
  { input: "0.000000001", cached: "0", output: "0.000000003" },
  { input: "0.333333333", cached: "0.111111111", output: "0.999999999" },
  { input: "15", cached: "7.5", output: "60" },
  { input: "1234.567890123", cached: "617.283945061", output: "4938.271560492" },
] as const;

/** Nano-dollars of a decimal text, by its digits. */
const nanosOf = (text: string): bigint => {
  const [whole = "", fraction = ""] = text.split(".");
  return BigInt(`${whole}${fraction.padEnd(9, "0")}`);
};

/** Nano-dollars of tokens, rounded up: whole millions first, then the rest in millionths of a nano-dollar, digit by digit. */
const ledgerCost = (parts: readonly (readonly [tokens: bigint, nanos: bigint])[]): bigint => {
  let whole = 0n;
  let millionths = 0n;
  for (const [tokens, nanos] of parts) {
    whole += (tokens / millionth) * nanos;
    const rest = tokens % millionth;
    whole += rest * (nanos / millionth);
    millionths += rest * (nanos % millionth);
  }
  while (millionths >= millionth * 1_000n) {
    millionths -= millionth * 1_000n;
    whole += 1_000n;
  }
  while (millionths >= millionth) {
    millionths -= millionth;
    whole += 1n;
  }
  return whole + (millionths > 0n ? 1n : 0n);
};

const modelOf = (price: (typeof prices)[number]): ModelConfig =>
  ({
    pricing: {
      inputPerMTok: Number(nanosOf(price.input)),
      cachedInputPerMTok: Number(nanosOf(price.cached)),
      outputPerMTok: Number(nanosOf(price.output)),
    },
  }) as ModelConfig; // the price is all that costOf reads

test(`${requests} random requests cost to the nano-dollar what a ledger of another make says`, {
  timeout: 300_000,
}, async () => {
  const store = createMemoryQuotaStore({ clock: new FakeClock() });
  const window = { type: "Fixed", durationMs: 31 * 86_400_000 } as const;
  const max = 8_000_000_000_000_000; // 8 million dollars
  const random = randomFrom(20_261_121);
  const below = (limit: number): number => Math.floor(random() * limit);
  const models = prices.map((price) => ({ price, config: modelOf(price) }));
  let ledger = 0n;
  let refused = 0;
  for (let i = 0; i < requests; i++) {
    const model = models[below(models.length)];
    if (model === undefined) throw new Error("no such model");
    const inputHeld = below(10) === 0 ? below(2_000_000) : below(9_000);
    const wanted = below(10) === 0 ? below(200_000) : below(4_000);
    const [input, output] = [below(inputHeld + 1), below(wanted + 1)];
    const cachedInput = below(3) === 0 ? below(input + 1) : 0;
    const nanos = {
      input: nanosOf(model.price.input),
      cached: nanosOf(model.price.cached),
      output: nanosOf(model.price.output),
    };
    const claim = {
      counter: counterOf(i),
      window,
      max,
      amount: costOf(model.config, { input: inputHeld, cachedInput: 0, output: 0 }),
      perOutput: outputPriceOf(model.config),
      enforced: true,
    };
    const holdId = `h${i}`;
    const asked = { namespace: "n", holdId, leaseMs: 60_000, claims: [claim], output: { wanted, min: wanted } };
    const result = await store.reserve(asked);
    if (!result.admitted) {
      refused++;
      continue;
    }
    const actual = costOf(model.config, { input, cachedInput, output });
    const want = ledgerCost([
      [BigInt(input - cachedInput), nanos.input],
      [BigInt(cachedInput), nanos.cached],
      [BigInt(output), nanos.output],
    ]);
    if (BigInt(actual) !== want)
      expect.fail(`${JSON.stringify({ model: model.price, input, cachedInput, output })}: ${actual}, not ${want}`);
    // What is held is never less than what is charged, or a limit could be passed.
    const held = Math.ceil(claim.amount + claim.perOutput * wanted);
    if (actual > held) expect.fail(`held ${held}, charged ${actual}`);
    await store.settle({ namespace: "n", holdId, amounts: [actual] });
    ledger += want;
  }
  expect(refused).toBe(0);
  let counted = 0n;
  for (let i = 0; i < requests; i += perCounter) counted += BigInt(await store.peek("n", counterOf(i), window));
  expect(counted).toBe(ledger);
  tellFigure("money", { requests, "nano-dollars": String(ledger), "off by": String(counted - ledger) });
});

test("a hold is never one nano-dollar below what the same tokens cost, whatever the price", () => {
  const random = randomFrom(7);
  const below = (limit: number): number => Math.floor(random() * limit);
  for (let i = 0; i < share(1_000_000); i++) {
    // Up to 10,000 dollars for a million tokens: there a plain product of doubles falls short now and then.
    const pricing = { inputPerMTok: 0, cachedInputPerMTok: 0, outputPerMTok: below(10_000_000_000_000) };
    const config = { pricing } as ModelConfig; // as above
    const output = below(1_000_000);
    const charged = costOf(config, { input: 0, cachedInput: 0, output });
    const held = Math.ceil(outputPriceOf(config) * output);
    if (charged > held || held - charged > 1) expect.fail(`${JSON.stringify({ pricing, output, held, charged })}`);
  }
});
