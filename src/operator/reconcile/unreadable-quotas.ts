/** Quotas that were stored under other rules than today's: they must not be passed over, or what they limit would be free. */
import type { AIQuota } from "../../api/aiquota.ts";
import { meansNamespace } from "../../compile/cluster-quota.ts";
import type { Workload } from "../../inject/workload.ts";
import type { Caches } from "../cluster/caches.ts";
import type { Entry } from "../cluster/projections.ts";
import { listIn, memberOf } from "./stored-status.ts";

/** Those that concern the workload: in mode Enforce, or in none that can be read, and with a target that is or may be the workload's. */
export const unreadableQuotas = (
  { namespace, serviceAccount }: Workload,
  caches: Pick<Caches, "quotaEntries" | "routesNaming" | "clusterScope">,
): readonly { readonly name: string; readonly message: string }[] => {
  const routes = new Set(caches.routesNaming(namespace, serviceAccount).map(({ metadata }) => metadata.name));
  return [...overNamespace(namespace, caches), ...enforced(caches.quotaEntries(namespace))]
    .filter((entry) => {
      if (entry.metadata.namespace !== namespace) return true;
      const targets = unreadTargets(entry);
      return (
        targets.length === 0 ||
        targets.some(({ kind, name }) => {
          if (kind === "AIRoute") return routes.has(name);
          return kind !== "ServiceAccount" || name === serviceAccount;
        })
      );
    })
    .map(({ metadata, faults }) => ({ name: metadata.name, message: faults.join("; ") }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
};

const enforced = (entries: readonly Entry<AIQuota>[]): readonly Entry<AIQuota>[] =>
  entries.filter((entry) => !entry.resource && memberOf(entry.spec, "mode") !== "Audit");

/** Those of the operator's namespace that mean this other one, as far as they can be read. */
const overNamespace = (
  namespace: string,
  caches: Pick<Caches, "quotaEntries" | "clusterScope">,
): readonly Entry<AIQuota>[] => {
  const { operatorNamespace, namespaceLabels } = caches.clusterScope(namespace);
  if (operatorNamespace === undefined || operatorNamespace === namespace) return [];
  return enforced(caches.quotaEntries(operatorNamespace)).filter((entry) => {
    const targets = unreadTargets(entry);
    return targets.length === 0 || targets.some((target) => meansNamespace(target, namespace, namespaceLabels));
  });
};

/** Targets of a quota that does not parse, as far as they can be read; empty: it may mean anything. */
export const unreadTargets = ({
  spec,
}: Pick<Entry<AIQuota>, "spec">): readonly {
  readonly kind: string;
  readonly name: string;
  /** It has one, whose labels are not looked at: it may mean every namespace. */
  readonly selector?: Record<string, never>;
}[] =>
  listIn(spec, "targetRefs").map((ref) => ({
    kind: String(memberOf(ref, "kind") ?? ""),
    name: String(memberOf(ref, "name") ?? ""),
    ...(memberOf(ref, "selector") !== undefined && { selector: {} }),
  }));
