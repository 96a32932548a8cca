/** AIQuotas of a cluster, for commands. */
import type { AIQuota } from "../../api/aiquota.ts";
import { type KubeApi, type KubeObject, resources } from "../../kube/port.ts";
import { type Entry, quotaEntryOf } from "../../operator/cluster/projections.ts";

const pageSize = 500;

/** Every AIQuota of a namespace, or of all. Throws KubeFault. */
export const listQuotas = async (
  api: Pick<KubeApi, "list">,
  namespace: string | undefined,
): Promise<readonly Entry<AIQuota>[]> => {
  const found: KubeObject[] = [];
  let next: string | undefined;
  do {
    const page = await api.list(resources.aiquotas, { namespace }, { limit: pageSize, continue: next });
    found.push(...page.items);
    next = page.continue;
  } while (next !== undefined);
  return found.map(quotaEntryOf);
};
