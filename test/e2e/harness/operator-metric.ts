/** What the operator counts, over all its replicas. */
import { operatorPods } from "./operator.ts";
import { podPage } from "./pod-page.ts";

const adminPort = 8_080;

/**
 * Sum of a metric of the operator over its replicas and over the series that have these labels. 0: there is no such series yet. A replica
 * that has begun anew counts from 0. Throws when a replica does not answer.
 */
export const operatorMetric = async (name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> => {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const pods = await operatorPods();
  const pages = await Promise.all(pods.map((pod) => podPage(pod, adminPort, "/metrics")));
  return pages
    .flatMap((page) => page.split("\n"))
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => wanted.every((pair) => line.includes(pair)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
};
