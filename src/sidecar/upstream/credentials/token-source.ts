/**
 * One token of a provider, kept and renewed. It is renewed long before it ends, by a request that does not wait for it; while
 * that fails the old one is used as long as it lives. However many ask, one exchange is under way.
 */
import type { Clock } from "../../../base/clock.ts";
import type { Secret } from "../../../base/secret.ts";
import type { HeaderPairs } from "./credential.ts";
import type { ExchangedToken } from "./exchange.ts";
import { CredentialFault, type ExchangeFailure } from "./fault.ts";

/** How long before its end a token is renewed at the latest, in ms, where its life is three times as long or longer. */
const refreshMarginMs = 1_200_000;
/** The same for shorter lives, as a share of the life. */
const refreshShare = 1 / 3;
/** The margin is up to this share longer, by chance: sidecars that started together do not renew together. */
const refreshJitter = 0.2;
/** Wait after a failed exchange, in ms: doubled each time up to the most, a quarter less by chance. */
const backoffMsMin = 1_000;
const backoffMsMax = 15_000;
/** Longest wait that a token endpoint may ask for, in ms. */
const retryAfterMsMax = 60_000;
/** A token that the provider refuses is exchanged for a new one no more often than this, in ms. */
const forcedMsMin = 10_000;

/** What a source works with. */
export interface TokenSourceDeps {
  /** Reads the pod's token and exchanges it. Rejects with CredentialFault. */
  readonly exchange: () => Promise<ExchangedToken>;
  readonly clock: Clock;
  readonly random: () => number;
  /** Told of each exchange; `waitMs`: until the next try, after a failure. */
  readonly ended: (result: "ok" | ExchangeFailure, fault?: CredentialFault, waitMs?: number) => void;
  /** Headers of a token: made once for each. */
  readonly headersOf: (token: Secret) => HeaderPairs;
}

interface Held {
  readonly headers: HeaderPairs;
  readonly endsMs: number;
  readonly renewMs: number;
}

/** Keeps one token. */
export class TokenSource {
  readonly #deps: TokenSourceDeps;
  #held: Held | undefined;
  #running: Promise<HeaderPairs> | undefined;
  #failures = 0;
  #lastFault: CredentialFault | undefined;
  /** No exchange is begun before. */
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  /** Of the held token, when the provider has refused it. */
  #refused: HeaderPairs | undefined;
  #forcedMs = Number.NEGATIVE_INFINITY;

  constructor(deps: TokenSourceDeps) {
    this.#deps = deps;
  }

  /** The token's headers: at once while one lives. Rejects with CredentialFault. */
  headers(): HeaderPairs | Promise<HeaderPairs> {
    const nowMs = this.#deps.clock.monotonicMs();
    const held = this.#held;
    const lives = held !== undefined && nowMs < held.endsMs;
    if (lives && held.headers !== this.#refused) {
      if (nowMs >= held.renewMs && !this.#running && nowMs >= this.#notBeforeMs) this.#renew().catch(() => undefined); // `ended` was told, and the old one lives
      return held.headers;
    }
    if (this.#running) return this.#running;
    if (nowMs >= this.#notBeforeMs) return this.#renew();
    if (lives) return held.headers; // refused, but there is no other now
    return Promise.reject(this.#stillFailing(nowMs));
  }

  /** The provider answered 401 to these. True: a newer token is there, or on its way. */
  refused(used: HeaderPairs): boolean {
    if (this.#held?.headers !== used) return true;
    const nowMs = this.#deps.clock.monotonicMs();
    if (this.#refused === used) return true;
    if (nowMs - this.#forcedMs < forcedMsMin) return false;
    this.#forcedMs = nowMs;
    this.#refused = used;
    return true;
  }

  /** Seconds until the token ends, 0 when it has; undefined: there never was one. */
  get endsInSeconds(): number | undefined {
    if (!this.#held) return undefined;
    return Math.max(0, (this.#held.endsMs - this.#deps.clock.monotonicMs()) / 1000);
  }
  /** False when there is no token and the last exchange failed. */
  get isAvailable(): boolean {
    return this.#lastFault === undefined || (this.endsInSeconds ?? 0) > 0;
  }

  #renew(): Promise<HeaderPairs> {
    const { clock, exchange } = this.#deps;
    const startedMs = clock.monotonicMs();
    const running = exchange().then(
      (exchanged) => this.#succeeded(exchanged, startedMs),
      (cause: unknown) => this.#failed(cause),
    );
    this.#running = running;
    return running;
  }

  #succeeded({ token, lifeMs }: ExchangedToken, startedMs: number): HeaderPairs {
    const { headersOf, random, ended } = this.#deps;
    const marginMs = Math.min(refreshMarginMs, lifeMs * refreshShare) * (1 + refreshJitter * random());
    const endsMs = startedMs + lifeMs;
    const headers = headersOf(token);
    this.#held = { headers, endsMs, renewMs: endsMs - marginMs };
    this.#running = undefined;
    this.#refused = undefined;
    this.#failures = 0;
    this.#lastFault = undefined;
    this.#notBeforeMs = Number.NEGATIVE_INFINITY;
    ended("ok");
    return headers;
  }

  #failed(cause: unknown): never {
    const { clock, random, ended } = this.#deps;
    const fault =
      cause instanceof CredentialFault ? cause : new CredentialFault("invalid", "the exchange failed", { cause });
    const backoffMs = Math.min(backoffMsMin * 2 ** Math.min(this.#failures, 10), backoffMsMax);
    const waitMs = Math.max(backoffMs * (1 - random() / 4), Math.min(fault.retryAfterMs ?? 0, retryAfterMsMax));
    this.#failures++;
    this.#lastFault = fault;
    this.#notBeforeMs = clock.monotonicMs() + waitMs;
    this.#running = undefined;
    this.#refused = undefined; // better than none, should the refusal have been a mistake
    ended(fault.failure, fault, waitMs);
    throw fault;
  }

  #stillFailing(nowMs: number): CredentialFault {
    const { failure, message, status } = this.#lastFault ?? new CredentialFault("unavailable", "no exchange yet");
    return new CredentialFault(failure, message, { status, retryAfterMs: Math.ceil(this.#notBeforeMs - nowMs) });
  }
}
