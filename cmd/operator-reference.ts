/** Reference pages of the control plane, from the tables that the code itself uses. */
import { markTable } from "../src/api/annotations.ts";
import { operatorMetricTable } from "../src/operator/metrics.ts";
import { operatorSettingsTable } from "../src/operator/settings.ts";
import { note, table } from "./reference.ts";

/** Every label and annotation. */
export const annotationsPage = (): string => `# Labels and annotations

${note}

A value that cannot be read is refused at admission with the reason; an unknown key of ours on a pod is refused, too.

${table(
  ["Key", "On", "As", "Written by", "Meaning"],
  markTable.map(({ key, on, as, by, sentence }) => [
    `\`${key}\``,
    {
      ...{ Pod: "Pod", Secret: "Secret", ConfigSecret: "config Secret" },
      ...{ WebhookSecret: "webhook Secret", AIQuota: "AIQuota" },
    }[on],
    as,
    by,
    sentence,
  ]),
)}
`;

/** The operator's metrics. */
export const operatorMetricsPage = (): string => `# Metrics of the operator

${note}

On the operator's admin port, \`/metrics\`, in Prometheus' format, beside Node's own process metrics.

${table(
  ["Metric", "Type", "Labels", "Meaning"],
  operatorMetricTable.map(([name, type, labels, help]) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(", "),
    help,
  ]),
)}
`;

/** The operator's environment; what is not secret stands in a file that the chart writes. */
export const operatorSettingsPage = (): string => `# Settings of the operator

${note}

The chart sets them from its values. One that is missing or wrong ends the start with all faults at once.

${table(
  ["Variable", "Default", "Meaning"],
  Object.entries(operatorSettingsTable).map(([name, [fallback, sentence]]) => [
    `\`${name}\``,
    fallback === undefined ? "required" : fallback === "" ? "empty" : `\`${fallback}\``,
    sentence,
  ]),
)}
`;
