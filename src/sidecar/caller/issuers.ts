/** The OIDC issuers of a sidecar: their keys outlive configs, and are renewed by one timer. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { CallerConfig } from "../../config/caller.ts";
import type { SidecarMetrics } from "../metrics.ts";
import { getThrough } from "../upstream/document.ts";
import type { Pools } from "../upstream/pools.ts";
import type { KeySource, OidcIssuerConfig } from "./bearer.ts";
import { fetchKeys, type IssuerPlace } from "./issuer-documents.ts";
import { IssuerKeys, type IssuerView } from "./issuer-keys.ts";

/** How often it is looked whether keys are to be renewed, in ms. */
const lookMs = 5_000;

/** What issuers are made with. */
export interface IssuersDeps {
  readonly pools: Pools;
  readonly clock: Clock;
  readonly random: () => number;
  readonly metrics: SidecarMetrics;
  readonly log: Log;
}

interface Kept {
  readonly place: IssuerPlace;
  readonly keys: IssuerKeys;
}

/** Makes keys' keepers, one for each issuer, however many configs name it. */
export class Issuers {
  readonly #deps: IssuersDeps;
  readonly #kept = new Map<string, Kept>();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(deps: IssuersDeps) {
    this.#deps = deps;
  }

  /** The keys of an issuer; new ones are fetched at once, and nobody waits for that. */
  keysOf(config: OidcIssuerConfig): KeySource {
    const id = idOf(config);
    const known = this.#kept.get(id);
    if (known) return known.keys;
    const keys = this.#newKeys(config);
    this.#kept.set(id, { place: config, keys });
    if (!this.#isStopped) {
      keys.look();
      this.#timer ??= setInterval(() => this.look(), lookMs).unref();
    }
    return keys;
  }

  /** Renews what is due; the timer does it. */
  look(): void {
    for (const { keys } of this.#kept.values()) keys.look();
  }

  /** Forgets the keys of issuers that the config in force does not name. Requests that run keep theirs. */
  retain(caller: CallerConfig | undefined): void {
    const issuers = caller?.require === "Bearer" ? caller.issuers : [];
    const wanted = new Set(issuers.flatMap((each) => (each.type === "OIDC" ? [idOf(each)] : [])));
    for (const id of this.#kept.keys()) if (!wanted.has(id)) this.#kept.delete(id);
    if (this.#kept.size === 0) this.#clearTimer();
  }

  /** Fetches no more by itself. */
  stop(): void {
    this.#isStopped = true;
    this.#clearTimer();
  }

  /** How they stand now. */
  views(): readonly IssuerView[] {
    return [...this.#kept.values()].map(({ place, keys }) => ({ issuer: place.issuer, ...keys.view() }));
  }

  #clearTimer(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #newKeys(place: OidcIssuerConfig): IssuerKeys {
    const { pools, clock, random, metrics, log } = this.#deps;
    const { issuer } = place;
    const get = getThrough(pools);
    return new IssuerKeys({
      ...{ clock, random },
      fetch: () => fetchKeys(place, get),
      ended: (result, fault, waitMs = 0) => {
        metrics.issuerRefreshed(issuer, result);
        if (fault) log.warn({ issuer, result, why: fault.message, waitMs }, "the issuer's keys cannot be fetched");
        else log.debug({ issuer }, "the issuer's keys were fetched");
      },
    });
  }
}

/** All that decides which keys are fetched, and from where. */
const idOf = ({ issuer, jwksURL, isInsecure }: IssuerPlace): string =>
  JSON.stringify([issuer, jwksURL ?? "", isInsecure ?? false]);
