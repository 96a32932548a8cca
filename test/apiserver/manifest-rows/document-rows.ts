/** Manifests that are wrong in their types, their metadata, or beyond what one field says; each with who refuses it. */
import { aiquotaBase } from "../../../src/api/aiquota.rows.ts";
import { airouteBase } from "../../../src/api/airoute.rows.ts";
import { applyRow } from "../../../src/api/rows.ts";
import { type KindName, kinds, type Manifest, manifestOf } from "./manifest.ts";

/** One manifest that is refused. */
export interface DocumentRow {
  readonly name: string;
  readonly manifest: Manifest;
  /**
   * Schema: by the CRD. Webhook: the CRD takes it, the admission validation refuses it by what `compile` says. Files: in a cluster
   * another object could still mend it, so the webhook warns, and only `sidegate validate`, which sees all files, refuses.
   */
  readonly refusedBy: "Schema" | "Webhook" | "Files";
  /** The field at fault. */
  readonly path: string;
  /** A part of the sentence of `sidegate validate`, which is the webhook's too. */
  readonly says: string;
  /** What stands in the cluster or among the files already. */
  readonly beside?: readonly object[];
}

const changed = (kind: KindName, set: Readonly<Record<string, unknown>>): Manifest =>
  manifestOf(kind, applyRow(kinds[kind].base, { name: kind, set }));
const named = (kind: KindName, metadata: object): Manifest => manifestOf(kind, kinds[kind].base, metadata);

const schema = (name: string, manifest: Manifest, path: string, says: string): DocumentRow => ({
  name,
  manifest,
  refusedBy: "Schema",
  path,
  says,
});
const webhook = (
  name: string,
  manifest: Manifest,
  path: string,
  says: string,
  beside: readonly object[] = [],
): DocumentRow => ({ name, manifest, refusedBy: "Webhook", path, says, beside });
const files = (...row: Parameters<typeof webhook>): DocumentRow => ({ ...webhook(...row), refusedBy: "Files" });

const typeRows = [
  schema("a spec is required", manifestOf("AIRoute", undefined), "spec", "is required"),
  schema("a spec is no list", manifestOf("AIRoute", [airouteBase]), "spec", "must be an object"),
  schema("a spec is no text", manifestOf("AIQuota", "unlimited"), "spec", "must be an object"),
  schema("backends are a list", changed("AIRoute", { backends: airouteBase.backends[0] }), "spec.backends", "a list"),
  schema("a backend is no text", changed("AIRoute", { "backends.0": "openai" }), "spec.backends[0]", "an object"),
  schema(
    "insecure is no text",
    changed("AIRoute", { "backends.0.insecure": "true" }),
    "spec.backends[0].insecure",
    "true or false",
  ),
  schema("a name is no number", changed("AIRoute", { "rules.0.name": 7 }), "spec.rules[0].name", "a string"),
  schema(
    "attempts are no text",
    changed("AIRoute", { "rules.0.retry": { attempts: "1" } }),
    "spec.rules[0].retry.attempts",
    "number",
  ),
  schema(
    "a duration is no number",
    changed("AIRoute", { "rules.0.timeouts.connect": 5 }),
    "spec.rules[0].timeouts.connect",
    "a string",
  ),
  schema(
    "a matched endpoint is no object",
    changed("AIRoute", { "rules.0.matches.0.endpoints": [{ name: "Files" }] }),
    "spec.rules[0].matches[0].endpoints[0]",
    "must be one of",
  ),
  schema("limits are a list", changed("AIQuota", { limits: { rpm: 600 } }), "spec.limits", "a list"),
  schema("a limit is no list", changed("AIQuota", { "limits.0.limit": [600] }), "spec.limits[0].limit", "whole number"),
  schema("a limit is not true", changed("AIQuota", { "limits.0.limit": true }), "spec.limits[0].limit", "whole number"),
  schema("per is a list", changed("AIQuota", { per: "Pod" }), "spec.per", "a list"),
  schema("a burst is whole", changed("AIQuota", { "limits.0.burst": 0.5 }), "spec.limits[0].burst", "whole number"),
  schema("mode is no boolean", changed("AIQuota", { mode: true }), "spec.mode", "must be one of"),
];

