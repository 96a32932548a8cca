/** What the cluster signs service account tokens with, polled from the API server: sidecars verify their pods by it. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { type PodIdentityConfig, podAudience, podIdentitySchema, podKeysMax } from "../../config/pod-identity.ts";
import type { KubeApi } from "../../kube/port.ts";
import { IssuerFault, issuerIn, type PublicKey, publicKeysIn } from "./issuer-documents.ts";

/** How often the API server is asked, ms. */
export const issuerPollMs = 300_000;
/** How soon it is asked again after a failure, ms. */
export const issuerRetryMs = 5_000;
/** Added to the life of a token while a key is kept that the API server no longer names, ms: a poll, and clocks that differ. */
const keptMoreMs = issuerPollMs + 60_000;

const discoveryPath = "/.well-known/openid-configuration";
const keysPath = "/openid/v1/jwks";

/** What it works with. */
export interface IssuerKeysOptions {
  readonly api: Pick<KubeApi, "raw">;
  /** Life of a projected token, ms: as long as one may be about that was signed with an old key. */
  readonly tokenMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** What is published has changed. */
  readonly changed: () => void;
}

interface Known {
  readonly key: PublicKey;
  /** Monotonic: when the API server named it last. */
  readonly namedMs: number;
}

/**
 * The issuer and its keys. Every replica polls, so that a new leader knows the old keys, too. Keys live in memory only: after a
 * restart those that the API server names are all there is, and sidecars keep an identity whose key is gone for a day.
 */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions;
  #issuer: string | undefined;
  #known: readonly Known[] = [];
  #identity: PodIdentityConfig | undefined;
  #fault: string | undefined = "the API server has not been asked yet";
  #readMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
  }

  /** For `compile`; undefined: nothing was ever read, and nothing may be published. The same object until it changes. */
  get identity(): PodIdentityConfig | undefined {
    return this.#identity;
  }

  /** Why the last look failed; undefined: it did not. What was known before stays. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Seconds since it was read; undefined: never. */
  get ageSeconds(): number | undefined {
    return this.#readMs === undefined ? undefined : (this.#options.clock.monotonicMs() - this.#readMs) / 1000;
  }

  /** Asks once, and from then on in intervals until `stop`. Never rejects. */
  async start(): Promise<void> {
    await this.look();
    if (this.#isStopped) return;
    const afterMs = this.#fault === undefined ? issuerPollMs : issuerRetryMs;
    this.#timer = setTimeout(() => void this.start(), afterMs).unref();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** Asks the API server now. Never rejects. */
  async look(): Promise<void> {
    const { api, log } = this.#options;
    try {
      const [discovery, keys] = await Promise.all([api.raw(discoveryPath), api.raw(keysPath)]);
      this.#take(issuerIn(discovery), publicKeysIn(keys));
      if (this.#fault !== undefined) log.info({ keys: this.#known.length }, "the cluster's token keys were read");
      this.#fault = undefined;
    } catch (cause) {
      const fault = cause instanceof Error ? cause.message : String(cause);
      if (fault !== this.#fault)
        log.warn({ fault, isKnown: this.#identity !== undefined }, "the cluster's token keys cannot be read");
      this.#fault = fault;
    }
  }

  #take(issuer: string, named: readonly PublicKey[]): void {
    const { clock, tokenMs, log, changed } = this.#options;
    const nowMs = clock.monotonicMs();
    const kids = new Set(named.map(({ kid }) => kid));
    // Keys of one issuer alone: another one's tokens would not be accepted anyhow.
    const old = this.#known.filter(({ key, namedMs }) => !kids.has(key.kid) && nowMs - namedMs < tokenMs + keptMoreMs);
    const known = [...named.map((key): Known => ({ key, namedMs: nowMs })), ...(issuer === this.#issuer ? old : [])];
    const kept = known.slice(0, podKeysMax);
    const identity = identityOf(issuer, kept);
    if (this.#issuer !== undefined && issuer !== this.#issuer)
      log.warn(
        { issuer, before: this.#issuer },
        "the cluster's issuer has changed: pods are refused until their tokens rotate",
      );
    this.#issuer = issuer;
    this.#known = kept;
    this.#readMs = nowMs;
    if (JSON.stringify(identity) === JSON.stringify(this.#identity)) return;
    this.#identity = identity;
    log.info({ issuer, kids: kept.map(({ key }) => key.kid) }, "token keys to publish");
    changed();
  }
}

/** By kid, so that the order in which API servers answer changes nothing. Throws IssuerFault for what no sidecar would take. */
const identityOf = (issuer: string, known: readonly Known[]): PodIdentityConfig => {
  const keys = known.map(({ key }) => key).sort((a, b) => (a.kid < b.kid ? -1 : 1));
  const parsed = podIdentitySchema.safeParse({ issuer, audience: podAudience, jwks: { keys } });
  if (parsed.success) return parsed.data;
  throw new IssuerFault(parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
};
