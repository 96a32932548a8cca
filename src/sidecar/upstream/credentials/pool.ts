/** The credentials of one backend: which one is sent next. */
import type { RefusedCredential } from "../../../redis/heartbeat.ts";
import type { CoolDowns } from "./cool-downs.ts";
import type { Credential } from "./credential.ts";

/** How a credential stands, in one word. unauthorized: refused when it was asked last. unavailable: there is no token to send. */
export type CredentialState = "ready" | "rate_limited" | "unauthorized" | "unavailable";
/** Every state. */
export const credentialStates: readonly CredentialState[] = ["ready", "rate_limited", "unauthorized", "unavailable"];

/** What metrics and /status show of a credential. */
export interface CredentialView {
  readonly backend: string;
  readonly credential: string;
  readonly state: CredentialState;
  readonly expiresInSeconds?: number;
}

/** Those that were refused when they were asked last, as heartbeats name them. */
export const refusedAmong = (views: readonly CredentialView[]): readonly RefusedCredential[] =>
  views
    .filter(({ state }) => state === "unauthorized")
    .map(({ backend, credential }): RefusedCredential => ({ backend, credential }));

/** Chooses by weight among those that do not rest. Nothing in it changes but the cool-downs, which outlive it. */
export class CredentialPool {
  /** Nothing is sent: a compatible server without keys. */
  readonly isEmpty: boolean;
  readonly #backend: string;
  readonly #all: readonly Credential[];
  /** Those that may be chosen. */
  readonly #open: readonly Credential[];
  readonly #only: Credential | undefined;
  readonly #coolDowns: CoolDowns;
  readonly #random: () => number;

  /** `random`: 0 to below 1. */
  constructor(options: {
    backend: string;
    credentials: readonly Credential[];
    coolDowns: CoolDowns;
    random: () => number;
  }) {
    this.#backend = options.backend;
    this.#all = options.credentials;
    this.isEmpty = options.credentials.length === 0;
    this.#open = options.credentials.filter(({ weight }) => weight > 0);
    this.#only = this.#open.length === 1 ? this.#open[0] : undefined;
    this.#coolDowns = options.coolDowns;
    this.#random = options.random;
  }

  /** The one to send first. Where all rest, the one that is free first, and a refused one only where no other is. */
  first(): Credential | undefined {
    return this.#only ?? this.another([]) ?? this.soonest([]);
  }

  /** A further one that does not rest; undefined: there is none. */
  another(tried: readonly Credential[]): Credential | undefined {
    const free = this.#open.filter((credential) => !tried.includes(credential) && !this.#coolDowns.of(credential.id));
    const sum = free.reduce((total, { weight }) => total + weight, 0);
    let point = this.#random() * sum;
    let chosen: Credential | undefined;
    for (const credential of free) {
      chosen = credential;
      point -= credential.weight;
      if (point < 0) break;
    }
    return chosen;
  }

  /** Of those that rest the one that is free first; a refused one only where no other is. */
  soonest(tried: readonly Credential[]): Credential | undefined {
    const waitMs = ({ id }: Credential): number => {
      const isRefused = this.#coolDowns.of(id)?.reason === "unauthorized";
      return this.#coolDowns.leftMs(id) + (isRefused ? Number.MAX_SAFE_INTEGER / 2 : 0);
    };
    return this.#open.filter((credential) => !tried.includes(credential)).sort((a, b) => waitMs(a) - waitMs(b))[0];
  }

  /** The provider refused it (401) or slowed it down (429). */
  rest(credential: Credential, status: number, waitMs: number | undefined): void {
    this.#coolDowns.rest(credential.id, status, waitMs);
  }

  /** Refusals so far, for `worked`. */
  get refusals(): number {
    return this.#coolDowns.refusals;
  }

  /** The provider accepted it in a call that began after `refusals`. */
  worked(credential: Credential, refusals: number): void {
    this.#coolDowns.worked(credential.id, refusals);
  }

  /** Until one of them is free, in ms; 0: one is. */
  freeInMs(): number {
    return Math.min(...this.#open.map(({ id }) => this.#coolDowns.leftMs(id)));
  }

  /** How each stands. */
  views(): CredentialView[] {
    return this.#all.map((credential) => {
      const { isAvailable, expiresInSeconds } = credential.standing();
      const isRefused = this.#coolDowns.isRefused(credential.id);
      const resting = isRefused ? "unauthorized" : this.#coolDowns.of(credential.id)?.reason;
      const state = resting ?? (isAvailable ? "ready" : "unavailable");
      return {
        backend: this.#backend,
        credential: credential.name,
        state,
        ...(expiresInSeconds !== undefined && { expiresInSeconds }),
      };
    });
  }
}
