/** Keys of the work queue: what is to be reconciled, as one string each. */
import type { Workload } from "../../inject/workload.ts";
import { workloadKey } from "../../inject/workload.ts";

/** What a key stands for. */
export type WorkItem =
  | { readonly kind: "workload"; readonly workload: Workload }
  | { readonly kind: "route" | "quota"; readonly namespace: string; readonly name: string }
  | { readonly kind: "namespace"; readonly namespace: string };

/** A service account's config: compile, publish, nudge. */
export const workloadItem = (workload: Workload): string => `workload:${workloadKey(workload)}`;
/** Status of an AIRoute. */
export const routeItem = (namespace: string, name: string): string => `route:${namespace}/${name}`;
/** Status of an AIQuota. */
export const quotaItem = (namespace: string, name: string): string => `quota:${namespace}/${name}`;
/** What a namespace has in Redis. */
export const namespaceItem = (namespace: string): string => `namespace:${namespace}`;

/** Reads a key back; no name of Kubernetes holds ':' or '/'. */
export const workItemOf = (key: string): WorkItem => {
  const colon = key.indexOf(":");
  const kind = key.slice(0, colon);
  const [namespace = "", name = "", routePick = ""] = key.slice(colon + 1).split("/");
  if (kind === "route" || kind === "quota") return { kind, namespace, name };
  if (kind === "namespace") return { kind, namespace };
  return { kind: "workload", workload: { namespace, serviceAccount: name, ...(routePick && { routePick }) } };
};
