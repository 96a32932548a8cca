import { Histogram, Registry } from "prom-client";
import { expect, test } from "vitest";
import { CounterSeries, HistogramSeries } from "./series.ts";

const sorted = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.replace(/\{(.*)\}/, (_, labels: string) => `{${labels.split(",").sort().join(",")}}`))
    .sort();

test("a histogram renders what prom-client's own renders", async () => {
  const ours = new Registry();
  const theirs = new Registry();
  const about = { name: "h_seconds", help: "Help.", labelNames: ["a", "b"] as const };
  const series = new HistogramSeries({ ...about, registry: ours, bounds: [1, 2, 5] });
  const reference = new Histogram({ ...about, registers: [theirs], buckets: [1, 2, 5] });
  for (const [value, a, b] of [
    [0, "x", "y"],
    [1, "x", "y"],
    [1.5, "x", "z"],
    [9, "x", "y"],
    [5, '"quoted"', "\n"],
  ] as const) {
    series.observe(value, a, b);
    reference.observe({ a, b }, value);
  }
  expect(sorted(await ours.metrics())).toEqual(sorted(await theirs.metrics()));
});

test("a counter keeps counting from scrape to scrape", async () => {
  const registry = new Registry();
  const counter = new CounterSeries({ name: "c_total", help: "Help.", labelNames: ["code"], registry });
  counter.inc("a");
  counter.inc("a");
  expect(await registry.metrics()).toContain('c_total{code="a"} 2');
  counter.inc("a");
  counter.inc("b");
  const text = await registry.metrics();
  expect(text).toContain('c_total{code="a"} 3');
  expect(text).toContain('c_total{code="b"} 1');
});
