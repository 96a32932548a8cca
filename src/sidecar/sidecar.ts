/** The composition root of the data plane: everything is made and wired here, started once and drained once. */
import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import { type Clock, systemClock } from "../base/clock.ts";
import { drain } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import { contractVersion, type SidecarConfig } from "../config/contract.ts";
import { adminServer } from "./admin.ts";
import { drainSteps } from "./drain.ts";
import type { Identity } from "./exchange.ts";
import { Gateway } from "./gateway.ts";
import { Heartbeat } from "./heartbeat.ts";
import { PodProof } from "./identity/pod-proof.ts";
import { refusalText } from "./identity/reasons.ts";
import type { MountedToken } from "./identity/token-file.ts";
import { SidecarMetrics } from "./metrics.ts";
import type { AuditSink } from "./ports/audit-sink.ts";
import type { BeatStore } from "./ports/beat-store.ts";
import type { CacheStore } from "./ports/cache-store.ts";
import type { QuotaStore } from "./ports/quota-store.ts";
import { LeaseKeeper } from "./quota/leases.ts";
import { Settler } from "./quota/settler.ts";
import { type HttpServer, proxyServer } from "./server.ts";
import { Sinks } from "./sinks/sinks.ts";
import { type Snapshot, type SnapshotDeps, snapshotOf } from "./snapshot.ts";
import { Credentials } from "./upstream/credentials/credentials.ts";
import type { TokenPlaces } from "./upstream/credentials/token-files.ts";
import { Pools } from "./upstream/pools.ts";
import { Rests } from "./upstream/targets.ts";

/** The stores, opened by whoever starts the sidecar. */
export interface Stores {
  readonly kind: "redis" | "memory";
  readonly quota: QuotaStore;
  readonly cache: CacheStore;
  /** Absent: nobody reads heartbeats. */
  readonly beats?: BeatStore;
  readonly isUp: () => boolean;
  readonly close: () => Promise<void>;
}

/** An address to listen on. Port 0: any free one. */
export interface Address {
  readonly host: string;
  readonly port: number;
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

/** Makes a sidecar and starts it: resolves when both ports listen. Rejects when one cannot. */
export async function startSidecar(options: SidecarOptions): Promise<RunningSidecar> {
  const sidecar = new RunningSidecar(options);
  await sidecar.proof.follow(options.config.podIdentity);
  await sidecar.listen();
  return sidecar;
}

/** A sidecar that serves. */
export class RunningSidecar {
  readonly metrics: SidecarMetrics;
  readonly gateway: Gateway;
  readonly proof: PodProof;
  readonly leases: LeaseKeeper;
  readonly settler: Settler;
  readonly #options: SidecarOptions;
  readonly #clock: Clock;
  readonly #instance = randomBytes(4).toString("hex");
  readonly #sinks: Sinks;
  readonly #pools: Pools;
  readonly #deps: SnapshotDeps;
  readonly #proxy: HttpServer;
  readonly #admin: HttpServer;
  readonly #heartbeat: Heartbeat | undefined;
  readonly #startedMs: number;
  #contract: number;
  #draining = false;
  #lastReloadFault: string | undefined;
  #stopping: Promise<readonly string[]> | undefined;

