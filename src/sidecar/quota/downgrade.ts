/** Which other model a refused request may go to. */
import type { GatewayError } from "../errors.ts";
import type { Shaped } from "../exchange.ts";
import type { ReserveResult } from "../ports/quota-store.ts";
import { overrideNow, type PlannedClaim } from "./plan.ts";

/** A request that was refused, with the way out. */
export interface Refused {
  /** The model that it goes to. */
  readonly to: string;
  /** Counts the refusal, and says it: where the other model is not open to this caller. */
  readonly refusal: () => GatewayError;
  /** Counts that it goes on. */
  readonly passed: () => void;
}

/** Answers a refused request with another model. */
export type Downgrade = (exchange: Shaped, refused: Refused) => Promise<void>;

/**
 * The model of the first limit that refuses; undefined where one of those that refuse says Deny, and where the model stands in the path or
 * in a form, which is sent on as it came. While an override of 0 counts it is meant to stop everything.
 */
export const downgradeModel = (
  { body, match, clock }: Shaped,
  planned: readonly PlannedClaim[],
  { claims }: ReserveResult,
): string | undefined => {
  if (body.kind !== "json" || match.endpoint.model !== "body") return undefined;
  const refusing = planned.filter(({ claim }, index) => claim.enforced && claims[index]?.exceeded);
  const nowMs = clock.nowMs();
  const isOpen = ({ limit }: PlannedClaim): boolean =>
    limit.downgradeTo !== undefined && overrideNow(limit, nowMs)?.max !== 0;
  return refusing.every(isOpen) ? refusing[0]?.limit.downgradeTo : undefined;
};
