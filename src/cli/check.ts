/** `sidegate check`: whether everything in the cluster is as it should be, and what to do where it is not. */
import { existsSync, readFileSync } from "node:fs";
import { systemClock } from "../base/clock.ts";
import { createKubeApi } from "../kube/client.ts";
import { type Connection, inClusterConnection } from "../kube/connection.ts";
import { apiChecks } from "./check/api-checks.ts";
import { Cluster } from "./check/cluster.ts";
import { definitionChecks } from "./check/definition-checks.ts";
import { operatorChecks, redisChecks } from "./check/operator-checks.ts";
import { podChecks } from "./check/pod-checks.ts";
import { reportJson, reportText } from "./check/print.ts";
import { type Check, runChecks, tallyOf } from "./check/report.ts";
import { routeChecks } from "./check/route-checks.ts";
import { webhookChecks } from "./check/webhook-checks.ts";
import { connectByKubeconfig, kubeconfigOptions } from "./connection.ts";
import { parseOptions, UsageFault } from "./usage.ts";

/** What `sidegate help` says of this command. */
export const checkUsage = `sidegate check [options]               whether all is well in the cluster; exit code 1 when a check failed
      --kubeconfig FILE    the cluster (KUBECONFIG, else ~/.kube/config)
      --context NAME       context of the kubeconfig
      --in-cluster         this is a pod: use its service account
  -n, --namespace NAME     the operator's namespace (sidegate-system; in a pod, the pod's own)
  -o, --output json        for scripts`;

const namespaceDefault = "sidegate-system";

/** Every check, in the order in which it is run and printed. */
export const allChecks: readonly Check<Cluster>[] = [
  ...apiChecks,
  ...definitionChecks,
  ...operatorChecks,
  ...redisChecks,
  ...webhookChecks,
  ...routeChecks,
  ...podChecks,
];

/** Prints the report on stdout; answers the exit code: 0 nothing failed, 1 something did. Throws UsageFault. */
export async function check(args: readonly string[], env: NodeJS.ProcessEnv, release: string): Promise<number> {
  const { values } = parseOptions({
    args: [...args],
    options: {
      ...kubeconfigOptions,
      "in-cluster": { type: "boolean", default: false },
      namespace: { type: "string", short: "n" },
      output: { type: "string", short: "o" },
    },
  });
  if (values.output !== undefined && values.output !== "json")
    throw new UsageFault(`-o ${values.output}: must be json, or left out`);
  const isInCluster = values["in-cluster"];
  if (isInCluster && (values.kubeconfig !== undefined || values.context !== undefined))
    throw new UsageFault("--in-cluster and --kubeconfig or --context exclude each other");
  const connection = await connect({ isInCluster, file: values.kubeconfig, context: values.context, env });
  const api = createKubeApi(connection);
  const own = isInCluster ? connection.namespace : undefined;
  const cluster = new Cluster({
    api,
    namespace: values.namespace ?? own ?? namespaceDefault,
    release,
    nowMs: () => systemClock.nowMs(),
    isInCluster,
    settingsText: isInCluster ? mountedSettings(env["SIDEGATE_SETTINGS"]) : undefined,
  });
  const results = await runChecks(allChecks, cluster);
  api.close();
  const isColoured = process.stdout.isTTY === true && !env["NO_COLOR"];
  process.stdout.write(values.output === "json" ? reportJson(results) : reportText(results, { isColoured }));
  return tallyOf(results).failed > 0 ? 1 : 0;
}

/** operator.json as the chart mounts it into its test pod. */
const mountedSettings = (path: string | undefined): string | undefined =>
  path !== undefined && existsSync(path) ? readFileSync(path, "utf8") : undefined;

const connect = async (options: {
  readonly isInCluster: boolean;
  readonly file: string | undefined;
  readonly context: string | undefined;
  readonly env: NodeJS.ProcessEnv;
}): Promise<Connection> => {
  const { isInCluster, file, context, env } = options;
  if (!isInCluster) return await connectByKubeconfig({ kubeconfig: file, context });
  try {
    return inClusterConnection({ env, clock: systemClock });
  } catch (fault) {
    const why = fault instanceof Error ? fault.message : String(fault);
    throw new UsageFault(`--in-cluster: this is no pod with a service account (${why})`);
  }
};
