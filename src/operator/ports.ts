/** What the reconcilers need from the world beside the API server, as interfaces with their law. */
import type { AIQuota } from "../api/aiquota.ts";
import type { AIRoute } from "../api/airoute.ts";
import type { SecretResource } from "../api/secret.ts";
import type { ClusterScope } from "../compile/cluster-quota.ts";
import type { QuotaName } from "../redis/acl.ts";
import type { RefusedCredential } from "../redis/heartbeat.ts";

/** What one sidecar last said of itself. */
export interface Heartbeat {
  readonly pod: string;
  /** `sha256:` digest of the config text in force. */
  readonly digest: string;
  /** Contract version that it reads. */
  readonly contract: number;
  /** Version of the release it was built from. */
  readonly release: string;
  /** Why the newest config was refused; absent: it is in force. Holds no value of the config. */
  readonly fault?: string | undefined;
  /** Why it does not listen as its route says; it serves on loopback all the same. */
  readonly listenerFault?: string | undefined;
  /** Why it refuses every request: its pod's identity is not proven. */
  readonly identityFault?: string | undefined;
  /** Why it keeps an identity that it cannot verify now. */
  readonly identityHeld?: string | undefined;
  /** Credentials that a provider refused (401) when they were asked last. */
  readonly refusedCredentials?: readonly RefusedCredential[] | undefined;
}

/** A subject's use of one limit, as status shows it: dollars as decimal text for Cost, else whole numbers. */
export interface UsageRow {
  readonly limit: string;
  readonly subject: string;
  readonly used: string;
  readonly reserved: string;
  readonly remaining: string;
  /** RFC 3339; absent for Concurrency. */
  readonly resetsAt?: string | undefined;
  readonly observedAt: string;
}

/** Redis is away or refuses. */
export class StateUnavailable extends Error {
  override readonly name = "StateUnavailable";
}

/** What sidecars and the operator share in Redis. Every method ends within its time-out and throws StateUnavailable. */
export interface SharedState {
  /** Heartbeats of these pods that are not stale (30 s); a pod that is silent has no entry. */
  heartbeats(namespace: string, pods: readonly string[]): Promise<ReadonlyMap<string, Heartbeat>>;
  /** The 20 subjects of a quota that have used most. `over`: namespaces whose holds count, of a quota over namespaces; absent: its own alone. */
  usage(namespace: string, quota: AIQuota, over?: readonly string[]): Promise<readonly UsageRow[]>;
  /**
   * Makes or mends the ACL user of a namespace; idempotent. Nothing to do where users are given. `clusterQuotas`: those over namespaces
   * that count for it, whose counters it may reach besides its own keys; absent: none.
   */
  ensureUser(namespace: string, clusterQuotas?: readonly QuotaName[]): Promise<void>;
  /** Removes the user of a namespace that has no workload left. */
  removeUser(namespace: string): Promise<void>;
  /** Why Redis cannot be used as quota store; undefined: it can. Looks at the policy of eviction and the rights, too. */
  fault(): Promise<string | undefined>;
  /**
   * Calls back at each new connection, and when a node of Redis has come or begun anew: it knows no users, so every namespace wants its
   * `ensureUser`.
   */
  onConnected(listener: () => void): void;
  close(): Promise<void>;
}

/** Keys and passwords of a namespace, derived from the keyring. */
export interface NamespaceKeys {
  /** For `compile`: what sealed answers are read with; the first one seals. */
  readonly keys: readonly { readonly id: string; readonly secret: string }[];
  /** Text of `redis.json` for the namespace's sidecars: where Redis is and as whom to log in. Canonical: equal input, equal text. */
  readonly redisJson: string;
}

/** The resources of a namespace as the informers know them: what `compile` is called with. */
export interface ResourceView {
  /** False until every list was read once; admission then answers without a warning, reconcilers wait. */
  readonly isSynced: boolean;
  routes(namespace: string): readonly AIRoute[];
  quotas(namespace: string): readonly AIQuota[];
  /** Those with the credential label, decoded. */
  secrets(namespace: string): readonly SecretResource[];
  /** What `compile` is to know beyond a namespace, for one of its workloads; absent: nothing. */
  clusterScope?(namespace: string): ClusterScope;
}
