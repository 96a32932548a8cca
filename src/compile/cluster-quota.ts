/** Quotas over namespaces: they stand in the operator's namespace, and count for all namespaces that they target together. */
import type { AIQuota } from "../api/aiquota.ts";
import type { TargetRef } from "../api/aiquota-target.ts";

/** Labels of a namespace. */
export type Labels = Readonly<Record<string, string>>;

/** What `compile` knows beyond the workload's namespace. */
export interface ClusterScope {
  /** Where quotas may target other namespaces; absent: nowhere, as with an operator that watches some namespaces only. */
  readonly operatorNamespace?: string | undefined;
  /** AIQuotas of that namespace; those that target it alone are passed over. Absent: none. */
  readonly clusterQuotas?: readonly AIQuota[] | undefined;
  /** Of the workload's namespace; absent: not known, and every selector is taken to mean it, so that no limit is forgotten. */
  readonly namespaceLabels?: Labels | undefined;
}

/** A target, as far as it is asked here; also of a quota that cannot be read whole. */
export interface NamespaceTarget {
  readonly kind: string;
  readonly name?: string | undefined;
  readonly selector?: TargetRef["selector"];
}

/** Whether a target of a quota in `own` means other namespaces, too. */
export const isBeyond = ({ kind, name, selector }: NamespaceTarget, own: string): boolean =>
  kind === "Namespace" && (selector !== undefined || name !== own);

/** Whether a quota counts over namespaces. */
export const isClusterQuota = ({ metadata, spec }: AIQuota, operatorNamespace: string | undefined): boolean =>
  metadata.namespace === operatorNamespace && spec.targetRefs.some((target) => isBeyond(target, metadata.namespace));

/** Whether a target of kind Namespace means this one. */
export const meansNamespace = (
  { kind, name, selector }: NamespaceTarget,
  namespace: string,
  labels: Labels | undefined,
): boolean => {
  if (kind !== "Namespace") return false;
  if (selector === undefined) return name === namespace;
  return (
    labels === undefined || Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value)
  );
};

/** Those that mean a namespace, or something in it. */
export const clusterQuotasOf = (namespace: string, scope: ClusterScope): readonly AIQuota[] =>
  (scope.clusterQuotas ?? []).filter(
    (quota) =>
      isClusterQuota(quota, scope.operatorNamespace) &&
      (quota.metadata.namespace === namespace ||
        quota.spec.targetRefs.some((target) => meansNamespace(target, namespace, scope.namespaceLabels))),
  );
