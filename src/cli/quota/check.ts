/** `sidegate quota check`: the invariant of all quotas, tested on a live Redis by reading alone. */
import type { AIQuota } from "../../api/aiquota.ts";
import { systemClock } from "../../base/clock.ts";
import { createLog } from "../../base/log.ts";
import { createKubeApi } from "../../kube/client.ts";
import { RedisLink, RedisUnavailable } from "../../redis/link.ts";
import { parseRedisUrl } from "../../redis/url.ts";
import { readResources } from "../../resources/read.ts";
import { faultLine } from "../../resources/validate.ts";
import { reportJson, reportText } from "../check/print.ts";
import { tallyOf } from "../check/report.ts";
import { connectByKubeconfig, kubeconfigOptions } from "../connection.ts";
import { readSource } from "../files.ts";
import { isJsonOf, namespaceOf } from "../namespace.ts";
import { parseOptions, UsageFault } from "../usage.ts";
import { judge } from "./check/judgement.ts";
import { readRedis } from "./check/reading.ts";
import { listQuotas } from "./cluster-quotas.ts";
import { QuotaCommandFault } from "./fault.ts";

/** Bound of one command, ms: nobody waits for it but who looks. */
const timeoutMs = 10_000;

interface CheckOptions {
  readonly url: string;
  readonly caFile: string | undefined;
  readonly files: readonly string[];
  readonly namespace: string | undefined;
  readonly isJson: boolean;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}

/** Throws UsageFault; RedisUrlFault for the option and for the environment's URL. */
export const checkOptions = (args: readonly string[], env: NodeJS.ProcessEnv): CheckOptions => {
  const { values } = parseOptions({
    args: [...args],
    options: {
      redis: { type: "string" },
      "redis-ca": { type: "string" },
      file: { type: "string", short: "f", multiple: true, default: [] },
      namespace: { type: "string", short: "n" },
      output: { type: "string", short: "o" },
      ...kubeconfigOptions,
    },
  });
  const { redis, file: files, kubeconfig, context } = values;
  const url = redis ?? env["SIDEGATE_REDIS_URL"] ?? "";
  if (url === "")
    throw new UsageFault("--redis: name the Redis, such as redis://HOST:6379, or put the URL into SIDEGATE_REDIS_URL");
  const { password, sentinelPassword } = parseRedisUrl(url);
  if (redis !== undefined && (password !== undefined || sentinelPassword !== undefined))
    throw new UsageFault(
      "--redis: others can read a command line; put the URL with its password into SIDEGATE_REDIS_URL",
    );
  if (files.length > 0 && (kubeconfig !== undefined || context !== undefined))
    throw new UsageFault("-f and --kubeconfig or --context exclude each other");
  return {
    ...{ url, files, kubeconfig, context },
    caFile: values["redis-ca"],
    namespace: values.namespace === undefined ? undefined : namespaceOf(values.namespace),
    isJson: isJsonOf(values.output),
  };
};

/** Prints the findings; answers the exit code: 0 it holds, 1 it does not. Throws UsageFault, KubeFault and QuotaCommandFault: not looked at. */
export async function checkQuotas(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const options = checkOptions(args, env);
  const quotas = options.files.length > 0 ? quotasIn(options.files) : await quotasOfCluster(options);
  const link = new RedisLink({
    place: { url: options.url, ca: options.caFile === undefined ? undefined : readSource(options.caFile).text },
    log: createLog({ name: "sidegate", level: "silent" }),
    clock: systemClock,
    name: "sidegate-quota-check",
    timeoutMs,
  });
  try {
    await link.ready();
    const results = judge(await readRedis(link, options.namespace), quotas);
    const isColoured = process.stdout.isTTY === true && !env["NO_COLOR"];
    process.stdout.write(options.isJson ? reportJson(results) : reportText(results, { isColoured }));
    return tallyOf(results).failed > 0 ? 1 : 0;
  } catch (fault) {
    if (!(fault instanceof RedisUnavailable)) throw fault;
    const fix = fixes[fault.word] ?? "";
    throw new QuotaCommandFault(`${fault.message}${fix}`);
  } finally {
    link.close();
  }
}

const asOperator = ": log in as the operator does, with the URL in SIDEGATE_REDIS_URL (docs/redis.md)";
const fixes: Readonly<Record<string, string>> = { NOPERM: asOperator, NOAUTH: asOperator, WRONGPASS: asOperator };

const quotasIn = (paths: readonly string[]): readonly AIQuota[] => {
  const { quotas, faults } = readResources(paths.map(readSource));
  const [fault] = faults;
  if (fault) throw new UsageFault(`${faultLine(fault)}\nsidegate validate shows every fault.`);
  return quotas;
};

const quotasOfCluster = async (options: CheckOptions): Promise<readonly AIQuota[]> => {
  const api = createKubeApi(await connectByKubeconfig(options));
  try {
    const entries = await listQuotas(api, options.namespace);
    return entries.flatMap(({ resource }) => resource ?? []);
  } finally {
    api.close();
  }
};
