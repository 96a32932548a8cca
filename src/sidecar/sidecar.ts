/** The composition root of the data plane: everything is made and wired here, started once and drained once. */
import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import { type Clock, systemClock } from "../base/clock.ts";
import { type DrainStep, drain } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import type { SidecarConfig } from "../config/contract.ts";
import { adminServer } from "./admin.ts";
import type { Identity } from "./exchange.ts";
import { Gateway } from "./gateway.ts";
import { SidecarMetrics } from "./metrics.ts";
import type { AuditSink } from "./ports/audit-sink.ts";
import type { CacheStore } from "./ports/cache-store.ts";
import type { QuotaStore } from "./ports/quota-store.ts";
import { LeaseKeeper } from "./quota/leases.ts";
import { Settler } from "./quota/settler.ts";
import { proxyServer } from "./server.ts";
import { descriptorAuditSink, fileAuditSink, noAuditSink } from "./sinks/lines.ts";
import { type Snapshot, type SnapshotDeps, snapshotOf } from "./snapshot.ts";
import { Pools } from "./upstream/pools.ts";
import { Rests } from "./upstream/targets.ts";

/** The stores, opened by whoever starts the sidecar. */
export interface Stores {
  readonly kind: "redis" | "memory";
  readonly quota: QuotaStore;
  readonly cache: CacheStore;
  readonly isUp: () => boolean;
  readonly close: () => Promise<void>;
}

export interface SidecarOptions {
  readonly config: SidecarConfig;
  readonly digest: string;
  readonly identity: Identity;
  readonly stores: Stores;
  readonly log: Log;
  /** Port 0: any free one. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly admin: { readonly host: string; readonly port: number };
  /** How long running streams may take to end when the sidecar stops, in ms. */
  readonly graceMs: number;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Where audit lines go instead of the route's own sink; tests and `sidegate run --audit` use it. */
  readonly auditSink?: AuditSink;
  /** PEM of a private CA. */
  readonly ca?: string;
  /** Node's own process metrics; off where many sidecars share a process (tests). */
  readonly processMetrics?: boolean;
}

/** Time for an aborted stream to get its error frame out, in ms. */
const farewellMs = 1_000;
/** Time for audit records and settlements to be written at the end, in ms. */
const flushMs = 5_000;

export interface RunningSidecar {
  readonly url: string;
  readonly adminUrl: string;
  readonly metrics: SidecarMetrics;
  readonly gateway: Gateway;
  readonly leases: LeaseKeeper;
  readonly settler: Settler;
  /** Puts a config in force. */
  reload(config: SidecarConfig, digest: string): void;
  /** Counts and remembers a config that was refused; the last good one stays. */
  reloadFailed(why: string): void;
  /** Runs the drain's steps; answers those that failed. Safe to call twice. */
  stop(): Promise<readonly string[]>;
}

