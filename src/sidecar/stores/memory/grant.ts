import { unitsMax } from "../../../base/window.ts";
import type { Claim, ReserveRequest } from "../../ports/quota-store.ts";

/** What a claim holds for so much output, in units. */
export const amountFor = (claim: Claim, output: number): number =>
  Math.min(Math.ceil(claim.amount + (claim.perOutput ?? 0) * output), unitsMax);

/**
 * As much of the wanted output, in whole steps, as the enforced claims have room for: at least the least one, even where that
 * is too much; then the claims say so. The same arithmetic as reserve.lua.
 */
export const grantOutput = (
  output: ReserveRequest["output"],
  claims: readonly { readonly claim: Claim; readonly used: number }[],
): number => {
  const { wanted = 0, min = 0, step = 1 } = output ?? {};
  const least = Math.ceil(min / step) * step;
  let granted = Math.max(Math.floor(wanted / step) * step, least);
  for (const { claim, used } of claims) {
    const room = claim.max - used;
    if (!claim.enforced || granted <= least || amountFor(claim, granted) <= room) continue;
    granted = Math.max(Math.floor((room - claim.amount) / (claim.perOutput ?? 0) / step) * step, least);
    // A price is a fraction: the division can be off by one.
    while (granted > least && amountFor(claim, granted) > room) granted -= step;
  }
  return granted;
};