const lengthRows = [
  schema(
    "a rule's name is at most 63 characters",
    changed("AIRoute", { "rules.0.name": "r".repeat(64) }),
    "spec.rules[0].name",
    "at most 63",
  ),
  schema(
    "a backend's name is at most 63 characters",
    changed("AIRoute", { "backends.2.name": "b".repeat(64) }),
    "spec.backends[2].name",
    "at most 63",
  ),
  schema(
    "a service account's name is at most 253 characters",
    changed("AIRoute", { "parentRefs.0.name": "a".repeat(254) }),
    "spec.parentRefs[0].name",
    "at most 253",
  ),
  schema(
    "a model's name is at most 256 characters",
    changed("AIRoute", { "models.0.name": "m".repeat(257) }),
    "spec.models[0].name",
    "at most 256",
  ),
  schema(
    "an endpoint is at most 2048 characters",
    changed("AIRoute", { "backends.1.endpoint": `https://a.example/${"p".repeat(2048)}` }),
    "spec.backends[1].endpoint",
    "at most 2048",
  ),
  schema(
    "a limit's name is at most 63 characters",
    changed("AIQuota", { "limits.0.name": "l".repeat(64) }),
    "spec.limits[0].name",
    "at most 63",
  ),
  schema(
    "a time zone is at most 64 characters",
    changed("AIQuota", { "limits.1.window.timeZone": "Z".repeat(65) }),
    "spec.limits[1].window.timeZone",
    "at most 64",
  ),
];

const metadataRows = [
  schema("a route's name is lower-case", named("AIRoute", { name: "Support" }), "metadata.name", "lower-case"),
  schema(
    "a route's name is at most 253 characters",
    named("AIRoute", { name: "a".repeat(254) }),
    "metadata.name",
    "at most 253",
  ),
  schema("a quota's name has no underscore", named("AIQuota", { name: "a_b" }), "metadata.name", "lower-case"),
  schema(
    "a misspelt member of metadata is refused",
    named("AIRoute", { lables: {} }),
    "metadata.lables",
    "did you mean labels?",
  ),
  schema(
    "an unknown member beside spec is refused",
    { ...named("AIQuota", {}), sepc: {} },
    "sepc",
    "did you mean spec?",
  ),
];

const unknownRows = [
  ["backends.0.endpiont", "spec.backends[0].endpiont", "did you mean endpoint?"],
  ["backends.0.credentials.0.secretRef.namespace", "spec.backends[0].credentials[0].secretRef.namespace", "unknown"],
  ["rules.0.timeouts.firstbyte", "spec.rules[0].timeouts.firstbyte", "did you mean firstByte?"],
  ["rules.0.backendRefs.0.fallback", "spec.rules[0].backendRefs[0].fallback", "unknown"],
  ["audit.onfailure", "spec.audit.onfailure", "did you mean onFailure?"],
].map(([field = "", path = "", says = ""]) =>
  schema(`${field} is unknown`, changed("AIRoute", { [field]: "x" }), path, says),
);

const aroundRoute = (set: Readonly<Record<string, unknown>> = {}) => [changed("AIRoute", set)];
const secret = (labels: object, value = "sk-1", annotations: object = {}) => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "openai", namespace: "default", labels, annotations },
  stringData: { "key-a": value },
});
const permitted = { "sidegate.dev/credential": "true" };
const costAlone = { limits: [aiquotaBase.limits[1]] };
const toKey = "spec.backends[0].credentials[0].secretRef";

