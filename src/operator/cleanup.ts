/** `operator --cleanup`: what an uninstallation must undo outside the cluster, which no garbage collector reaches: the users in Redis. */
import type { Log } from "../base/log.ts";
import { isKubeFault, type KubeApi, resources } from "../kube/port.ts";

/** How long the operators may take to end, ms; beyond it the users are removed all the same. */
export const operatorsEndMsMax = 60_000;
/** How often it is looked whether they have, ms. */
const lookMs = 1_000;

/** What it needs. */
export interface CleanupOptions {
  readonly api: KubeApi;
  readonly namespace: string;
  readonly deployment: string;
  /** Removes the users of all namespaces; answers how many there were. */
  readonly removeUsers: () => Promise<number>;
  readonly log: Log;
  readonly pause: (ms: number) => Promise<void>;
}

/** Stops the operator first, or it would make the users anew. Throws KubeFault and StateUnavailable: the hook then fails and says why. */
export async function cleanup({ api, namespace, deployment, removeUsers, log, pause }: CleanupOptions): Promise<void> {
  await api
    .mergePatch(resources.deployments, { namespace, name: deployment }, { spec: { replicas: 0 } })
    .catch((fault: unknown) => {
      if (!isKubeFault(fault, 404)) throw fault;
    });
  const running = async (): Promise<number> => {
    const { items } = await api.list(resources.pods, { namespace, isMetadataOnly: true });
    return items.filter(({ metadata }) =>
      metadata.ownerReferences?.some(({ name }) => name.startsWith(`${deployment}-`)),
    ).length;
  };
  for (let waitedMs = 0; waitedMs < operatorsEndMsMax && (await running()) > 0; waitedMs += lookMs) await pause(lookMs);
  log.info({ users: await removeUsers() }, "redis users removed");
}
