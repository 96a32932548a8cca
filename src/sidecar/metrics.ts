/**
 * The metrics of a sidecar. Label sets are closed: names from the config, codes from the catalogue, never a text of the client's.
 * `gen_ai_client_*` follow OpenTelemetry's GenAI conventions (a sidecar is the client of the provider).
 */
import { Gauge, Registry } from "prom-client";
import { CounterSeries, HistogramSeries } from "../base/series.ts";
import type { QuotaConfig } from "../config/quota.ts";
import type { IssuerView } from "./caller/issuer-keys.ts";
import type { CallerReason } from "./caller/reasons.ts";
import type { Ending, Exchange } from "./exchange.ts";
import type { IdentityReason } from "./identity/reasons.ts";
import type { Listeners } from "./listener/listeners.ts";
import { type MetricName, metricCatalogue } from "./metric-catalogue.ts";
import { saidModel } from "./said-names.ts";
import type { ExchangeFailure } from "./upstream/credentials/fault.ts";
import { type CredentialView, credentialStates } from "./upstream/credentials/pool.ts";
import type { DocumentFailure } from "./upstream/document.ts";

/** OpenTelemetry's buckets for `gen_ai.client.token.usage`. */
const tokenBuckets = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];
/** OpenTelemetry's buckets for `gen_ai.client.operation.duration`, in s. */
const secondBuckets = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/** What the sidecar itself adds, in s. */
const overheadBuckets = [0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05];
/** Models that get a label of their own; the rest are `other`, so that a Prefix rule cannot blow the series up. */
const modelLabelsMax = 64;

const operation = ["gen_ai_operation_name", "gen_ai_provider_name"];
const withModel = [...operation, "gen_ai_request_model"];
const firstChunkBuckets = [...overheadBuckets, ...secondBuckets.slice(1)];
const statusClasses = ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx"];

/** What the admin port needs of the registry. */
export type MetricsRegistry = Pick<Registry, "contentType" | "metrics">;

/** What became of a claim: downgraded: the request went to another model. */
type QuotaDecision = "refused" | "would_refuse" | "not_counted" | "downgraded" | "spilled_over";

