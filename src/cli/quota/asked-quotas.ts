/** The AIQuotas that a command is about, from files or from a cluster. */
import type { AIQuota } from "../../api/aiquota.ts";
import type { KubeApi } from "../../kube/port.ts";
import { safeText } from "../terminal-text.ts";
import { listQuotas } from "./cluster-quotas.ts";
import { QuotaCommandFault } from "./fault.ts";
import { quotasIn } from "./redis-options.ts";

/** Which of them. */
interface QuotasAsked {
  readonly files: readonly string[];
  /** Undefined: all namespaces. */
  readonly namespace: string | undefined;
  /** Undefined: all. */
  readonly name?: string | undefined;
}

/** One at least. Those of the cluster (`api`) that cannot be read are named on stderr. Throws QuotaCommandFault, UsageFault, KubeFault. */
export const askedQuotas = async (
  { files, namespace, name }: QuotasAsked,
  api: Pick<KubeApi, "list"> | undefined,
): Promise<readonly AIQuota[]> => {
  const all = api ? await readableQuotas(api, namespace) : quotasIn(files);
  const quotas = all.filter(
    ({ metadata }) =>
      (name === undefined || metadata.name === name) && (namespace === undefined || metadata.namespace === namespace),
  );
  if (quotas.length > 0) return quotas;
  const which = `${name === undefined ? "" : ` ${name}`}${namespace === undefined ? "" : ` in namespace ${namespace}`}`;
  throw new QuotaCommandFault(`there is no AIQuota${which}${api ? "" : " in these files"}`);
};

const readableQuotas = async (
  api: Pick<KubeApi, "list">,
  namespace: string | undefined,
): Promise<readonly AIQuota[]> => {
  const quotas: AIQuota[] = [];
  for (const { resource, metadata, faults } of await listQuotas(api, namespace)) {
    if (resource) quotas.push(resource);
    else {
      const why = safeText(faults.join("; "));
      process.stderr.write(
        `sidegate: AIQuota ${metadata.namespace}/${metadata.name} is left out: it cannot be read, so its routes refuse everything until it is mended (in mode Audit it counts nothing): ${why}\n`,
      );
    }
  }
  return quotas;
};
