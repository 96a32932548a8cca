/** The cluster that a command works on, from a kubeconfig. */
import { type Connection, kubeconfigConnection } from "../kube/connection.ts";
import { UsageFault } from "./usage.ts";

/** The options of every command that works on a cluster. */
export const kubeconfigOptions = { kubeconfig: { type: "string" }, context: { type: "string" } } as const;

/** The kubeconfig named, else `KUBECONFIG`, else `~/.kube/config`. Throws UsageFault when it cannot be read or names no cluster. */
export const connectByKubeconfig = async (options: {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}): Promise<Connection> => {
  const { kubeconfig: file, context } = options;
  try {
    return await kubeconfigConnection({
      ...(file !== undefined && { file }),
      ...(context !== undefined && { context }),
    });
  } catch (fault) {
    throw new UsageFault(`kubeconfig: ${fault instanceof Error ? fault.message : String(fault)}`);
  }
};
