/**
 * The keys of one OIDC issuer, kept and renewed. Renewed in the background, by nobody's request; while that fails the old ones are used
 * for a day. However many ask, one fetch is under way, and tokens with unknown keys cause few.
 */
import type { Clock } from "../../base/clock.ts";
import { type DocumentFailure, DocumentFault } from "../upstream/document.ts";
import type { KeySource } from "./bearer.ts";
import type { KeyRing } from "./key-ring.ts";

/** Age at which keys are fetched anew, in ms; up to a tenth earlier by chance, so that sidecars that started together drift apart. */
export const keysFreshMs = 600_000;
const freshJitter = 0.1;
/** How long keys are used that cannot be renewed, in ms. */
export const keysKeptMs = 24 * 3_600_000;
/** Fetches that tokens with unknown keys cause are this far apart, in ms: anybody can invent a kid. */
export const missIntervalMs = 30_000;
/** Wait after a failed fetch, in ms: doubled each time up to the most, a quarter less by chance. */
const backoffMsMin = 1_000;
const backoffMsMax = 30_000;

/** What it works with. */
export interface IssuerKeysDeps {
  /** Rejects with DocumentFault. */
  readonly fetch: () => Promise<KeyRing>;
  readonly clock: Clock;
  readonly random: () => number;
  /** Told of each fetch; `waitMs`: until the next one, after a failure. */
  readonly ended: (result: "ok" | DocumentFailure, fault?: DocumentFault, waitMs?: number) => void;
}

/** How an issuer's keys stand; nothing of a key but how many there are. */
export interface IssuerKeysView {
  readonly state: "fresh" | "stale" | "missing";
  readonly keys: number;
  /** Since they were fetched; absent: never. */
  readonly ageSeconds?: number;
  /** Why the last fetch failed; absent: it did not. */
  readonly lastFault?: string;
}

/** The same with the issuer's name, as /status and the metrics show it. */
export interface IssuerView extends IssuerKeysView {
  readonly issuer: string;
}

/** Keeps the keys of one issuer. Nothing is fetched before `load` or `look`. */
export class IssuerKeys implements KeySource {
  readonly #deps: IssuerKeysDeps;
  #ring: KeyRing | undefined;
  /** Monotonic: when the fetch of these keys began. */
  #fetchedMs = Number.NEGATIVE_INFINITY;
  #dueMs = Number.NEGATIVE_INFINITY;
  /** No fetch begins before, after a failure. */
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #missMs = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;
  #failures = 0;
  #lastFault: DocumentFault | undefined;

  constructor(deps: IssuerKeysDeps) {
    this.#deps = deps;
  }

  /** The keys, for a day after they were fetched. */
  ring(): KeyRing | undefined {
    return this.#deps.clock.monotonicMs() - this.#fetchedMs < keysKeptMs ? this.#ring : undefined;
  }

  /** Joins the fetch that is under way, or begins one, unless the last one failed a moment ago. */
  load(): Promise<void> | undefined {
    if (this.#running) return this.#running;
    return this.#deps.clock.monotonicMs() >= this.#notBeforeMs ? this.#fetch() : undefined;
  }

  /** The same for a token's unknown key, once in 30 s. */
  missed(): Promise<void> | undefined {
    if (this.#running) return this.#running;
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs - this.#missMs < missIntervalMs) return undefined;
    const loading = this.load();
    if (loading) this.#missMs = nowMs;
    return loading;
  }

  /** Fetches if it is time. Never waits. */
  look(): void {
    if (this.#deps.clock.monotonicMs() >= this.#dueMs) void this.load();
  }

  /** When the next fetch may begin, in ms from now; 0: at once. */
  retryAfterMs(): number {
    return Math.max(0, Math.ceil(this.#notBeforeMs - this.#deps.clock.monotonicMs()));
  }

  /** Seconds since the keys were fetched; undefined: never. */
  get ageSeconds(): number | undefined {
    return this.#ring && Math.max(0, (this.#deps.clock.monotonicMs() - this.#fetchedMs) / 1000);
  }

  /** For /status. */
  view(): IssuerKeysView {
    const { ageSeconds } = this;
    const usable = this.ring();
    return {
      state: usable === undefined ? "missing" : this.#lastFault ? "stale" : "fresh",
      keys: usable?.size ?? 0,
      ...(ageSeconds !== undefined && { ageSeconds: Math.round(ageSeconds * 1000) / 1000 }),
      ...(this.#lastFault && { lastFault: this.#lastFault.message }),
    };
  }

  #fetch(): Promise<void> {
    const startedMs = this.#deps.clock.monotonicMs();
    const running = this.#deps.fetch().then(
      (ring) => this.#fetched(ring, startedMs),
      (cause: unknown) => this.#failed(cause),
    );
    this.#running = running;
    return running;
  }

  #fetched(ring: KeyRing, startedMs: number): void {
    this.#running = undefined;
    this.#ring = ring;
    this.#fetchedMs = startedMs;
    this.#dueMs = startedMs + keysFreshMs * (1 - freshJitter * this.#deps.random());
    this.#failures = 0;
    this.#lastFault = undefined;
    this.#deps.ended("ok");
  }

  #failed(cause: unknown): void {
    const fault =
      cause instanceof DocumentFault ? cause : new DocumentFault("invalid", "the keys cannot be read", { cause });
    const backoffMs = Math.min(backoffMsMin * 2 ** Math.min(this.#failures, 10), backoffMsMax);
    const waitMs = Math.ceil(backoffMs * (1 - this.#deps.random() / 4));
    this.#running = undefined;
    this.#failures++;
    this.#lastFault = fault;
    this.#notBeforeMs = this.#deps.clock.monotonicMs() + waitMs;
    this.#dueMs = this.#notBeforeMs;
    this.#deps.ended(fault.failure, fault, waitMs);
  }
}
