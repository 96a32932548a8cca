/** Quotas that were stored under other rules than today's: they must not be passed over, or what they limit would be free. */
import type { AIQuota } from "../../api/aiquota.ts";
import type { Workload } from "../../inject/workload.ts";
import type { Caches } from "../cluster/caches.ts";
import type { Entry } from "../cluster/projections.ts";
import { listIn, memberOf } from "./stored-status.ts";

/** Those that concern the workload: in mode Enforce, or in none that can be read, and with a target that is or may be the workload's. */
export const unreadableQuotas = (
  { namespace, serviceAccount }: Workload,
  caches: Pick<Caches, "quotaEntries" | "routesNaming">,
): readonly { readonly name: string; readonly message: string }[] => {
  const routes = new Set(caches.routesNaming(namespace, serviceAccount).map(({ metadata }) => metadata.name));
  return caches
    .quotaEntries(namespace)
    .filter((entry) => !entry.resource && memberOf(entry.spec, "mode") !== "Audit")
    .filter((entry) => {
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

/** Targets of a quota that does not parse, as far as they can be read; empty: it may mean anything. */
export const unreadTargets = ({
  spec,
}: Pick<Entry<AIQuota>, "spec">): readonly { readonly kind: string; readonly name: string }[] =>
  listIn(spec, "targetRefs").map((ref) => ({
    kind: String(memberOf(ref, "kind") ?? ""),
    name: String(memberOf(ref, "name") ?? ""),
  }));
