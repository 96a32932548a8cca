/** One config in force, with everything made from it. Requests keep the snapshot that they started with. */

import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { BackendConfig, SidecarConfig } from "../config/contract.ts";
import { CacheSeal } from "./cache/seal.ts";
import { callerCheck } from "./caller/check.ts";
import type { Issuers } from "./caller/issuers.ts";
import { refuse } from "./errors.ts";
import type { Identity, Received } from "./exchange.ts";
import { type IdentityReason, refusalText } from "./identity/reasons.ts";
import type { SidecarMetrics } from "./metrics.ts";
import { pipelineFor, refusingPipeline } from "./pipeline.ts";
import type { AuditSink } from "./ports/audit-sink.ts";
import type { CacheStore } from "./ports/cache-store.ts";
import type { QuotaStore } from "./ports/quota-store.ts";
import type { LeaseKeeper } from "./quota/leases.ts";
import type { OutputSizes } from "./quota/output-sizes.ts";
import type { Settler } from "./quota/settler.ts";
import type { LocalShares } from "./quota/share/local-shares.ts";
import type { Handler } from "./stage.ts";
import type { RecordDeps } from "./stages/record.ts";
import type { Backend } from "./upstream/backend.ts";
import type { Credentials } from "./upstream/credentials/credentials.ts";
import type { CredentialView } from "./upstream/credentials/pool.ts";
import type { Pools } from "./upstream/pools.ts";
import type { Rests } from "./upstream/targets.ts";

/** What outlives a config. */
export interface SnapshotDeps {
  readonly identity: Identity;
  /** Why the identity is not proven at this moment; undefined: it is, or need not be. */
  readonly refusal: () => IdentityReason | undefined;
  readonly instance: string;
  readonly quotaStore: QuotaStore;
  readonly cacheStore: CacheStore;
  readonly settler: Settler;
  readonly leases: LeaseKeeper;
  readonly shares: LocalShares;
  readonly sizes: OutputSizes;
  readonly pools: Pools;
  readonly credentials: Credentials;
  readonly issuers: Issuers;
  readonly rests: Rests;
  readonly metrics: SidecarMetrics;
  readonly log: Log;
  readonly random: () => number;
  readonly clock: Clock;
  /** The sink that a route's audit settings ask for; sinks are shared by snapshots that ask for the same. */
  readonly sinkFor: (audit: NonNullable<SidecarConfig["route"]>["audit"]) => AuditSink;
}

/** A config and what was made of it; nothing in it changes. `origins`: of its backends and token endpoints, whose connections are kept. */
export interface Snapshot {
  readonly config: SidecarConfig;
  readonly digest: string;
  readonly handler: Handler<Received>;
  /** Headers that every answer carries. */
  readonly answerHeaders: readonly [string, string][];
  /** The same over TLS: there they may say that it is to stay TLS (RFC 6797 section 7.2 forbids that in clear). */
  readonly secureAnswerHeaders: readonly [string, string][];
  /** Absent where no route applies: there is nothing to record. */
  readonly record: RecordDeps | undefined;
  readonly origins: ReadonlySet<string>;
  /** How its credentials stand. */
  readonly credentials: () => readonly CredentialView[];
}

/** Builds the pipeline of a config. Pure but for opening the audit sink. */
export function snapshotOf(config: SidecarConfig, digest: string, deps: SnapshotDeps): Snapshot {
  const { route, subject } = config;
  const base = { config, digest };
  const none: [string, string][] = [];
  const bare = { answerHeaders: none, secureAnswerHeaders: none };
  const closed = { ...base, ...bare, record: undefined, origins: new Set<string>(), credentials: () => [] };
  const isOurs =
    subject.namespace === deps.identity.namespace && subject.serviceAccount === deps.identity.serviceAccount;
  if (!isOurs) {
    const why = `this config is for ${subject.namespace}/${subject.serviceAccount}, the workload is ${deps.identity.namespace}/${deps.identity.serviceAccount}`;
    return { ...closed, handler: refuseIdentity(refusalText("config_of_another_workload", why)) };
  }
  if (config.isNotParent)
    return { ...closed, handler: refuseIdentity(refusalText("not_a_parent", config.noRouteReason)) };
  if (route === undefined) return { ...closed, handler: refusingPipeline(subject, config.noRouteReason) };
  const backends = new Map(route.backends.map((backend) => [backend.name, backendOf(backend, deps.credentials)]));
  const record: RecordDeps = {
    route,
    sink: deps.sinkFor(route.audit),
    instance: deps.instance,
    metrics: deps.metrics,
    log: deps.log,
  };
  const answerHeaders: [string, string][] = [
    ["x-sidegate-route", `${route.namespace}/${route.name}`],
    ["x-sidegate-policy", route.policyVersion],
  ];
  const hsts = route.listener?.hstsSeconds;
  const { quotaStore, cacheStore, settler, leases, shares, sizes, pools, rests, metrics, random } = deps;
  const stores = { quotaStore, cacheStore, settler, leases, shares, sizes };
  const shared = { ...stores, pools, rests, metrics, random, identity: deps.identity, refusal: deps.refusal };
  return {
    ...base,
    handler: pipelineFor(route, {
      ...record,
      ...shared,
      quotas: config.quotas,
      seal: new CacheSeal(config.keys),
      rules: route.rules,
      backends,
      callerOf: callerOfRoute(config, deps),
    }),
    answerHeaders,
    secureAnswerHeaders:
      hsts === undefined ? answerHeaders : [...answerHeaders, ["strict-transport-security", `max-age=${hsts}`]],
    record,
    origins: new Set(route.backends.flatMap(originsOf)),
    credentials: () => [...backends.values()].flatMap((backend) => backend.credentials.views()),
  };
}

const callerOfRoute = ({ route, podIdentity }: SidecarConfig, { issuers, metrics, clock }: SnapshotDeps) =>
  route?.caller &&
  callerCheck(route.caller, {
    ...{ podIdentity, clock },
    keysOf: (issuer) => issuers.keysOf(issuer),
    refused: (reason) => metrics.callerRefused(reason),
  });

const refuseIdentity =
  (why: string): Handler<Received> =>
  async () => {
    throw refuse("identity_refused", why);
  };

const originsOf = ({ endpoint, credentials }: BackendConfig): string[] =>
  [endpoint, ...credentials.flatMap((each) => (each.type === "Secret" ? [] : [each.tokenURL]))].map(
    (url) => new URL(url).origin,
  );

/** A backend's endpoint taken apart, and its credentials made ready. */
function backendOf(config: BackendConfig, credentials: Credentials): Backend {
  const url = new URL(config.endpoint);
  // an Azure endpoint is often pasted with the API's own path on it
  const path = url.pathname
    .replace(/\/+$/, "")
    .replace(config.type === "AzureOpenAI" ? /\/openai(?:\/v1)?$/ : /$^/, "");
  return {
    name: config.name,
    type: config.type,
    origin: url.origin,
    basePath: path,
    apiVersion: config.apiVersion ?? "v1",
    credentials: credentials.poolOf(config),
  };
}
