/**
 * Metrics that are counted on the request path and rendered when somebody scrapes: prom-client hashes and checks a label object
 * for each observation, which costs more than a stage. Label values are given in the order of the label names.
 */
import { Counter, Gauge, type Registry } from "prom-client";

export type { Registry } from "prom-client";

interface About {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly registry: Registry;
}

/** Stands between label values in a key; no label value of ours holds it. */
const separator = "\u0000";

const labelsOf = (names: readonly string[], values: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.map((name, i) => [name, values[i] ?? ""]));

/** A counter; what was counted since the last scrape goes to prom-client then. */
export class CounterSeries {
  readonly #counts = new Map<string, number>();
  /** Registers it. */
  constructor({ name, help, labelNames, registry }: About) {
    const counts = this.#counts;
    new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect() {
        for (const [key, count] of counts) this.inc(labelsOf(labelNames, key.split(separator)), count);
        counts.clear();
      },
    });
  }
  /** Counts one. */
  inc(...values: readonly string[]): void {
    this.add(1, ...values);
  }
  /** Counts several. */
  add(count: number, ...values: readonly string[]): void {
    const key = values.length === 1 ? (values[0] ?? "") : values.join(separator);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + count);
  }
}

/** Registers a gauge without labels, which is looked at when somebody scrapes. */
export const sampledGauge = (about: Omit<About, "labelNames">, value: () => number): void => {
  const { name, help, registry } = about;
  new Gauge({
    ...{ name, help, registers: [registry] },
    collect() {
      this.set(value());
    },
  });
};

interface Series {
  readonly labels: Record<string, string>;
  readonly counts: number[];
  sum: number;
}

/** A histogram with fixed upper bounds, ascending. */
export class HistogramSeries {
  readonly name: string;
  readonly help: string;
  readonly #labelNames: readonly string[];
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, Series>();
  /** Registers it. */
  constructor({ name, help, labelNames, registry, bounds }: About & { readonly bounds: readonly number[] }) {
    this.name = name;
    this.help = help;
    this.#labelNames = labelNames;
    this.#bounds = bounds;
    registry.registerMetric(this as unknown as Counter); // prom-client asks a metric for name, help and get() only
  }
  /** Observes one value. */
  observe(value: number, ...values: readonly string[]): void {
    const key = values.join(separator);
    let series = this.#series.get(key);
    if (!series) {
      series = {
        labels: labelsOf(this.#labelNames, values),
        counts: new Array(this.#bounds.length + 1).fill(0),
        sum: 0,
      };
      this.#series.set(key, series);
    }
    let at = 0;
    while (at < this.#bounds.length && value > (this.#bounds[at] ?? 0)) at++;
    series.counts[at] = (series.counts[at] ?? 0) + 1;
    series.sum += value;
  }
  /** Forgets every series. */
  reset(): void {
    this.#series.clear();
  }
  /** What prom-client renders: cumulative buckets, sum and count of each series. */
  async get(): Promise<object> {
    const rows: object[] = [];
    for (const { labels, counts, sum } of this.#series.values()) {
      let total = 0;
      for (const [i, count] of counts.entries()) {
        total += count;
        rows.push({
          metricName: `${this.name}_bucket`,
          labels: { le: this.#bounds[i] ?? "+Inf", ...labels },
          value: total,
        });
      }
      rows.push(
        { metricName: `${this.name}_sum`, labels, value: sum },
        { metricName: `${this.name}_count`, labels, value: total },
      );
    }
    return { name: this.name, help: this.help, type: "histogram", values: rows, aggregator: "sum" };
  }
}