  /** Wires; listens to nothing yet. Use `startSidecar`. */
  constructor(options: SidecarOptions) {
    const { log, stores } = options;
    const clock = options.clock ?? systemClock;
    const instance = this.#instance;
    this.#options = options;
    this.#contract = options.contract ?? contractVersion;
    this.#clock = clock;
    this.#startedMs = clock.nowMs();
    const settler = new Settler({ store: stores.quota, log });
    const leases = new LeaseKeeper({ store: stores.quota, clock, log });
    const defaults = options.processMetrics ?? true;
    const proof = this.#proofOf(options, clock);
    const metrics = new SidecarMetrics({
      storeUp: stores.isUp,
      settlementsPending: () => settler.pending,
      defaults,
      credentials: () => this.gateway.snapshot.credentials(),
      identity: () => (proof.standing.kind === "unproven" ? undefined : proof.standing.kind),
    });
    this.proof = proof;
    this.settler = settler;
    this.leases = leases;
    this.metrics = metrics;
    this.#sinks = new Sinks(options.auditSink);
    this.#pools = new Pools({ ca: options.ca });
    const random = options.random ?? Math.random;
    const tokens = options.tokens ?? { directory: "", audiences: [] };
    this.#deps = {
      credentials: new Credentials({ tokens, pools: this.#pools, clock, random, metrics, log }),
      identity: options.identity,
      refusal: () => proof.refusal,
      instance,
      quotaStore: stores.quota,
      cacheStore: stores.cache,
      settler,
      leases,
      pools: this.#pools,
      rests: new Rests(clock),
      metrics,
      log,
      random,
      sinkFor: (audit) => this.#sinks.get(audit),
    };
    const snapshot = snapshotOf(options.config, options.digest, this.#deps);
    this.gateway = new Gateway({ clock, metrics, log, instance, snapshot });
    this.#enforce(snapshot);
    this.#heartbeat = this.#heartbeatOf(options);
    this.#proxy = proxyServer((request, response) => this.gateway.handle(request, response));
    const notReady = (): string[] => (this.#draining ? ["draining"] : []);
    // Ready all the same: a pod that were not would lose its traffic of every kind, and its route's status would not count it.
    const remarks = (): string[] => Object.values(this.#identityFaults());
    this.#admin = adminServer({ registry: metrics.registry, notReady, remarks, status: () => this.status() });
  }

  /** Where the proxy listens. */
  get url(): string {
    return urlOf(this.#proxy.server.address(), this.#options.listen.host);
  }
  /** Where probes, metrics and status are. */
  get adminUrl(): string {
    return urlOf(this.#admin.server.address(), this.#options.admin.host);
  }

  /** Opens both ports and starts the timers. */
  async listen(): Promise<void> {
    await this.#admin.listen(this.#options.admin);
    await this.#proxy.listen(this.#options.listen);
    this.settler.start();
    this.leases.start();
    this.#heartbeat?.start();
    this.proof.start();
  }

  /** Puts a config in force: requests that come from now on use it, those that run keep theirs. */
  reload(config: SidecarConfig, digest: string, contract = contractVersion): void {
    this.#contract = contract;
    this.#lastReloadFault = undefined;
    this.#enforce(snapshotOf(config, digest, this.#deps));
    void this.proof.follow(config.podIdentity);
    this.#options.log.info({ digest, policyVersion: config.route?.policyVersion ?? "none" }, "config in force");
    this.#heartbeat?.now();
  }

  /** Counts and remembers a config that was refused; the last good one stays. */
  reloadFailed(why: string): void {
    this.#lastReloadFault = why;
    this.metrics.reloadFailed();
    this.#options.log.error(
      { why, digest: this.gateway.snapshot.digest },
      "config refused, the last good one stays in force",
    );
    this.#heartbeat?.now();
  }

  /** A sidecar without a pod, or without a shared store, has nobody to tell. */
  #heartbeatOf({ stores, identity, release, log, random }: SidecarOptions): Heartbeat | undefined {
    if (stores.beats === undefined || identity.pod === undefined) return undefined;
    return new Heartbeat({
      store: stores.beats,
      namespace: identity.namespace,
      pod: identity.pod,
      say: () => ({
        instance: this.#instance,
        contract: this.#contract,
        digest: this.gateway.snapshot.digest,
        release: release ?? "unknown",
        fault: this.#lastReloadFault,
        ...this.#identityFaults(),
      }),
      log,
      failed: () => this.metrics.heartbeatFailed(),
      random: random ?? Math.random,
    });
  }

  #proofOf({ token, log }: SidecarOptions, clock: Clock): PodProof {
    return new PodProof({
      ...{ token, clock, log },
      failed: (reason) => this.metrics.identityFailed(reason),
      turned: () => this.#heartbeat?.now(),
    });
  }

  #identityFaults(): { identityFault?: string; identityHeld?: string } {
    const { standing } = this.proof;
    if (standing.kind === "refused") return { identityFault: refusalText(standing.reason) };
    return standing.kind === "held" ? { identityHeld: refusalText(standing.reason) } : {};
  }

  #enforce(snapshot: Snapshot): void {
    this.gateway.swap(snapshot);
    this.#pools.retain(snapshot.origins);
    this.#deps.credentials.retain(snapshot.config.route?.backends ?? []);
    this.metrics.configInForce(snapshot.digest, snapshot.config.route?.policyVersion ?? "none");
  }

  /** Runs the drain's steps; answers the names of those that failed. Safe to call twice. */
  stop(): Promise<readonly string[]> {
    this.proof.stop();
    this.#stopping ??= drain(
      drainSteps({
        proxy: this.#proxy,
        admin: this.#admin,
        gateway: this.gateway,
        settler: this.settler,
        leases: this.leases,
        sinks: this.#sinks,
        pools: this.#pools,
        endHeartbeat: async () => this.#heartbeat?.stop(),
        closeStores: this.#options.stores.close,
        setUnready: () => {
          this.#draining = true;
        },
        graceMs: this.#options.graceMs,
      }),
      this.#options.log,
    );
    return this.#stopping;
  }

  /** What /status shows: no secret, no prompt. */
  status(): object {
    const { config, digest } = this.gateway.snapshot;
    const { identity, stores } = this.#options;
    return {
      instance: this.#instance,
      identity: { ...identity, ...this.proof.status() },
      startedAt: new Date(this.#startedMs).toISOString(),
      upSeconds: Math.round((this.#clock.nowMs() - this.#startedMs) / 1000),
      draining: this.#draining,
      config: {
        digest,
        contractVersion: this.#contract,
        route: config.route === undefined ? null : `${config.route.namespace}/${config.route.name}`,
        policyVersion: config.route?.policyVersion ?? null,
        lastReloadFault: this.#lastReloadFault ?? null,
      },
      store: { kind: stores.kind, up: stores.isUp() },
      credentials: this.gateway.snapshot.credentials(),
      requests: { running: this.gateway.running },
      holds: { live: this.leases.size, settlementsPending: this.settler.pending },
    };
  }
}

function urlOf(address: AddressInfo | string | null, host: string): string {
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
