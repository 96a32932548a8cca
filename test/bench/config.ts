// The sidecar's config for benchmarks, compiled from YAML as the operator compiles it.
// usage: node config.ts FILE UPSTREAM_ORIGIN MODEL [AUDIT_FILE]
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { encodeConfig } from "../../src/config/codec.ts";
import { configFrom } from "../fixtures/sidecar.ts";

const limits = {
  two: [
    "{name: requests, resource: Requests, limit: 1000000000, window: {type: Sliding, duration: 1m}}",
    "{name: tokens, resource: TotalTokens, limit: 1000000000000, window: {type: Sliding, duration: 1m}}",
  ],
  five: [
    "{name: requests, resource: Requests, limit: 1000000000, window: {type: Sliding, duration: 1m}}",
    "{name: tokens, resource: TotalTokens, limit: 1000000000000, window: {type: Sliding, duration: 1m}}",
    "{name: day, resource: TotalTokens, limit: 1000000000000, window: {type: Calendar, period: Day, timeZone: Europe/London}}",
    '{name: cost, resource: Cost, currency: USD, limit: "1000000", window: {type: Calendar, period: Month}}',
    "{name: running, resource: Concurrency, limit: 10000}",
  ],
  none: [],
} as const;

/** How many quotas apply, each with one limit. */
export type QuotaSet = keyof typeof limits;

const quotasYaml = (set: QuotaSet): string =>
  limits[set]
    .map(
      (limit, i) => `---
apiVersion: sidegate.dev/v1alpha1
kind: AIQuota
metadata: {name: bench-${i}, namespace: default}
spec:
  targetRefs: [{group: sidegate.dev, kind: AIRoute, name: bench}]
  limits:
    - ${limit}
`,
    )
    .join("");

/** What differs between the sidecars that are measured. */
export interface Variant {
  /** Audit records go there; absent: to stdout. */
  readonly auditFile?: string | undefined;
  /** `spec.identity` of the route, YAML in one line; absent: callers prove nothing. */
  readonly identity?: string | undefined;
  /** Absent: two. */
  readonly quotas?: QuotaSet | undefined;
}

/** Quotas that are never spent, exact cache for every request, audit on. */
const resources = (upstream: string, model: string, { auditFile, identity, quotas }: Variant): string => `
apiVersion: sidegate.dev/v1alpha1
kind: AIRoute
metadata: {name: bench, namespace: default}
spec:
  parentRefs: [{group: "", kind: ServiceAccount, name: default}]
  backends:
    - name: main
      type: OpenAI
      endpoint: ${upstream}/v1
      credentials: [{type: Secret, secretRef: {name: keys, key: main}}]
  rules:
    - name: all
      matches: [{models: [{type: Exact, value: ${model}}]}]
      backendRefs: [{name: main}]
      cache: {exact: {ttl: 1h, when: Always}}
  ${identity === undefined ? "" : `identity: ${identity}`}
  models: [{name: ${model}, pricing: {inputPerMTok: "2.50", outputPerMTok: "10"}}]
  audit: ${auditFile === undefined ? "{sink: Stdout}" : `{sink: File, file: {path: ${auditFile}}}`}
${quotasYaml(quotas ?? "two")}---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: default, labels: {sidegate.dev/credential: "true"}}
stringData: {main: sk-bench}
`;

/** Writes the config to `file`. Throws with every fault that the compiler finds. */
export function writeConfig(file: string, upstream: string, model: string, variant: Variant = {}): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, encodeConfig(configFrom(resources(upstream, model, variant))));
}

if (import.meta.main) {
  const [file = "", upstream = "", model = "", auditFile] = process.argv.slice(2);
  writeConfig(file, upstream, model, { auditFile });
}
