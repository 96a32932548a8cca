/** What the store refused a moment ago. */
import type { ClaimState } from "../../ports/quota-store.ts";
import type { Want } from "./want.ts";

/** How long the store's refusal stands for requests that need as much, in ms: a flood at a spent limit is not the store's to refuse. */
export const refusalMs = 500;

interface Refusal {
  readonly least: number;
  readonly max: number;
  readonly state: ClaimState;
  readonly atMs: number;
  readonly untilMs: number;
}

/** The last refusal of one counter. Times are monotonic, in ms. */
export class RefusalMemory {
  #refusal: Refusal | undefined;

  /** The store refused so much under this limit. */
  remember({ claim, least }: Want, state: ClaimState, nowMs: number): void {
    if (!claim.enforced) return;
    this.#refusal = {
      least,
      max: claim.max,
      state,
      atMs: nowMs,
      untilMs: nowMs + Math.min(refusalMs, state.retryAfterMs),
    };
  }

  /** Something was given back. */
  forget(): void {
    this.#refusal = undefined;
  }

  /** The refusal, where it stands for this request too. */
  stateFor({ claim, least }: Want, nowMs: number): ClaimState | undefined {
    const refusal = this.#refusal;
    if (!refusal || !claim.enforced || least < refusal.least || claim.max > refusal.max) return undefined;
    if (nowMs > refusal.untilMs) {
      this.#refusal = undefined;
      return undefined;
    }
    const { state, atMs } = refusal;
    const passedMs = Math.round(nowMs - atMs);
    const retryAfterMs = Math.max(0, state.retryAfterMs - passedMs);
    return { ...state, resetMs: Math.max(0, state.resetMs - passedMs), retryAfterMs };
  }
}
