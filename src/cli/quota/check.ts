/** `sidegate quota check`: the invariant of all quotas, tested on a live Redis by reading alone. */
import type { AIQuota } from "../../api/aiquota.ts";
import { createKubeApi } from "../../kube/client.ts";
import { RedisUnavailable } from "../../redis/link.ts";
import { reportJson, reportText } from "../check/print.ts";
import { tallyOf } from "../check/report.ts";
import { connectByKubeconfig } from "../connection.ts";
import { parseOptions } from "../usage.ts";
import { judge } from "./check/judgement.ts";
import { readRedis } from "./check/reading.ts";
import { listQuotas } from "./cluster-quotas.ts";
import { QuotaCommandFault } from "./fault.ts";
import { quotasIn, type RedisOptions, redisLinkOf, redisOptionSpecs, redisOptionsOf } from "./redis-options.ts";

/** Throws UsageFault. */
export const checkOptions = (args: readonly string[], env: NodeJS.ProcessEnv): RedisOptions =>
  redisOptionsOf(parseOptions({ args: [...args], options: redisOptionSpecs }).values, env);

/** Prints the findings; answers the exit code: 0 it holds, 1 it does not. Throws UsageFault, KubeFault and QuotaCommandFault: not looked at. */
export async function checkQuotas(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const options = checkOptions(args, env);
  const quotas = options.files.length > 0 ? quotasIn(options.files) : await quotasOfCluster(options);
  const link = redisLinkOf(options, "sidegate-quota-check");
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

const quotasOfCluster = async (options: RedisOptions): Promise<readonly AIQuota[]> => {
  const api = createKubeApi(await connectByKubeconfig(options));
  try {
    const entries = await listQuotas(api, options.namespace);
    return entries.flatMap(({ resource }) => resource ?? []);
  } finally {
    api.close();
  }
};
