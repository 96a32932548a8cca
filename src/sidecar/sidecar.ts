/** The composition root of the data plane: everything is made and wired here, started once and drained once. */
import { randomBytes } from "node:crypto";
import { type Clock, systemClock } from "../base/clock.ts";
import { drain } from "../base/lifecycle.ts";
import { contractVersion, type SidecarConfig } from "../config/contract.ts";
import { adminServer } from "./admin.ts";
import { Issuers } from "./caller/issuers.ts";
import { drainSteps } from "./drain.ts";
import { Gateway } from "./gateway.ts";
import { Heartbeat } from "./heartbeat.ts";
import { PodProof } from "./identity/pod-proof.ts";
import { refusalText } from "./identity/reasons.ts";
import { Listeners } from "./listener/listeners.ts";
import { SidecarMetrics } from "./metrics.ts";
import type { SidecarOptions } from "./options.ts";
import { LeaseKeeper } from "./quota/leases.ts";
import { OutputSizes } from "./quota/output-sizes.ts";
import { Settler } from "./quota/settler.ts";
import { LocalShares } from "./quota/share/local-shares.ts";
import { sliceMetrics } from "./quota/slices/metrics.ts";
import { SliceStore } from "./quota/slices/slice-store.ts";
import { type HttpServer, urlOf } from "./server.ts";
import { Sinks } from "./sinks/sinks.ts";
import { type Snapshot, type SnapshotDeps, snapshotOf } from "./snapshot.ts";
import { Credentials } from "./upstream/credentials/credentials.ts";
import { refusedAmong } from "./upstream/credentials/pool.ts";
import { Pools } from "./upstream/pools.ts";
import { Rests } from "./upstream/targets.ts";

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
  readonly shares: LocalShares;
  readonly slices: SliceStore;
  readonly #options: SidecarOptions;
  readonly #clock: Clock;
  /** Begins the ids of requests and holds, which no two sidecars may share. */
  readonly #instance = randomBytes(8).toString("hex");
  readonly #sinks: Sinks;
  readonly #pools: Pools;
  readonly #deps: SnapshotDeps;
  readonly #listeners: Listeners;
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
    const slices = new SliceStore({ store: stores.quota, clock, log, instance });
    const settler = new Settler({ store: slices, log, dropped: () => metrics.settlementDropped() });
    const leases = new LeaseKeeper({ store: slices, clock, log });
    const defaults = options.processMetrics ?? true;
    const proof = this.#proofOf(options, clock);
    const listeners = this.#listenersOf(options, clock);
    const metrics = new SidecarMetrics({
      listeners,
      storeUp: stores.isUp,
      settlementsPending: () => settler.pending,
      chargesTold: stores.chargesTold,
      ledgerEntries: () => this.shares.ledgerSize,
      defaults,
      credentials: () => this.gateway.snapshot.credentials(),
      issuers: () => this.#deps.issuers.views(),
      identity: () => (proof.standing.kind === "unproven" ? undefined : proof.standing.kind),
    });
    this.proof = proof;
    this.settler = settler;
    this.leases = leases;
    const tooLate = (): void => metrics.localChargeDropped();
    const shares = new LocalShares({ store: stores.quota, clock, log, settler, leases, instance, tooLate });
    this.shares = shares;
    slices.use({ settler, leases, metrics: sliceMetrics(metrics.registry, () => slices.slices) });
    this.slices = slices;
    this.metrics = metrics;
    this.#sinks = new Sinks(options.auditSink);
    this.#pools = new Pools({ ca: options.ca });
    const random = options.random ?? Math.random;
    const tokens = options.tokens ?? { directory: "", audiences: [] };
    const turned = (): void => this.#heartbeat?.now();
    this.#deps = {
      credentials: new Credentials({ tokens, pools: this.#pools, clock, random, metrics, log, turned }),
      issuers: new Issuers({ pools: this.#pools, clock, random, metrics, log }),
      ...{ identity: options.identity, instance, settler, leases, shares, metrics, log, random, clock },
      ...{ pools: this.#pools, rests: new Rests(clock), quotaStore: slices, cacheStore: stores.cache },
      refusal: () => proof.refusal,
      sizes: new OutputSizes(),
      sinkFor: (audit) => this.#sinks.get(audit),
    };
    const snapshot = snapshotOf(options.config, options.digest, this.#deps);
    this.gateway = new Gateway({ clock, metrics, log, instance, snapshot });
    this.#enforce(snapshot);
    this.#heartbeat = this.#heartbeatOf(options);
    this.#listeners = listeners;
    const notReady = (): string[] => (this.#draining ? ["draining"] : []);
    // Ready all the same: a pod that were not would lose its traffic of every kind, and its route's status would not count it.
    const remarks = (): string[] => Object.values(this.#identityFaults());
    this.#admin = adminServer({ registry: metrics.registry, notReady, remarks, status: () => this.status() });
  }

  /** Where the proxy listens. */
  get url(): string {
    return this.#listeners.url;
  }
  /** Where other pods connect; undefined: nowhere. */
  get podUrl(): string | undefined {
    return this.#listeners.podUrl;
  }
  /** Where probes, metrics and status are. */
  get adminUrl(): string {
    return urlOf("http", this.#admin.server.address(), this.#options.admin.host);
  }

  /** Opens both ports and starts the timers. */
  async listen(): Promise<void> {
    await this.#admin.listen(this.#options.admin);
    await this.#listeners.listen(this.gateway.snapshot.config.route);
    this.settler.start();
    this.leases.start();
    this.shares.start();
    this.slices.start();
    this.#heartbeat?.start();
    this.proof.start();
  }

  /** Puts a config in force: requests that come from now on use it, those that run keep theirs. Throws ConfigFault, and nothing has changed. */
  reload(config: SidecarConfig, digest: string, contract = contractVersion): void {
    this.#enforce(snapshotOf(config, digest, this.#deps));
    this.#contract = contract;
    this.#lastReloadFault = undefined;
    void this.proof.follow(config.podIdentity);
    void this.#listeners.follow(config.route);
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
        listenerFault: this.#listeners.fault,
        ...this.#identityFaults(),
        refusedCredentials: refusedAmong(this.gateway.snapshot.credentials()),
      }),
      log,
      failed: () => this.metrics.heartbeatFailed(),
      random: random ?? Math.random,
    });
  }

  #listenersOf({ listen, podListen, log }: SidecarOptions, clock: Clock): Listeners {
    return new Listeners({
      ...{ loopback: listen, pod: podListen, clock, log },
      take: (request, response, arrival) => this.gateway.handle(request, response, arrival),
      isLeaving: () => this.gateway.leaving > 0,
      refused: (why) => this.metrics.connectionRefused(why),
      turned: () => this.#heartbeat?.now(),
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
    this.#deps.issuers.retain(snapshot.config.route?.caller);
    this.metrics.configInForce(snapshot.digest, snapshot.config.route?.policyVersion ?? "none");
  }

  /** Runs the drain's steps; answers the names of those that failed. Safe to call twice. */
  stop(): Promise<readonly string[]> {
    this.proof.stop();
    this.#deps.issuers.stop();
    this.#stopping ??= drain(
      drainSteps({
        listeners: this.#listeners,
        admin: this.#admin,
        gateway: this.gateway,
        settler: this.settler,
        leases: this.leases,
        shares: this.shares,
        slices: this.slices,
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
        noRouteReason: config.noRouteReason ?? null,
        lastReloadFault: this.#lastReloadFault ?? null,
      },
      listener: this.#listeners.status(),
      store: { kind: stores.kind, up: stores.isUp() },
      credentials: this.gateway.snapshot.credentials(),
      issuers: this.#deps.issuers.views(),
      requests: { running: this.gateway.running },
      holds: { live: this.leases.size, settlementsPending: this.settler.pending },
    };
  }
}
