/** `sidegate quota check`: the invariant of all quotas, tested on a live Redis by reading alone. */
import { createKubeApi } from "../../kube/client.ts";
import { RedisUnavailable } from "../../redis/link.ts";
import { reportJson, reportText } from "../check/print.ts";
import { type CheckResult, tallyOf } from "../check/report.ts";
import { connectByKubeconfig } from "../connection.ts";
import { parseOptions } from "../usage.ts";
import { askedQuotas } from "./asked-quotas.ts";
import { judge } from "./check/judgement.ts";
import { readRedis } from "./check/reading.ts";
import { QuotaCommandFault } from "./fault.ts";
import { type RedisOptions, redisLinkOf, redisOptionSpecs, redisOptionsOf } from "./redis-options.ts";

/** Throws UsageFault. */
export const checkOptions = (args: readonly string[], env: NodeJS.ProcessEnv): RedisOptions =>
  redisOptionsOf(parseOptions({ args: [...args], options: redisOptionSpecs }).values, env);

/** Prints the findings; answers the exit code: see `exitCodeOf`. Throws UsageFault, KubeFault and QuotaCommandFault: not looked at. */
export async function checkQuotas(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const options = checkOptions(args, env);
  const quotas = options.files.length > 0 ? await askedQuotas(options, undefined) : await quotasOfCluster(options);
  const link = redisLinkOf(options, "sidegate-quota-check");
  try {
    await link.ready();
    const results = judge(await readRedis(link, options.namespace), quotas);
    const isColoured = process.stdout.isTTY === true && !env["NO_COLOR"];
    process.stdout.write(options.isJson ? reportJson(results) : reportText(results, { isColoured }));
    return exitCodeOf(results);
  } catch (fault) {
    if (!(fault instanceof RedisUnavailable)) throw fault;
    const fix = fixes[fault.word] ?? "";
    throw new QuotaCommandFault(`${fault.message}${fix}`);
  } finally {
    link.close();
  }
}

/** 0 it holds, 1 it does not, 2 there was nothing to look at. */
export const exitCodeOf = (results: readonly CheckResult[]): number => {
  const { failed, skipped } = tallyOf(results);
  if (failed > 0) return 1;
  return skipped > 0 ? 2 : 0;
};

const asReader =
  ": log in with the rule of docs/quota-commands.md, or as the operator does (docs/redis.md), with the URL in SIDEGATE_REDIS_URL";
const fixes: Readonly<Record<string, string>> = { NOPERM: asReader, NOAUTH: asReader, WRONGPASS: asReader };

const quotasOfCluster = async (options: RedisOptions): ReturnType<typeof askedQuotas> => {
  const api = createKubeApi(await connectByKubeconfig(options));
  try {
    return await askedQuotas(options, api);
  } finally {
    api.close();
  }
};
