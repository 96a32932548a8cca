/** The operator's metrics: one table of names, closed label sets, and the registry that Prometheus reads. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { LimitFigure, ThresholdFigure } from "./reconcile/figures.ts";

/** Name, type, labels and sentence of each metric; the reference page follows this table. */
export const operatorMetricTable = [
  ["sidegate_operator_leader", "gauge", [], "1 on the replica that leads, 0 on the others."],
  [
    "sidegate_operator_reconciles_total",
    "counter",
    ["kind", "result"],
    "Reconciles that ended, by what was reconciled.",
  ],
  ["sidegate_operator_reconcile_seconds", "histogram", ["kind"], "Time that a reconcile took."],
  ["sidegate_operator_queue_depth", "gauge", [], "Keys that wait to be reconciled."],
  [
    "sidegate_operator_watch_age_seconds",
    "gauge",
    ["resource"],
    "Time since the API server last said anything on a watch.",
  ],
  [
    "sidegate_operator_admissions_total",
    "counter",
    ["webhook", "result", "reason"],
    "Admission reviews that were answered.",
  ],
  ["sidegate_operator_webhook_certificate_expires_seconds", "gauge", [], "Time until the serving certificate ends."],
  ["sidegate_operator_shared_state_up", "gauge", [], "1 while Redis can be used as quota store."],
  [
    "sidegate_operator_pods",
    "gauge",
    ["state"],
    "Injected pods: live, programmed (of a route, with the current config), outdated (only a restart brings them up to date).",
  ],
  [
    "sidegate_operator_quota_used_ratio",
    "gauge",
    ["namespace", "quota", "limit"],
    "Used and held over the whole, of the subject that has used most; 1 is spent.",
  ],
  [
    "sidegate_operator_quota_threshold_subjects",
    "gauge",
    ["namespace", "quota", "limit", "threshold"],
    "Subjects that have reached a threshold of `warnAt`, in percent; 100: spent. Of the twenty that have used most.",
  ],
  [
    "sidegate_operator_notifications_total",
    "counter",
    ["type", "result"],
    "Notifications of quotas that were delivered (sent), or given up after all tries (failed).",
  ],
  [
    "sidegate_operator_token_keys_age_seconds",
    "gauge",
    [],
    "Time since the cluster's token keys were read; asked for every five minutes. Absent: they never were, and nothing is published.",
  ],
  ["sidegate_operator_routes", "gauge", [], "AIRoutes in the watched namespaces."],
  [
    "sidegate_operator_api_requests_total",
    "counter",
    ["verb", "resource", "status"],
    "Requests to the API server that ended.",
  ],
] as const;

type MetricName = (typeof operatorMetricTable)[number][0];

/** Figures that are looked up when Prometheus asks. */
export interface OperatorGauges {
  readonly isLeading: () => boolean;
  readonly queueDepth: () => number;
  /** Seconds by resource. */
  readonly watchAges: () => ReadonlyMap<string, number>;
  readonly certificateSeconds: () => number | undefined;
  readonly isStoreUp: () => boolean;
  readonly pods: () => { readonly live: number; readonly programmed: number; readonly outdated: number };
  readonly limits: () => readonly LimitFigure[];
  readonly thresholds: () => readonly ThresholdFigure[];
  readonly routes: () => number;
  /** undefined: the cluster's token keys were never read. */
  readonly issuerSeconds: () => number | undefined;
}

/** Counters that code increments, gauges that are read on scrape. */
export class OperatorMetrics {
  readonly #registry = new Registry();
  readonly #counters = new Map<MetricName, Counter>();
  readonly #seconds: Histogram;

  constructor(gauges: OperatorGauges) {
    collectDefaultMetrics({ register: this.#registry });
    for (const [name, type, labels, help] of operatorMetricTable) {
      const registers = [this.#registry];
      if (type === "counter") this.#counters.set(name, new Counter({ name, help, labelNames: [...labels], registers }));
      else if (type === "gauge") {
        const collect = collectorOf(name, gauges);
        new Gauge({
          name,
          help,
          labelNames: [...labels],
          registers,
          collect() {
            this.reset();
            collect(this);
          },
        });
      }
    }
    this.#seconds = new Histogram({
      name: "sidegate_operator_reconcile_seconds",
      help: "Time that a reconcile took.",
      labelNames: ["kind"],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
      registers: [this.#registry],
    });
  }

  reconciled(kind: string, result: string, seconds: number): void {
    this.#counters.get("sidegate_operator_reconciles_total")?.inc({ kind, result });
    this.#seconds.observe({ kind }, seconds);
  }

  admitted(webhook: string, result: string, reason: string): void {
    this.#counters.get("sidegate_operator_admissions_total")?.inc({ webhook, result, reason });
  }

  requested(verb: string, resource: string, status: string): void {
    this.#counters.get("sidegate_operator_api_requests_total")?.inc({ verb, resource, status });
  }

  notified(type: string, result: "sent" | "failed"): void {
    this.#counters.get("sidegate_operator_notifications_total")?.inc({ type, result });
  }

  /** The page for Prometheus. */
  async page(): Promise<{ readonly type: string; readonly text: string }> {
    return { type: this.#registry.contentType, text: await this.#registry.metrics() };
  }
}

const collectorOf = (name: MetricName, gauges: OperatorGauges): ((gauge: Gauge) => void) => {
  const flag = (value: boolean): number => (value ? 1 : 0);
  switch (name) {
    case "sidegate_operator_leader":
      return (gauge) => gauge.set(flag(gauges.isLeading()));
    case "sidegate_operator_queue_depth":
      return (gauge) => gauge.set(gauges.queueDepth());
    case "sidegate_operator_watch_age_seconds":
      return (gauge) => {
        for (const [resource, seconds] of gauges.watchAges()) gauge.set({ resource }, seconds);
      };
    case "sidegate_operator_webhook_certificate_expires_seconds":
      return (gauge) => {
        const seconds = gauges.certificateSeconds();
        if (seconds !== undefined) gauge.set(seconds);
      };
    case "sidegate_operator_shared_state_up":
      return (gauge) => gauge.set(flag(gauges.isStoreUp()));
    case "sidegate_operator_pods":
      return (gauge) => {
        for (const [state, count] of Object.entries(gauges.pods())) gauge.set({ state }, count);
      };
    case "sidegate_operator_quota_used_ratio":
      return (gauge) => {
        for (const { namespace, quota, limit, ratio } of gauges.limits()) gauge.set({ namespace, quota, limit }, ratio);
      };
    case "sidegate_operator_quota_threshold_subjects":
      return (gauge) => {
        for (const { namespace, quota, limit, threshold, subjects } of gauges.thresholds())
          gauge.set({ namespace, quota, limit, threshold: String(threshold) }, subjects);
      };
    case "sidegate_operator_token_keys_age_seconds":
      return (gauge) => {
        const seconds = gauges.issuerSeconds();
        if (seconds !== undefined) gauge.set(seconds);
      };
    case "sidegate_operator_routes":
      return (gauge) => gauge.set(gauges.routes());
    default:
      return () => undefined;
  }
};
