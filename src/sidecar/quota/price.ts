/** What tokens cost, exactly. */
import { unitsMax } from "../../base/window.ts";
import type { ModelConfig } from "../../config/contract.ts";

/** Prices are for so many tokens. */
export const tokensPerPrice = 1_000_000;

/** Nano-dollars of an amount of tokens, rounded up; 2^53-1 at most. Exact: products beyond 2^53 are done in whole numbers. */
export function costOf(model: ModelConfig, tokens: { input: number; cachedInput: number; output: number }): number {
  const price = model.pricing;
  if (price === undefined) return 0;
  const fresh = Math.max(0, tokens.input - tokens.cachedInput);
  const cached = Math.min(tokens.cachedInput, tokens.input);
  const inDoubles =
    fresh * price.inputPerMTok + cached * price.cachedInputPerMTok + tokens.output * price.outputPerMTok;
  // What comes out below 2^53 was never rounded.
  if (inDoubles < Number.MAX_SAFE_INTEGER - tokensPerPrice) {
    const rest = inDoubles % tokensPerPrice;
    return (inDoubles - rest) / tokensPerPrice + (rest > 0 ? 1 : 0);
  }
  const sum =
    BigInt(fresh) * BigInt(price.inputPerMTok) +
    BigInt(cached) * BigInt(price.cachedInputPerMTok) +
    BigInt(tokens.output) * BigInt(price.outputPerMTok);
  const million = BigInt(tokensPerPrice);
  return Math.min(Number((sum + million - 1n) / million), unitsMax);
}

/** How far a price that is no whole number is rounded up, as a share: more than the roundings of a product and a sum of doubles. */
const roundedUp = 2 ** -50;

/**
 * Nano-dollars that one token of output adds to a hold. A fraction is made a hair larger: a hold is reckoned in doubles, and must
 * never come out one nano-dollar below what `costOf` charges.
 */
export function outputPriceOf(model: ModelConfig): number {
  const price = (model.pricing?.outputPerMTok ?? 0) / tokensPerPrice;
  return Number.isInteger(price) ? price : price * (1 + roundedUp);
}
