/** The credentials of a sidecar: pools for each config, and what outlives configs, cool-downs and tokens. */
import type { Clock } from "../../../base/clock.ts";
import type { Log } from "../../../base/log.ts";
import type { BackendConfig } from "../../../config/contract.ts";
import type { WorkloadIdentityConfig } from "../../../config/credential.ts";
import type { SidecarMetrics } from "../../metrics.ts";
import type { Pools } from "../pools.ts";
import { CoolDowns } from "./cool-downs.ts";
import {
  accountHeaders,
  type Credential,
  type CredentialStanding,
  credentialId,
  type HeaderPairs,
  KeyCredential,
} from "./credential.ts";
import { exchangeToken } from "./exchange.ts";
import { CredentialPool } from "./pool.ts";
import { postThrough } from "./post.ts";
import { readToken, type TokenPlaces } from "./token-files.ts";
import { TokenSource } from "./token-source.ts";

/** What credentials are made with. */
export interface CredentialsDeps {
  readonly tokens: TokenPlaces;
  readonly pools: Pools;
  readonly clock: Clock;
  readonly random: () => number;
  readonly metrics: SidecarMetrics;
  readonly log: Log;
  /** Told when a credential comes to be refused, or works again. */
  readonly turned: () => void;
}

/** Makes pools; tokens are kept by who exchanges, not by config or place in a list. */
export class Credentials {
  readonly #deps: CredentialsDeps;
  readonly #coolDowns: CoolDowns;
  readonly #sources = new Map<string, TokenSource>();

  constructor(deps: CredentialsDeps) {
    this.#deps = deps;
    this.#coolDowns = new CoolDowns(deps.clock, deps.turned);
  }

  /** The pool of a backend. */
  poolOf(backend: BackendConfig): CredentialPool {
    const { origin } = new URL(backend.endpoint);
    const credentials = backend.credentials.map((config) =>
      config.type === "Secret"
        ? new KeyCredential(config, { type: backend.type, origin })
        : new TokenCredential(config, origin, this.#sourceOf(config)),
    );
    return new CredentialPool({
      backend: backend.name,
      credentials,
      coolDowns: this.#coolDowns,
      random: this.#deps.random,
    });
  }

  /** Forgets tokens that no backend of the config in force asks for; calls that run keep theirs. */
  retain(backends: readonly BackendConfig[]): void {
    const wanted = new Set(
      backends
        .flatMap(({ credentials }) => credentials)
        .flatMap((config) => (config.type === "Secret" ? [] : [identityOf(config)])),
    );
    for (const id of this.#sources.keys()) if (!wanted.has(id)) this.#sources.delete(id);
  }

  #sourceOf(config: WorkloadIdentityConfig): TokenSource {
    const id = identityOf(config);
    const known = this.#sources.get(id);
    if (known) return known;
    const { tokens, pools, clock, random, metrics, log } = this.#deps;
    const { name: credential } = config;
    const post = postThrough(pools, () => clock.nowMs());
    const source = new TokenSource({
      exchange: async () => exchangeToken(config, await readToken(tokens, config.audience), post),
      clock,
      random,
      headersOf: (token) => ["authorization", `Bearer ${token.reveal()}`, ...accountHeaders(config)],
      ended: (result, fault, waitMs = 0) => {
        metrics.tokenExchanged(result);
        if (fault) log.warn({ credential, result, why: fault.message, waitMs }, "no token was to be had");
        else log.debug({ credential }, "token exchanged");
      },
    });
    this.#sources.set(id, source);
    return source;
  }
}

/** Everything that decides which token is given: another identity never gets this one's. */
const identityOf = ({ audience, tokenURL, exchange, organization, project }: WorkloadIdentityConfig): string =>
  credentialId("WorkloadIdentity", audience, tokenURL, JSON.stringify([exchange, organization, project]));

/** Workload identity: the token that its source keeps. */
class TokenCredential implements Credential {
  readonly name: string;
  readonly id: string;
  readonly weight: number;
  readonly #source: TokenSource;

  /** What one origin refuses, such as a resource without the role, another may take. */
  constructor(config: WorkloadIdentityConfig, origin: string, source: TokenSource) {
    this.name = config.name;
    this.id = credentialId("WorkloadIdentity", origin, identityOf(config));
    this.weight = config.weight;
    this.#source = source;
  }
  headers(): HeaderPairs | Promise<HeaderPairs> {
    return this.#source.headers();
  }
  refused(used: HeaderPairs): boolean {
    return this.#source.refused(used);
  }
  standing(): CredentialStanding {
    const { isAvailable, endsInSeconds } = this.#source;
    return { isAvailable, ...(endsInSeconds !== undefined && { expiresInSeconds: endsInSeconds }) };
  }
}