/** The metrics of one sidecar, in a registry of its own, so that several sidecars can share a process. `defaults`: Node's own, too. */
export class SidecarMetrics {
  readonly registry = new Registry();
  readonly #tokens = this.#histogram("gen_ai_client_token_usage", [...withModel, "gen_ai_token_type"], tokenBuckets);
  readonly #duration = this.#histogram(
    "gen_ai_client_operation_duration_seconds",
    [...withModel, "error_type"],
    secondBuckets,
  );
  readonly #firstChunk = this.#histogram(
    "gen_ai_client_operation_time_to_first_chunk_seconds",
    operation,
    firstChunkBuckets,
  );
  readonly #requests = this.#counter("sidegate_requests_total", "endpoint", "outcome", "status_class");
  readonly #refusals = this.#counter("sidegate_refusals_total", "code");
  readonly #attempts = this.#counter("sidegate_upstream_attempts_total", "backend", "result");
  readonly #decisions = this.#counter("sidegate_quota_decisions_total", "quota", "limit", "decision");
  readonly #conditions = this.#counter("sidegate_quota_condition_errors_total", "quota");
  readonly #unenforced = this.#counter("sidegate_quota_unenforced_total", "decision");
  readonly #ledgerDropped = this.#counter("sidegate_quota_ledger_dropped_total");
  readonly #settlementsDropped = this.#counter("sidegate_quota_settlements_dropped_total");
  readonly #lookups = this.#counter("sidegate_cache_lookups_total", "result");
  readonly #audit = this.#counter("sidegate_audit_failures_total");
  readonly #connections = this.#counter("sidegate_listener_refusals_total", "reason");
  readonly #heartbeats = this.#counter("sidegate_heartbeat_failures_total");
  readonly #exchanges = this.#counter("sidegate_token_exchanges_total", "result");
  readonly #rests = this.#counter("sidegate_credential_rests_total", "credential", "status");
  readonly #identityRefusals = this.#counter("sidegate_identity_refusals_total", "reason");
  readonly #callerRefusals = this.#counter("sidegate_caller_refusals_total", "reason");
  readonly #issuerRefreshes = this.#counter("sidegate_issuer_refreshes_total", "issuer", "result");
  readonly #reloadFailures = this.#counter("sidegate_config_reload_failures_total");
  readonly #configInfo: Gauge<"digest" | "policy_version">;
  readonly #models = new Set<string>();
  #running = 0;

  constructor(sources: {
    storeUp: () => boolean;
    settlementsPending: () => number;
    chargesTold?: (() => number) | undefined;
    ledgerEntries?: () => number;
    defaults: boolean;
    /** How the pod's identity stands; undefined: it need not be proven. */
    identity?: () => "verified" | "held" | "refused" | undefined;
    /** How the credentials of the config in force stand. */
    credentials?: () => readonly CredentialView[];
    /** How the keys of its OIDC issuers stand. */
    issuers?: () => readonly IssuerView[];
    listeners?: Pick<Listeners, "views" | "certificateSeconds">;
  }) {
    if (sources.listeners) this.#listenerGauges(sources.listeners);
    this.#credentialGauges(sources.credentials ?? (() => []));
    this.#issuerGauge(sources.issuers ?? (() => []));
    const identity = sources.identity ?? (() => undefined);
    this.#gauge("sidegate_identity_verified", () => identity() && (identity() === "refused" ? 0 : 1));
    this.#gauge("sidegate_identity_held", () => identity() && (identity() === "held" ? 1 : 0));
    this.#gauge("sidegate_requests_in_flight", () => this.#running);
    this.#gauge("sidegate_quota_settlements_pending", sources.settlementsPending);
    this.#gauge("sidegate_quota_charges_told_again", () => sources.chargesTold?.());
    this.#gauge("sidegate_quota_ledger_entries", () => sources.ledgerEntries?.());
    this.#gauge("sidegate_store_up", () => (sources.storeUp() ? 1 : 0));
    this.#configInfo = new Gauge({
      name: "sidegate_config_info",
      help: metricCatalogue.sidegate_config_info,
      labelNames: ["digest", "policy_version"],
      registers: [this.registry],
    });
    if (!sources.defaults) return;
    this.#gauge("process_resident_memory_bytes", () => process.memoryUsage.rss());
    this.#gauge("nodejs_heap_size_used_bytes", () => process.memoryUsage().heapUsed);
    this.#gauge("nodejs_external_memory_bytes", () => process.memoryUsage().external);
    this.#gauge("process_cpu_seconds", () => (process.cpuUsage().user + process.cpuUsage().system) / 1e6);
    this.#gauge("nodejs_eventloop_utilization", () => performance.eventLoopUtilization().utilization);
  }

  #counter(name: MetricName, ...labelNames: readonly string[]): CounterSeries {
    return new CounterSeries({ name, help: metricCatalogue[name], labelNames, registry: this.registry });
  }
  #histogram(name: MetricName, labelNames: readonly string[], bounds: readonly number[]): HistogramSeries {
    return new HistogramSeries({ name, help: metricCatalogue[name], labelNames, registry: this.registry, bounds });
  }
  /** undefined: no sample. */
  #gauge(name: MetricName, value: () => number | undefined): void {
    new Gauge({
      name,
      help: metricCatalogue[name],
      registers: [this.registry],
      collect() {
        const now = value();
        if (now === undefined) this.remove();
        else this.set(now);
      },
    });
  }

  #listenerGauges(listeners: Pick<Listeners, "views" | "certificateSeconds">): void {
    this.#gauge("sidegate_listener_certificate_expires_seconds", () => listeners.certificateSeconds);
    new Gauge({
      name: "sidegate_listener_up",
      help: metricCatalogue.sidegate_listener_up,
      labelNames: ["listener"],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { listener, isUp } of listeners.views()) this.set({ listener }, isUp ? 1 : 0);
      },
    });
  }
  #credentialGauges(views: () => readonly CredentialView[]): void {
    new Gauge({
      name: "sidegate_credential_state",
      help: metricCatalogue.sidegate_credential_state,
      labelNames: ["credential", "state"],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { credential, state: now } of views())
          for (const state of credentialStates) this.inc({ credential, state }, state === now ? 1 : 0);
      },
    });
    new Gauge({
      name: "sidegate_token_expires_seconds",
      help: metricCatalogue.sidegate_token_expires_seconds,
      labelNames: ["credential"],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { credential, expiresInSeconds } of views())
          if (expiresInSeconds !== undefined) this.set({ credential }, expiresInSeconds);
      },
    });
  }

  #issuerGauge(views: () => readonly IssuerView[]): void {
    new Gauge({
      name: "sidegate_issuer_keys_age_seconds",
      help: metricCatalogue.sidegate_issuer_keys_age_seconds,
      labelNames: ["issuer"],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { issuer, ageSeconds } of views()) if (ageSeconds !== undefined) this.set({ issuer }, ageSeconds);
      },
    });
  }

  /** Requests that have not ended. */
  get inFlight(): number {
    return this.#running;
  }
  started(): void {
    this.#running++;
  }
  /** Counts an ended exchange; called once for each. */
  ended(exchange: Exchange, ending: Ending): void {
    this.#running--;
    const endpoint = exchange.match?.endpoint;
    this.#requests.inc(
      endpoint?.name ?? "none",
      ending.outcome,
      statusClasses[Math.floor(ending.status / 100)] ?? "other",
    );
    if (endpoint === undefined || exchange.call.backend === undefined) return;
    const provider = exchange.call.backendType === "AzureOpenAI" ? "azure.ai.openai" : "openai";
    const model = this.#modelLabel(saidModel(exchange.model ?? ""));
    const seconds = (exchange.clock.monotonicMs() - exchange.startedMs) / 1000;
    const errorType = ending.errorCode === undefined ? "" : errorTypeOf(ending);
    this.#duration.observe(seconds, endpoint.operation, provider, model, errorType);
    const { firstByteMs } = exchange.call;
    if (firstByteMs !== undefined) this.#firstChunk.observe(firstByteMs / 1000, endpoint.operation, provider);
    if (ending.usage === undefined) return;
    this.#tokens.observe(ending.usage.inputTokens, endpoint.operation, provider, model, "input");
    this.#tokens.observe(ending.usage.outputTokens, endpoint.operation, provider, model, "output");
  }
  #modelLabel(model: string): string {
    if (this.#models.has(model)) return model;
    if (this.#models.size >= modelLabelsMax) return "other";
    this.#models.add(model);
    return model;
  }
  /** An answer of our own. `code` is from the catalogue. */
  refused(code: string): void {
    this.#refusals.inc(code);
  }
  upstreamAttempt(backend: string, result: string): void {
    this.#attempts.inc(backend, result);
  }
  quotaDecision(quota: QuotaConfig, limit: string, decision: QuotaDecision): void {
    this.#decisions.inc(`${quota.namespace}/${quota.name}`, limit, decision);
  }
  quotaConditionFailed(quota: QuotaConfig): void {
    this.#conditions.inc(`${quota.namespace}/${quota.name}`);
  }
  quotaUnenforced(decision: "denied" | "allowed" | "local_admitted" | "local_refused"): void {
    this.#unenforced.inc(decision);
  }
  localChargeDropped(): void {
    this.#ledgerDropped.inc();
  }
  settlementDropped(): void {
    this.#settlementsDropped.inc();
  }
  cacheLookup(result: "hit" | "miss" | "unavailable" | "fault"): void {
    this.#lookups.inc(result);
  }
  auditFailed(): void {
    this.#audit.inc();
  }
  tokenExchanged(result: "ok" | ExchangeFailure): void {
    this.#exchanges.inc(result);
  }
  /** `credential` is a name of the config. */
  credentialRests(credential: string, status: number): void {
    this.#rests.inc(credential, String(status));
  }
  connectionRefused(reason: "handshake" | "connections"): void {
    this.#connections.inc(reason);
  }
  heartbeatFailed(): void {
    this.#heartbeats.inc();
  }
  /** `reason` is from the table of identity refusals. */
  identityFailed(reason: IdentityReason): void {
    this.#identityRefusals.inc(reason);
  }
  /** `reason` is from the table of caller refusals. */
  callerRefused(reason: CallerReason): void {
    this.#callerRefusals.inc(reason);
  }
  /** `issuer` is a name of the config. */
  issuerRefreshed(issuer: string, result: "ok" | DocumentFailure): void {
    this.#issuerRefreshes.inc(issuer, result);
  }
  configInForce(digest: string, policyVersion: string): void {
    this.#configInfo.reset();
    this.#configInfo.set({ digest, policy_version: policyVersion }, 1);
  }
  reloadFailed(): void {
    this.#reloadFailures.inc();
  }
}

/** A provider's code is the provider's text: only the outcome becomes a label, our own codes have their own metric. */
const errorTypeOf = (ending: Ending): string => (ending.status >= 400 ? String(ending.status) : ending.outcome);
