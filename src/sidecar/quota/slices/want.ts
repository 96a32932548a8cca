/** One leased claim of a request, in units. */
import type { Claim, ReserveRequest } from "../../ports/quota-store.ts";
import { amountFor, grantOutput } from "../../stores/memory/grant.ts";

/** What a claim needs at least, and what it takes where there is room. */
export interface Want {
  readonly claim: Claim;
  readonly output: ReserveRequest["output"];
  readonly outputMost: number;
  readonly least: number;
  readonly most: number;
}

/** In units of the claim: an amount for the least output and for all that is wanted. */
export const wantOf = (claim: Claim, output: ReserveRequest["output"]): Want => {
  const outputMost = outputMostOf(output);
  const [least, most] = [amountFor(claim, outputLeastOf(output)), amountFor(claim, outputMost)];
  return { claim, output, outputMost, least, most };
};

/** Whether slices may decide a claim. */
export const isLeased = ({ precision }: Claim): boolean => precision === "Leased";

/** Names the counter of a claim. What is granted above the limit in mode Audit is none of Enforce; a changed duration is another counter. */
export const counterKeyOf = (namespace: string, { counter, scope, window, enforced }: Claim): string => {
  const duration = "durationMs" in window ? window.durationMs : 0;
  return `${enforced ? "" : "audit "}${scope ?? ""}${window.type}:${duration}:${namespace}/${counter}`;
};

/** As much output as there is room for; the least, even where that is too much. */
export const outputWithin = ({ claim, output }: Want, room: number): number =>
  grantOutput(output, [{ claim: { ...claim, max: room, enforced: true }, used: 0 }]);

/** All the output that is wanted, in whole steps, as the store grants it. */
export const outputMostOf = (output: ReserveRequest["output"]): number => {
  const { wanted = 0, step = 1 } = output ?? {};
  return Math.max(Math.floor(wanted / step) * step, outputLeastOf(output));
};

const outputLeastOf = (output: ReserveRequest["output"]): number => {
  const { min = 0, step = 1 } = output ?? {};
  return Math.ceil(min / step) * step;
};
