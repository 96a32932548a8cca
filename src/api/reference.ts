/** The reference pages of the resources, as Markdown: what a schema knows is never written by hand. */
import { administrativeEndpoints, endpoints, inferenceEndpoints, namedEndpoints } from "../openai/endpoints.ts";
import { conditionReasons, conditionTypes } from "./conditions.ts";
import type { Kind } from "./crd.ts";
import { examples } from "./examples.ts";
import { apiVersion } from "./object.ts";
import { type OpenApiNode, openApiOf } from "./openapi.ts";

const generatedNote = "<!-- Written by `node cmd/generate.ts` from the schemas; do not edit. -->";

/** One kind: example, fields of spec and status, rules over several fields. */
export const kindPage = (kind: Kind): string => {
  const spec = openApiOf(kind.spec);
  return page(`${kind.kind}`, [
    `${kind.description} \`apiVersion: ${apiVersion}\`, namespaced; \`kubectl get ${kind.shortName}\`. An unknown field is refused.`,
    `\`\`\`yaml\n${examples[kind.kind]?.trimEnd()}\n\`\`\``,
    "## spec",
    "Fields in **bold** are required.",
    table(["Field", "Type", "Default", "Bounds", "Meaning"], fieldRows(spec, "")),
    "## Rules over several fields",
    table(["Field", "Rule"], ruleRows(spec, "")),
    "## status",
    "Written by the operator alone. The conditions and their reasons stand in [conditions.md](conditions.md).",
    table(["Field", "Type", "Default", "Bounds", "Meaning"], fieldRows(openApiOf(kind.status), "")),
  ]);
};

/** Every condition and reason. */
export const conditionsPage = (): string =>
  page("Conditions", [
    "What stands in `status.parents[].conditions` of an AIRoute, and in `status.ancestors[].conditions` and `status.conditions` of an AIQuota.",
    ...Object.entries(conditionTypes).flatMap(([type, sentence]) => [
      `## ${type}`,
      sentence,
      table(["Reason", "Meaning"], reasonRows(type)),
    ]),
  ]);

const reasonRows = (type: string): string[][] => {
  const reasons: Readonly<Record<string, Readonly<Record<string, string>>>> = conditionReasons;
  return Object.entries(reasons[type] ?? {}).map(([reason, sentence]) => [`\`${reason}\``, sentence]);
};

/** Every endpoint that may pass, by the name that rules use. */
export const endpointsPage = (): string => {
  const rows = (names: readonly string[]) =>
    endpoints
      .filter(({ name }) => names.includes(name))
      .map(({ name, method, path, operation, stream, metered, cacheable }) => [
        `\`${name}\``,
        `\`${method} ${path}\``,
        `\`${operation}\``,
        stream ? "yes" : "no",
        metered === "usage" ? "tokens, cost" : "requests",
        cacheable ? "yes" : "no",
      ]);
  const header = ["Name", "Request", "Operation", "Streams", "Metered by", "Cacheable"];
  return page("Endpoints", [
    "The names that `rules[].matches[].endpoints` of an AIRoute and `limits[].endpoints` of an AIQuota use. Paths stand below `/v1`, `/openai/v1` or, for Azure's dated versions, `/openai/deployments/NAME` and `/openai`. A request to anything else is refused.",
    "## Inference",
    "Open wherever a match names no endpoints.",
    table(header, rows(inferenceEndpoints)),
    "## By name only",
    "These keep state or work later, and so escape metering by request: a match has to name them.",
    table(header, rows(namedEndpoints)),
    "`ResponsesBackground` is no request of its own: it permits `background: true` in `POST /responses`.",
    "## Administrative, by name only",
    "These destroy what others of the provider's account may have stored and what can be found by listing it, or start work that costs long after the call. No other name includes them: `Files` uploads, lists and reads, and only `FilesDelete` deletes. Give them to a rule with [`allow`](../authorization.md).",
    table(header, rows(administrativeEndpoints)),
  ]);
};

const page = (title: string, blocks: readonly string[]): string =>
  `${[`# ${title}`, generatedNote, ...blocks].join("\n\n")}\n`;

const table = (header: readonly string[], rows: readonly (readonly string[])[]): string =>
  [header, header.map(() => "---"), ...rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")))]
    .map((row) => `| ${row.join(" | ")} |`)
    .join("\n");

const fieldRows = (node: OpenApiNode, path: string): string[][] =>
  Object.entries(node.properties ?? {}).flatMap(([name, field]) => {
    const fieldPath = path ? `${path}.${name}` : name;
    const shown = node.required?.includes(name) ? `**\`${fieldPath}\`**` : `\`${fieldPath}\``;
    const row = [shown, typeOf(field), defaultOf(field), boundsOf(field), field.description ?? ""];
    if (field["x-kubernetes-preserve-unknown-fields"]) return [row];
    return [row, ...(field.items ? fieldRows(field.items, `${fieldPath}[]`) : fieldRows(field, fieldPath))];
  });

const typeOf = (node: OpenApiNode): string => {
  if (node["x-kubernetes-int-or-string"]) return "integer or string";
  if (node.enum) return node.enum.map((value) => (value === "" ? '`""`' : `\`${value}\``)).join(" | ");
  if (node.items) return `list of ${node.items.enum ? typeOf(node.items) : `${node.items.type}s`}`;
  return node.type ?? "any";
};

const defaultOf = (node: OpenApiNode): string =>
  node.default === undefined ? "" : `\`${JSON.stringify(node.default)}\``;

const boundsOf = (node: OpenApiNode): string => {
  if (node.bounds) return node.bounds;
  if (node.type === "integer") return `${node.minimum} to ${node.maximum}`;
  if (node.maxItems !== undefined) return `${node.minItems ?? 0} to ${node.maxItems} entries`;
  if (node.maxLength !== undefined) return `${node.minLength ?? 0} to ${node.maxLength} characters`;
  return "";
};

const ruleRows = (node: OpenApiNode, path: string): string[][] => {
  const own = (node["x-kubernetes-validations"] ?? [])
    .filter(() => node.bounds === undefined && node.type !== "string")
    .map(({ message, fieldPath = "" }) => [`\`${path}${path ? fieldPath : fieldPath.slice(1)}\``, message]);
  const unique = node["x-kubernetes-list-type"] === "map" ? [[`\`${path}\``, "names are unique"]] : [];
  const below = Object.entries(node.properties ?? {}).flatMap(([name, field]) =>
    ruleRows(field, path ? `${path}.${name}` : name),
  );
  return [...own, ...unique, ...below, ...(node.items ? ruleRows(node.items, `${path}[]`) : [])];
};
