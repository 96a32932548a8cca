/** Reference pages of the sidecar, from the tables that the code itself uses. */
import { callerReasons } from "../src/sidecar/caller/reasons.ts";
import type { ErrorRow } from "../src/sidecar/error-row.ts";
import { errorCatalogue } from "../src/sidecar/errors.ts";
import { identityReasons } from "../src/sidecar/identity/reasons.ts";
import { metricCatalogue } from "../src/sidecar/metric-catalogue.ts";
import { settingsTable } from "../src/sidecar/settings.ts";

/** Says at the top of a page that it is generated. */
export const note = "<!-- Written by `node cmd/generate.ts` from the code; do not edit. -->";
/** A table of Markdown. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows]
    .map((row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`)
    .join("\n");

/** Every error that a client can see. */
export const errorsPage = (): string => `# Errors

${note}

Every error of the sidecar's own has the provider's shape, \`{"error": {"message", "type", "param", "code"}}\`, and says with
\`x-should-retry\` whether the official SDKs may try again. A provider's own error comes back as it was. In a stream the same
object is an event: \`data: {"error": ...}\` for chat, \`event: error\` for responses.

${table(
  ["Code", "Status", "Type", "Param", "Retried by SDKs", "Message"],
  Object.entries<ErrorRow>(errorCatalogue).map(([code, row]) => [
    `\`${code}\``,
    String(row.status),
    `\`${row.type}\``,
    row.param === null ? "" : `\`${row.param}\``,
    row.retry ? "yes" : "no",
    row.text("…", "…", "…"),
  ]),
)}
`;

/** Every metric. */
export const metricsPage = (): string => `# Metrics

${note}

On the admin port, \`/metrics\`, in Prometheus' format. Label sets are closed: a label never
holds a text that a client chose. Histograms \`gen_ai_client_*\` follow OpenTelemetry's GenAI conventions.

${table(
  ["Metric", "Meaning"],
  Object.entries(metricCatalogue).map(([name, help]) => [`\`${name}\``, help]),
)}
`;

/** The sidecar's environment. */
export const settingsPage = (): string => `# Settings of the sidecar

${note}

Read once at the start. A variable that is missing or wrong ends the start with all faults at once.

${table(
  ["Variable", "Default", "Meaning"],
  Object.entries(settingsTable).map(([name, [fallback, sentence]]) => [
    `\`${name}\``,
    fallback === undefined ? "required" : fallback === "" ? "empty" : `\`${fallback}\``,
    sentence,
  ]),
)}
`;

/** Every reason for which an identity is refused. */
export const identityRefusalsPage = (): string => `# Codes of refused identities

${note}

With 403 \`identity_refused\`, in \`/status\`, in the route's condition \`Programmed\`, in the log, and as the label \`reason\` of
\`sidegate_identity_refusals_total\`. See [identity](../identity.md).

${table(
  ["Code", "Meaning"],
  Object.entries(identityReasons).map(([code, sentence]) => [`\`${code}\``, sentence]),
)}
`;

/** Every code of a refused caller. */
export const callerRefusalsPage = (): string => `# Codes of refused callers

${note}

With 401 \`bearer_refused\` and 401 \`api_key_refused\`: the message begins with the code, \`www-authenticate\` has it as
\`error_description\`, and it is the label \`reason\` of \`sidegate_caller_refusals_total\`. \`credential_missing\` is 401 \`bearer_missing\`
or \`api_key_missing\`. See [callers](../callers.md).

${table(
  ["Code", "Meaning"],
  Object.entries(callerReasons).map(([code, sentence]) => [`\`${code}\``, sentence]),
)}
`;
