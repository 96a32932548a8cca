/** What a sidecar is started with. */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { SidecarConfig } from "../config/contract.ts";
import type { Identity } from "./exchange.ts";
import type { MountedToken } from "./identity/token-file.ts";
import type { AuditSink } from "./ports/audit-sink.ts";
import type { BeatStore } from "./ports/beat-store.ts";
import type { CacheStore } from "./ports/cache-store.ts";
import type { QuotaStore } from "./ports/quota-store.ts";
import type { Address } from "./server.ts";
import type { TokenPlaces } from "./upstream/credentials/token-files.ts";

/** The stores, opened by whoever starts the sidecar. */
export interface Stores {
  readonly kind: "redis" | "memory";
  readonly quota: QuotaStore;
  readonly cache: CacheStore;
  /** Absent: nobody reads heartbeats. */
  readonly beats?: BeatStore;
  readonly isUp: () => boolean;
  /** Charges that were told again since the start, for Redis had lost them. Absent: nothing can be lost alone. */
  readonly chargesTold?: () => number;
  readonly close: () => Promise<void>;
}

/** What a sidecar is started with. */
export interface SidecarOptions {
  readonly config: SidecarConfig;
  readonly digest: string;
  /** Contract version of the text that the digest is of; absent: the current one. */
  readonly contract?: number;
  readonly identity: Identity;
  /** The pod's own token; absent: the identity is as it is given, if the config wants no more. */
  readonly token?: MountedToken | undefined;
  /** Where the pod's tokens for providers are; absent: there are none. */
  readonly tokens?: TokenPlaces;
  readonly stores: Stores;
  readonly log: Log;
  readonly listen: Address;
  /** Where other pods may connect while the config wants it; absent: nowhere. */
  readonly podListen?: Address | undefined;
  readonly admin: Address;
  /** How long running streams may take to end when the sidecar stops, in ms. */
  readonly graceMs: number;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Where audit lines go instead of the route's own sink; tests and `sidegate run --audit` use it. */
  readonly auditSink?: AuditSink;
  /** PEM of a private CA. */
  readonly ca?: string;
  /** Node's own process metrics (default true); off where many sidecars share a process. */
  readonly processMetrics?: boolean;
  /** Version of this build, for the heartbeat; absent: unknown. */
  readonly release?: string;
}
