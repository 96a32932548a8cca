/** What became of a caller's token or key. */
import type { Identity } from "../exchange.ts";
import type { CallerReason } from "./reasons.ts";

/** Who the caller proved to be: what it adds to the workload's identity. Every text is within the bounds of the contract. */
export interface Caller extends Pick<Identity, "tenant" | "roles" | "groups" | "clientKey"> {
  readonly user: string;
}

/** It proved nothing. */
export interface CallerRefusal {
  readonly reason: CallerReason;
}

/** Keys that may come: who waits for `load` and asks again may get another answer. */
export interface MissingKeys {
  /** The issuer, as the config names it. */
  readonly issuer: string;
  /**
   * Resolves when the keys were fetched, or could not be; never rejects. Undefined: that is not to be tried now.
   * Absent: only a new config can bring them.
   */
  readonly load?: () => Promise<void> | undefined;
  /** There are keys, but not the one that is needed. Absent: there are none that may be used. */
  readonly reason?: "key_unknown";
  /** When the keys are asked for again, in ms from now. */
  readonly retryAfterMs?: () => number;
}

/** One of three. */
export type CallerVerdict =
  | ({ readonly kind: "proven" } & { readonly caller: Caller })
  | ({ readonly kind: "refused" } & CallerRefusal)
  | ({ readonly kind: "missing-keys" } & MissingKeys);

/** Judges the text that a caller sent at a moment, in ms since the epoch. Synchronous, never throws, and never asks the network. */
export type CallerJudge = (text: string, nowMs: number) => CallerVerdict;
