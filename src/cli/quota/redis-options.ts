/** The options of commands that look at a live Redis and at quotas, from files or from the cluster. */
import type { AIQuota } from "../../api/aiquota.ts";
import { systemClock } from "../../base/clock.ts";
import { createLog } from "../../base/log.ts";
import { RedisLink } from "../../redis/link.ts";
import { parseRedisUrl, type RedisTarget, RedisUrlFault } from "../../redis/url.ts";
import { readResources } from "../../resources/read.ts";
import { faultLine } from "../../resources/validate.ts";
import { kubeconfigOptions } from "../connection.ts";
import { readSource } from "../files.ts";
import { isJsonOf, namespaceOf } from "../namespace.ts";
import { UsageFault } from "../usage.ts";

/** What such a command was asked. */
export interface RedisOptions {
  readonly url: string;
  readonly caFile: string | undefined;
  readonly files: readonly string[];
  readonly namespace: string | undefined;
  readonly isJson: boolean;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}

/** For parseOptions. */
export const redisOptionSpecs = {
  redis: { type: "string" },
  "redis-ca": { type: "string" },
  file: { type: "string", short: "f", multiple: true, default: [] as string[] },
  namespace: { type: "string", short: "n" },
  output: { type: "string", short: "o" },
  ...kubeconfigOptions,
} as const;

interface Values {
  readonly redis?: string | undefined;
  readonly "redis-ca"?: string | undefined;
  readonly file: readonly string[];
  readonly namespace?: string | undefined;
  readonly output?: string | undefined;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

/** Throws UsageFault, also for the environment's URL, which it names. */
export const redisOptionsOf = (values: Values, env: NodeJS.ProcessEnv): RedisOptions => {
  const { redis, file: files, kubeconfig, context } = values;
  const url = redis ?? env["SIDEGATE_REDIS_URL"] ?? "";
  if (url === "")
    throw new UsageFault("--redis: name the Redis, such as redis://HOST:6379, or put the URL into SIDEGATE_REDIS_URL");
  const { password, sentinelPassword } = targetOf(url, redis === undefined ? "SIDEGATE_REDIS_URL" : "--redis");
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

/** `source`: where the user has put it. */
const targetOf = (url: string, source: string): RedisTarget => {
  try {
    return parseRedisUrl(url);
  } catch (fault) {
    if (!(fault instanceof RedisUrlFault)) throw fault;
    throw new UsageFault(`${source}: ${fault.message}`);
  }
};

/** The quotas in files. Throws UsageFault. */
export const quotasIn = (paths: readonly string[]): readonly AIQuota[] => {
  const { quotas, faults } = readResources(paths.map(readSource));
  const [fault] = faults;
  if (fault) throw new UsageFault(`${faultLine(fault)}\nsidegate validate shows every fault.`);
  return quotas;
};

/** Bound of one command, ms: nobody waits for it but who looks. */
const timeoutMs = 10_000;

/** A connection as the options say, under this name; its `ready` waits for it. Throws as readSource for the file of the CA. */
export const redisLinkOf = ({ url, caFile }: RedisOptions, name: string): RedisLink =>
  new RedisLink({
    place: { url, ca: caFile === undefined ? undefined : readSource(caFile).text },
    log: createLog({ name: "sidegate", level: "silent" }),
    clock: systemClock,
    name,
    timeoutMs,
  });
