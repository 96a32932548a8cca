// The sidecar's config for benchmarks, compiled from YAML as the operator compiles it.
// usage: node config.ts FILE UPSTREAM_ORIGIN MODEL [AUDIT_FILE]
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { encodeConfig } from "../../src/config/codec.ts";
import { configFrom } from "../fixtures/sidecar.ts";

/** What differs between the sidecars that are measured. */
export interface Variant {
  /** Audit records go there; absent: to stdout. */
  readonly auditFile?: string | undefined;
  /** `spec.identity` of the route, YAML in one line; absent: callers prove nothing. */
  readonly identity?: string | undefined;
}

/** Quota on requests and tokens that is never spent, exact cache for every request, audit on. */
const resources = (upstream: string, model: string, { auditFile, identity }: Variant): string => `
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
  audit: ${auditFile === undefined ? "{sink: Stdout}" : `{sink: File, file: {path: ${auditFile}}}`}
---
apiVersion: sidegate.dev/v1alpha1
kind: AIQuota
metadata: {name: bench, namespace: default}
spec:
  targetRefs: [{group: sidegate.dev, kind: AIRoute, name: bench}]
  limits:
    - {name: requests, resource: Requests, limit: 1000000000, window: {type: Sliding, duration: 1m}}
    - {name: tokens, resource: TotalTokens, limit: 1000000000000, window: {type: Sliding, duration: 1m}}
---
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
