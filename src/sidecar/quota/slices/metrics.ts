/** What slices spare, by quota and limit as all metrics of quotas. */
import { CounterSeries, type Registry, sampledGauge } from "../../../base/series.ts";
import { type MetricName, metricCatalogue } from "../../metric-catalogue.ts";

/** Who decided a claim of a Leased quota. refusal: the store had just refused as much. */
export type DecidedBy = "slice" | "store" | "refusal";

/** What is counted. `counter` is its name: namespace, quota, limit, subject. */
export interface SliceMetrics {
  claim(counter: string, by: DecidedBy): void;
  refilled(counter: string): void;
  returned(counter: string, units: number): void;
}

/** Counts in a sidecar's registry. `slices`: that are admitted from now. */
export const sliceMetrics = (registry: Registry, slices: () => number): SliceMetrics => {
  const series = (name: MetricName, ...labelNames: readonly string[]): CounterSeries =>
    new CounterSeries({ name, help: metricCatalogue[name], labelNames, registry });
  const claims = series("sidegate_quota_slice_claims_total", "quota", "limit", "by");
  const refills = series("sidegate_quota_slice_refills_total", "quota", "limit");
  const returns = series("sidegate_quota_slice_units_returned_total", "quota", "limit");
  const name = "sidegate_quota_slices";
  sampledGauge({ name, help: metricCatalogue[name], registry }, slices);
  return {
    claim: (counter, by) => claims.inc(...labelsOf(counter), by),
    refilled: (counter) => refills.inc(...labelsOf(counter)),
    returned: (counter, units) => returns.add(units, ...labelsOf(counter)),
  };
};

/** Quota and limit; without the time of a reset, which is part of the limit's word (redis/keys.ts). */
const labelsOf = (counter: string): [quota: string, limit: string] => {
  const [namespace = "", quota = "", limit = ""] = counter.split("/", 3);
  return [`${namespace}/${quota}`, limit.split("=", 1)[0] ?? ""];
};
