/**
 * The metric catalogue. Label sets are closed: names from the config, codes from the catalogue, never a text of the client's.
 * `gen_ai_client_*` follow OpenTelemetry's GenAI conventions (a sidecar is the client of the provider).
 */
import { Gauge, Registry } from "prom-client";
import { CounterSeries, HistogramSeries } from "../base/series.ts";
import type { QuotaConfig } from "../config/contract.ts";
import type { Ending, Exchange } from "./exchange.ts";
import type { IdentityReason } from "./identity/reasons.ts";
import type { ExchangeFailure } from "./upstream/credentials/fault.ts";
import { type CredentialView, credentialStates } from "./upstream/credentials/pool.ts";

/** OpenTelemetry's buckets for `gen_ai.client.token.usage`. */
const tokenBuckets = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];
/** OpenTelemetry's buckets for `gen_ai.client.operation.duration`, in s. */
const secondBuckets = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/** What the sidecar itself adds, in s. */
const overheadBuckets = [0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05];
/** Models that get a label of their own; the rest are `other`, so that a Prefix rule cannot blow the series up. */
const modelLabelsMax = 64;

/** Help sentences by name; docs/reference/metrics.md is generated from it. */
export const metricCatalogue = {
  gen_ai_client_token_usage: "Tokens of one call as the provider reported them, by type.",
  gen_ai_client_operation_duration_seconds: "From the request's arrival to the end of its answer.",
  gen_ai_client_operation_time_to_first_chunk_seconds: "From the request's arrival to the provider's first byte.",
  sidegate_requests_total: "Requests by endpoint, outcome and status class.",
  sidegate_refusals_total: "Answers of the sidecar's own by error code.",
  sidegate_requests_in_flight: "Requests that have not ended.",
  sidegate_upstream_attempts_total: "Calls to backends by result: answered, or the error code.",
  sidegate_quota_decisions_total: "Refused: a limit had no room. would_refuse: the same in mode Audit.",
  sidegate_quota_unenforced_total: "Requests that met an unreachable quota store, by what failurePolicy did.",
  sidegate_quota_settlements_pending: "Settlements that wait for the quota store.",
  sidegate_cache_lookups_total: "Exact cache look-ups by result.",
  sidegate_audit_failures_total: "Audit records that could not be written.",
  sidegate_store_up: "1: the shared store answers. 0: its breaker is open.",
  sidegate_heartbeat_failures_total:
    "Heartbeats that could not be written; the operator then counts the pod as silent.",
  sidegate_credential_state:
    "Backends in which a credential is in a state: ready, rate_limited (429), unauthorized (401), unavailable (no token).",
  sidegate_credential_rests_total: "Credentials that a provider refused (401) or slowed down (429), so that they rest.",
  sidegate_token_exchanges_total: "Exchanges of the pod's token for one of a provider, by result.",
  sidegate_token_expires_seconds: "Until the token of a credential ends; 0: it has.",
  sidegate_config_info: "1 for the config in force, by digest and policy version.",
  sidegate_config_reload_failures_total: "Configs that were refused; the last good one stays in force.",
  sidegate_identity_verified:
    "1: the pod's own token is verified, or was within a day and is signed with a key that is not known yet. 0: every request gets 403. Absent: there is no token to verify.",
  sidegate_identity_held: "1 while the identity is kept although the key of the token is not known.",
  sidegate_identity_refusals_total:
    "Looks at the pod's own token that did not verify it, by reason; at the start, at rotations, at new configs.",
  process_resident_memory_bytes: "Resident memory of the process.",
  process_cpu_seconds: "CPU time of the process, user and system.",
  nodejs_heap_size_used_bytes: "JavaScript heap in use.",
  nodejs_external_memory_bytes: "Memory outside the JavaScript heap: buffers.",
  nodejs_eventloop_utilization: "Share of its time that the event loop was busy, since the start.",
} as const;
type MetricName = keyof typeof metricCatalogue;

const operation = ["gen_ai_operation_name", "gen_ai_provider_name"];
const withModel = [...operation, "gen_ai_request_model"];
const firstChunkBuckets = [...overheadBuckets, ...secondBuckets.slice(1)];
const statusClasses = ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx"];

/** What the admin port needs of the registry. */
export type MetricsRegistry = Pick<Registry, "contentType" | "metrics">;

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
  readonly #unenforced = this.#counter("sidegate_quota_unenforced_total", "decision");
  readonly #lookups = this.#counter("sidegate_cache_lookups_total", "result");
  readonly #audit = this.#counter("sidegate_audit_failures_total");
  readonly #heartbeats = this.#counter("sidegate_heartbeat_failures_total");
  readonly #exchanges = this.#counter("sidegate_token_exchanges_total", "result");
  readonly #rests = this.#counter("sidegate_credential_rests_total", "credential", "status");
  readonly #identityRefusals = this.#counter("sidegate_identity_refusals_total", "reason");
  readonly #reloadFailures = this.#counter("sidegate_config_reload_failures_total");
  readonly #configInfo: Gauge<"digest" | "policy_version">;
  readonly #models = new Set<string>();
  #running = 0;

  constructor(sources: {
    storeUp: () => boolean;
    settlementsPending: () => number;
    defaults: boolean;
    /** How the pod's identity stands; undefined: it need not be proven. */
    identity?: () => "verified" | "held" | "refused" | undefined;
    /** How the credentials of the config in force stand. */
    credentials?: () => readonly CredentialView[];
  }) {
    this.#credentialGauges(sources.credentials ?? (() => []));
    const identity = sources.identity ?? (() => undefined);
    this.#gauge("sidegate_identity_verified", () => identity() && (identity() === "refused" ? 0 : 1));
    this.#gauge("sidegate_identity_held", () => identity() && (identity() === "held" ? 1 : 0));
    this.#gauge("sidegate_requests_in_flight", () => this.#running);
    this.#gauge("sidegate_quota_settlements_pending", sources.settlementsPending);
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
    const model = this.#modelLabel(exchange.model ?? "");
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
  quotaDecision(quota: QuotaConfig, limit: string, decision: "refused" | "would_refuse"): void {
    this.#decisions.inc(`${quota.namespace}/${quota.name}`, limit, decision);
  }
  quotaUnenforced(decision: "denied" | "allowed"): void {
    this.#unenforced.inc(decision);
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
  heartbeatFailed(): void {
    this.#heartbeats.inc();
  }
  /** `reason` is from the table of identity refusals. */
  identityFailed(reason: IdentityReason): void {
    this.#identityRefusals.inc(reason);
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
