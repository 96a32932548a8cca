/** Judges callers' JWTs: form, issuer, algorithm, key, signature, claims, in this order. Made once for each config. */
import type { IssuerConfig } from "../../config/caller.ts";
import type { PodIdentityConfig } from "../../config/pod-identity.ts";
import { tokenAlgorithms } from "../identity/token.ts";
import { callerOf } from "./claim-values.ts";
import { claimsFault } from "./claims.ts";
import { KeyRing } from "./key-ring.ts";
import { type BearerToken, parseBearer } from "./token.ts";
import type { CallerJudge, CallerVerdict } from "./verdict.ts";

/** An issuer of type OIDC, decoded. */
export type OidcIssuerConfig = Extract<IssuerConfig, { type: "OIDC" }>;

/** Keys of an issuer that come and change. */
export interface KeySource {
  /** Those that may be used now; undefined: none. */
  ring(): KeyRing | undefined;
  /** There are none: fetches them. Undefined: not now. Resolves when that has ended, however; never rejects. */
  load(): Promise<void> | undefined;
  /** A token names a key that is not among them: asks anew. Undefined: not now. Resolves when that has ended; never rejects. */
  missed(): Promise<void> | undefined;
  /** When keys are asked for again, in ms from now. */
  retryAfterMs(): number;
}

/** Keys that never change while a config is in force. */
export const fixedKeys = (ring: KeyRing): KeySource => ({
  ring: () => ring,
  load: () => undefined,
  missed: () => undefined,
  retryAfterMs: () => 0,
});

/** Where the keys are. */
export interface BearerSources {
  /** The cluster's issuer and keys; absent: tokens of type Cluster cannot be verified. */
  readonly podIdentity?: PodIdentityConfig | undefined;
  readonly keysOf: (issuer: OidcIssuerConfig) => KeySource;
}

/** How an issuer is called where the config does not know it. */
const clusterName = "the cluster";

interface Judged {
  readonly config: IssuerConfig;
  readonly issuer: string;
  readonly algorithms: readonly string[];
  readonly keys: KeySource;
}

/** Makes the judge of a route's issuers. */
export const bearerJudge = (issuers: readonly IssuerConfig[], sources: BearerSources): CallerJudge => {
  const known = new Map<string, Judged>();
  for (const config of issuers) {
    const judged = judgedOf(config, sources);
    if (judged && !known.has(judged.issuer)) known.set(judged.issuer, judged);
  }
  const isClusterUnknown = issuers.some(({ type }) => type === "Cluster") && sources.podIdentity === undefined;
  return (text, nowMs) => {
    const token = parseBearer(text);
    if ("reason" in token) return { kind: "refused", ...token };
    const { iss } = token.claims;
    if (typeof iss !== "string" || iss === "") return { kind: "refused", reason: "issuer_missing" };
    const issuer = known.get(iss);
    if (issuer) return judge(token, issuer, nowMs);
    return isClusterUnknown
      ? { kind: "missing-keys", issuer: clusterName }
      : { kind: "refused", reason: "issuer_mismatch" };
  };
};

const judgedOf = (config: IssuerConfig, { podIdentity, keysOf }: BearerSources): Judged | undefined => {
  if (config.type === "OIDC")
    return { config, issuer: config.issuer, algorithms: config.algorithms, keys: keysOf(config) };
  if (!podIdentity) return undefined;
  const { issuer, jwks } = podIdentity;
  return { config, issuer, algorithms: tokenAlgorithms, keys: fixedKeys(new KeyRing(jwks.keys)) };
};

const judge = (token: BearerToken, { config, issuer, algorithms, keys }: Judged, nowMs: number): CallerVerdict => {
  if (!algorithms.includes(token.algorithm)) return { kind: "refused", reason: "algorithm_not_allowed" };
  const ring = keys.ring();
  const missing = { kind: "missing-keys", issuer, retryAfterMs: () => keys.retryAfterMs() } as const;
  if (!ring) return { ...missing, load: () => keys.load() };
  // What is wrong whoever signed it costs no signature, and asks no issuer for another key.
  const early = claimsFault(token.claims, config, nowMs);
  if (early) return { kind: "refused", reason: early };
  const fault = ring.fault(token);
  if (fault === "key_unknown") return { ...missing, reason: fault, load: () => keys.missed() };
  if (fault) return { kind: "refused", reason: fault };
  const caller = callerOf(token.claims, config);
  return "reason" in caller ? { kind: "refused", ...caller } : { kind: "proven", caller };
};