const referenceRows = [
  webhook(
    "a rule names a backend that the route has",
    changed("AIRoute", { "rules.0.backendRefs.0.name": "opnai" }),
    "spec.rules[0].backendRefs[0].name",
    "the route has no backend opnai",
  ),
  webhook(
    "no rule can fall back to itself: a ref is a backend, never a rule or a route",
    changed("AIRoute", { "rules.0.backendRefs.1.name": "chat" }),
    "spec.rules[0].backendRefs[1].name",
    "the route has no backend chat",
  ),
  webhook(
    "a quota cannot target another namespace",
    changed("AIQuota", { targetRefs: [{ group: "", kind: "Namespace", name: "other" }] }),
    "spec.targetRefs[0].name",
    "only its own namespace, default, not other",
  ),
  webhook(
    "a quota names a rule that the route has",
    changed("AIQuota", { "targetRefs.0.sectionName": "chta" }),
    "spec.targetRefs[0].sectionName",
    "has no rule chta",
    aroundRoute(),
  ),
  webhook(
    "a Cost limit needs prices",
    changed("AIQuota", costAlone),
    "spec.limits[0].resource",
    "add pricing to the route's models",
    aroundRoute({ models: undefined, "rules.0.matches.0.models": [{ value: "in-house" }] }),
  ),
  webhook(
    "a time zone is one that exists",
    changed("AIQuota", { "limits.1.window.timeZone": "Europe/Warsow" }),
    "spec.limits[1].window.timeZone",
    "is no time zone",
    aroundRoute(),
  ),
  files(
    "a Secret without the label may not be used",
    changed("AIRoute", {}),
    `${toKey}.name`,
    'lacks the label sidegate.dev/credential: "true"',
    [secret({})],
  ),
  files(
    "a Secret has the key",
    changed("AIRoute", { "backends.0.credentials.0.secretRef.key": "k" }),
    `${toKey}.key`,
    "has no key k",
    [secret(permitted)],
  ),
  files("a key holds what a header can carry", changed("AIRoute", {}), `${toKey}.key`, "visible ASCII", [
    secret(permitted, "sk with blanks\n\n"),
  ]),
  files(
    "a Secret goes only to the hosts that it allows",
    changed("AIRoute", {}),
    `${toKey}.name`,
    "allows vault.example.com",
    [secret(permitted, "sk-1", { "sidegate.dev/hosts": "vault.example.com" })],
  ),
];

const oidc = { issuer: "https://id.example.com", audiences: ["bot"], prefix: "corp:" };
const bearer = (more: object = {}) => ({ require: "Bearer", issuers: [{ ...oidc, ...more }] });
const apiKey = { require: "APIKey", apiKeys: { secretRef: { name: "openai" } } };
const pod = { address: "Pod", tls: { secretRef: { name: "openai" } } };

const callerRows = [
  webhook(
    "an issuer is a URL that can be called",
    changed("AIRoute", { identity: bearer({ issuer: "https://[::::]/" }) }),
    "spec.identity.issuers[0].issuer",
    "is not a URL that can be called",
  ),
  webhook(
    "roles need an issuer that maps them",
    changed("AIRoute", { identity: bearer(), "rules.0.allow": { roles: ["corp:admin"] } }),
    "spec.rules[0].allow.roles",
    "add claims.roles to one of identity.issuers",
  ),
  webhook(
    "users are named with their issuer's prefix",
    changed("AIRoute", { identity: bearer(), "rules.0.allow": { users: ["corp:alice", "alice"] } }),
    "spec.rules[0].allow.users[1]",
    "begins with corp:",
  ),
  webhook(
    "a prefix of a CIDR is within its family",
    changed("AIRoute", { identity: apiKey, listener: { ...pod, sources: ["10.0.0.0/33"] } }),
    "spec.listener.sources[0]",
    "is no CIDR",
  ),
  files(
    "a Secret of API keys holds what sidegate key writes",
    changed("AIRoute", { identity: apiKey }),
    "spec.identity.apiKeys.secretRef.name",
    "API key key-a of Secret openai is left out",
    [secret(permitted)],
  ),
  files(
    "a Secret of TLS holds a certificate",
    changed("AIRoute", { identity: apiKey, listener: pod }),
    "spec.listener.tls.secretRef.name",
    "has no key tls.crt",
    [secret(permitted)],
  ),
];

/** Every row; the rows beside the schemas in src/api are the other half of the table. */
export const documentRows: readonly DocumentRow[] = [
  ...typeRows,
  ...lengthRows,
  ...metadataRows,
  ...unknownRows,
  ...referenceRows,
  ...callerRows,
];
