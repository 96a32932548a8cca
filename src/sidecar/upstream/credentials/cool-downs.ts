/** Credentials that the provider refused or slowed down: they are passed over until their time is up. */
import type { Clock } from "../../../base/clock.ts";

/** Longest rest that a Retry-After buys a key, in ms. */
export const rateLimitedMsMax = 60_000;
/** Rest of a key that was slowed down without a word on how long, in ms. */
export const rateLimitedMsDefault = 1_000;
/** Rest of a key that was refused (401), in ms: a revoked one is asked for once a minute, in case it was not. */
export const unauthorizedMs = 60_000;
/** Keys that are remembered; beyond it the oldest is forgotten, so rotation under fire fills no memory. */
const rememberedMax = 1_024;

/** Why one rests. */
export type CoolDownReason = "rate_limited" | "unauthorized";

interface CoolDown {
  readonly reason: CoolDownReason;
  readonly untilMs: number;
}

/** By id, for all backends and configs of a sidecar: a config that is swapped in forgets nothing. */
export class CoolDowns {
  readonly #byId = new Map<string, CoolDown>();
  /** Those that were refused when they were asked last, and as the how many-th refusal: it outlasts the rest. */
  readonly #refused = new Map<string, number>();
  readonly #clock: Clock;
  readonly #turned: () => void;
  #refusals = 0;
  /** `turned`: told when a credential comes to be refused, or works again. */
  constructor(clock: Clock, turned: () => void = () => undefined) {
    this.#clock = clock;
    this.#turned = turned;
  }
  /** Refusals so far: what a call notes before it sends, so that `worked` knows what it is newer than. */
  get refusals(): number {
    return this.#refusals;
  }
  /** It was refused when it was asked last, whether it still rests or not. */
  isRefused(id: string): boolean {
    return this.#refused.has(id);
  }
  /** It was accepted by a call that began after `refusals`; a call from before its refusal proves nothing. */
  worked(id: string, refusals: number): void {
    const refusedAt = this.#refused.get(id);
    if (refusedAt === undefined || refusedAt > refusals) return;
    this.#refused.delete(id);
    if (this.#byId.get(id)?.reason === "unauthorized") this.#byId.delete(id);
    this.#turned();
  }
  /** `waitMs`: what the provider asked for, with 429; absent or 0: the default. A rest is never made shorter. */
  rest(id: string, status: number, waitMs: number | undefined): void {
    const isRefused = status === 401;
    if (isRefused) this.#refuse(id);
    const ms = isRefused ? unauthorizedMs : Math.min(waitMs || rateLimitedMsDefault, rateLimitedMsMax);
    const untilMs = this.#clock.monotonicMs() + ms;
    const known = this.of(id);
    if (known && known.untilMs >= untilMs) return;
    this.#byId.delete(id);
    this.#byId.set(id, { reason: isRefused ? "unauthorized" : "rate_limited", untilMs });
    forgetOldest(this.#byId);
  }
  /** The rest that is under way; undefined: none. */
  of(id: string): CoolDown | undefined {
    const known = this.#byId.get(id);
    if (!known) return undefined;
    if (known.untilMs > this.#clock.monotonicMs()) return known;
    this.#byId.delete(id);
    return undefined;
  }
  /** How long it still rests, in ms; 0: it does not. */
  leftMs(id: string): number {
    const known = this.of(id);
    return known ? known.untilMs - this.#clock.monotonicMs() : 0;
  }
  #refuse(id: string): void {
    const isNew = !this.#refused.delete(id);
    this.#refused.set(id, ++this.#refusals);
    forgetOldest(this.#refused);
    if (isNew) this.#turned();
  }
}

const forgetOldest = (byId: Map<string, unknown>): void => {
  if (byId.size <= rememberedMax) return;
  const oldest = byId.keys().next();
  if (!oldest.done) byId.delete(oldest.value);
};
