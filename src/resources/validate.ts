/** Judges files as the cluster would: what stands in them, and what `compile` makes of it. */
import type { AIQuota } from "../api/aiquota.ts";
import type { ClusterScope } from "../compile/cluster-quota.ts";
import { compile } from "../compile/compile.ts";
import type { Finding } from "../compile/outcome.ts";
import type { SourceFile } from "./document.ts";
import { oldPrices } from "./price-age.ts";
import { type Fault, type ReadResources, readResources } from "./read.ts";

/** What was found in the files. */
export interface Validation {
  /** What must be mended, in the order of the files; empty: all is well. */
  readonly faults: readonly Fault[];
  /** What is no fault in itself: a Secret that is not among the files, a Deployment that was passed over. */
  readonly notes: readonly Fault[];
}

/** Nothing is stored under this key: a config needs one. */
const unusedKey = { id: "validate", secret: Buffer.alloc(32).toString("base64") };

/** Every fault of the files, in their resources and between them. `nowMs`: since the epoch; absent: certificates are not judged by their times. */
export const validateFiles = (files: readonly SourceFile[], nowMs?: number): Validation => {
  const read = readResources(files);
  const faults = [...read.faults];
  const notes = [...read.notes];
  for (const finding of distinct(findingsOf(read, nowMs))) {
    const fault = read.faultAt(finding, finding.path, finding.message);
    if (fault) (finding.isPending ? notes : faults).push(fault);
  }
  const old = nowMs === undefined ? [] : oldPrices(read.quotas, read.routes, nowMs);
  for (const { quota, path, message } of old) {
    const { namespace, name } = quota.metadata;
    const note = read.faultAt({ kind: "AIQuota", namespace, name }, path, message);
    if (note) notes.push(note);
  }
  const order = new Map(files.map(({ path }, index) => [path, index]));
  const byPlace = (a: Fault, b: Fault) =>
    (order.get(a.file) ?? 0) - (order.get(b.file) ?? 0) || a.line - b.line || a.column - b.column;
  return { faults: faults.sort(byPlace), notes: notes.sort(byPlace) };
};

/** `FILE:LINE:COL: PATH: MESSAGE`, as editors and CI read it. */
export const faultLine = ({ file, line, column, path, message }: Fault): string =>
  `${file}:${line}:${column}: ${path ? `${path}: ` : ""}${message}`;

/** Each route is compiled for each of its service accounts: by itself, and among all, where it may lose to an older one. */
const findingsOf = ({ routes, quotas, secrets }: ReadResources, nowMs: number | undefined): readonly Finding[] => {
  const workloads = routes.flatMap(({ metadata, spec }) =>
    spec.parentRefs.flatMap(({ name }) => [
      { namespace: metadata.namespace, serviceAccount: name, routePick: metadata.name },
      { namespace: metadata.namespace, serviceAccount: name },
    ]),
  );
  // A quota is judged even where no route stands beside it.
  const alone = quotas.map(({ metadata }) => ({ namespace: metadata.namespace, serviceAccount: "default" }));
  return [...workloads, ...alone].flatMap(
    (workload) =>
      compile({ ...workload, ...clusterScopeOf(quotas), routes, quotas, secrets, nowMs, keys: [unusedKey] }).findings,
  );
};

/** The operator's namespace, as the chart's documentation has it: quotas in files of that namespace may target others. */
export const operatorNamespaceDefault = "sidegate-system";

/** Files know no labels of namespaces: every selector means every namespace. */
export const clusterScopeOf = (quotas: readonly AIQuota[]): ClusterScope => ({
  operatorNamespace: operatorNamespaceDefault,
  clusterQuotas: quotas,
});

const distinct = (findings: readonly Finding[]): readonly Finding[] => [
  ...new Map(
    findings.map((finding) => [
      JSON.stringify([finding.kind, finding.namespace, finding.name, finding.path, finding.message]),
      finding,
    ]),
  ).values(),
];