/** Starts a sidecar: resolves when both ports listen. */
export async function startSidecar(options: SidecarOptions): Promise<RunningSidecar> {
  const clock = options.clock ?? systemClock;
  const { log, stores } = options;
  const instance = randomBytes(4).toString("hex");
  const settler = new Settler({ store: stores.quota, log });
  const leases = new LeaseKeeper({ store: stores.quota, clock, log });
  const metrics = new SidecarMetrics({ storeUp: stores.isUp, settlementsPending: () => settler.pending, defaults: options.processMetrics ?? true });
  const sinks = new Sinks(options.auditSink);
  const pools = new Pools({ ca: options.ca });
  const deps: SnapshotDeps = {
    identity: options.identity,
    instance,
    quotaStore: stores.quota,
    cacheStore: stores.cache,
    settler,
    leases,
    pools,
    rests: new Rests(clock),
    metrics,
    log,
    random: options.random ?? Math.random,
    sinkFor: (audit) => sinks.get(audit),
  };
  const first = snapshotOf(options.config, options.digest, deps);
  const gateway = new Gateway({ clock, metrics, log, instance, snapshot: first });
  const state: State = { draining: false, lastFault: undefined, startedMs: clock.nowMs() };
  const proxy = proxyServer((request, response) => gateway.handle(request, response));
  const admin = adminServer({
    registry: metrics.registry,
    notReady: () => (state.draining ? ["draining"] : []),
    status: () => statusOf({ gateway, options, state, leases, settler, instance }),
  });
  const enforce = (snapshot: Snapshot): void => {
    gateway.swap(snapshot);
    pools.retain(snapshot.origins);
    metrics.configInForce(snapshot.digest, snapshot.config.route?.policyVersion ?? "none");
  };
  enforce(first);
  await admin.listen(options.admin);
  await proxy.listen(options.listen);
  settler.start();
  leases.start();

  const steps: DrainStep[] = [
    { name: "unready", timeoutMs: 100, run: () => void (state.draining = true) },
    { name: "stop accepting", timeoutMs: 100, run: () => void stopAccepting(proxy.server, gateway) },
    { name: "finish streams", timeoutMs: options.graceMs, run: () => untilIdle(gateway) },
    { name: "end what still runs", timeoutMs: farewellMs, run: () => endRunning(gateway) },
    { name: "close the proxy", timeoutMs: farewellMs, run: () => proxy.close().then(() => undefined) },
    { name: "settle", timeoutMs: flushMs, run: () => settleAll(settler, leases) },
    { name: "flush the audit", timeoutMs: flushMs, run: () => sinks.close() },
    { name: "close stores", timeoutMs: flushMs, run: () => Promise.all([stores.close(), pools.destroy()]).then(() => undefined) },
    { name: "close admin", timeoutMs: farewellMs, run: () => admin.close().then(() => undefined) },
  ];
  let stopping: Promise<readonly string[]> | undefined;
  return {
    url: urlOf(proxy.server.address(), options.listen.host),
    adminUrl: urlOf(admin.server.address(), options.admin.host),
    metrics,
    gateway,
    leases,
    settler,
    reload(config, digest) {
      state.lastFault = undefined;
      enforce(snapshotOf(config, digest, deps));
      log.info({ digest, policyVersion: config.route?.policyVersion ?? "none" }, "config in force");
    },
    reloadFailed(why) {
      state.lastFault = why;
      metrics.reloadFailed();
      log.error({ why, digest: gateway.snapshot.digest }, "config refused, the last good one stays in force");
    },
    stop: () => (stopping ??= drain(steps, log)),
  };
}

interface State {
  draining: boolean;
  lastFault: string | undefined;
  readonly startedMs: number;
}

function statusOf(from: { gateway: Gateway; options: SidecarOptions; state: State; leases: LeaseKeeper; settler: Settler; instance: string }): object {
  const { gateway, options, state, leases, settler, instance } = from;
  const { config, digest } = gateway.snapshot;
  return {
    instance,
    identity: options.identity,
    startedAt: new Date(state.startedMs).toISOString(),
    draining: state.draining,
    config: {
      digest,
      contractVersion: config.contractVersion,
      route: config.route === undefined ? null : `${config.route.namespace}/${config.route.name}`,
      policyVersion: config.route?.policyVersion ?? null,
      lastReloadFault: state.lastFault ?? null,
    },
    store: { kind: options.stores.kind, up: options.stores.isUp() },
    requests: { running: gateway.running },
    holds: { live: leases.size, settlementsPending: settler.pending },
  };
}

/** One sink for each destination that any config has asked for. */
class Sinks {
  readonly #fixed: AuditSink | undefined;
  readonly #open = new Map<string, AuditSink>();
  constructor(fixed: AuditSink | undefined) {
    this.#fixed = fixed;
  }
  get(audit: NonNullable<SidecarConfig["route"]>["audit"]): AuditSink {
    if (this.#fixed) return this.#fixed;
    if (audit.sink === "None") return noAuditSink;
    const key = audit.sink === "File" ? (audit.path ?? "") : "";
    const known = this.#open.get(key);
    if (known) return known;
    const sink = key === "" ? descriptorAuditSink(1) : fileAuditSink(key);
    this.#open.set(key, sink);
    return sink;
  }
  async close(): Promise<void> {
    await Promise.all([this.#fixed, ...this.#open.values()].map((sink) => sink?.close()));
  }
}

/** How often a drain looks whether everything has ended, in ms. */
const lookMs = 20;

async function untilIdle(gateway: Gateway): Promise<void> {
  while (gateway.running > 0) await new Promise((resolve) => setTimeout(resolve, lookMs));
}

function stopAccepting(server: import("node:http").Server, gateway: Gateway): void {
  gateway.beginDrain();
  server.close();
  server.closeIdleConnections();
}

async function endRunning(gateway: Gateway): Promise<void> {
  gateway.abortRunning("drain");
  await untilIdle(gateway);
}

async function settleAll(settler: Settler, leases: LeaseKeeper): Promise<void> {
  settler.stop();
  leases.stop();
  await settler.retry();
}

function urlOf(address: AddressInfo | string | null, host: string): string {
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
