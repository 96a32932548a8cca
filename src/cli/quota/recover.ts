/** `sidegate quota recover`: what Redis has lost for good, made good from audit records. */
import { subdomainPattern } from "../../api/object.ts";
import { systemClock } from "../../base/clock.ts";
import { createLog } from "../../base/log.ts";
import { createKubeApi } from "../../kube/client.ts";
import { EventRecorder } from "../../kube/events.ts";
import type { KubeApi } from "../../kube/port.ts";
import { RedisUnavailable } from "../../redis/link.ts";
import { connectByKubeconfig } from "../connection.ts";
import { parseOptions, UsageFault } from "../usage.ts";
import { askedQuotas } from "./asked-quotas.ts";
import { QuotaCommandFault } from "./fault.ts";
import { type Recovered, recover, steadyMs } from "./recover/recovery.ts";
import { additionsOf, recoveredJson, recoveredText } from "./recover/report.ts";
import { type RedisOptions, redisLinkOf, redisOptionSpecs, redisOptionsOf } from "./redis-options.ts";
import { filesMax } from "./simulate.ts";

/** Longest wait for the Events, ms. */
const eventsMs = 5_000;

interface RecoverOptions extends RedisOptions {
  readonly from: readonly string[];
  readonly name: string | undefined;
  readonly apply: boolean;
  readonly countUnfinished: boolean;
  readonly force: boolean;
}

/** Throws UsageFault. */
export const recoverOptions = (args: readonly string[], env: NodeJS.ProcessEnv): RecoverOptions => {
  const { values, positionals } = parseOptions({
    args: [...args],
    allowPositionals: true,
    options: {
      from: { type: "string", multiple: true, default: [] },
      apply: { type: "boolean", default: false },
      "count-unfinished": { type: "boolean", default: false },
      force: { type: "boolean", default: false },
      ...redisOptionSpecs,
    },
  });
  const { from, apply, force, "count-unfinished": countUnfinished } = values;
  const [name, ...more] = positionals;
  if (more.length > 0) throw new UsageFault("quota recover: name one AIQuota, or none for all");
  if (name !== undefined && (!new RegExp(subdomainPattern).test(name) || name.length > 253))
    throw new UsageFault("quota recover: the name of an AIQuota is lower-case letters, digits, '-' and '.'");
  if (from.length === 0) throw new UsageFault("--from: name a file of audit records, or - for stdin");
  if (from.length > filesMax) throw new UsageFault(`--from: at most ${filesMax} times; put them into one file`);
  if (from.filter((path) => path === "-").length > 1 || (from.includes("-") && values.file.includes("-")))
    throw new UsageFault("-: stdin can be read once");
  return { ...redisOptionsOf(values, env), from, apply, countUnfinished, force, name };
};

/** Prints what is missing, and what was added, also where it ended midway; answers the exit code 0. Throws UsageFault, KubeFault and QuotaCommandFault. */
export async function recoverQuotas(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const options = recoverOptions(args, env);
  const api = options.files.length > 0 ? undefined : createKubeApi(await connectByKubeconfig(options));
  try {
    const recovered = await recoverWith(options, api);
    const write = (): unknown =>
      process.stdout.write(options.isJson ? recoveredJson(recovered) : recoveredText(recovered));
    await tell(api, recovered, write);
    if (recovered.fault) throw asCommandFault(recovered.fault);
    return 0;
  } finally {
    api?.close();
  }
}

const recoverWith = async (options: RecoverOptions, api: KubeApi | undefined): Promise<Recovered> => {
  const { from, apply, countUnfinished, force } = options;
  const quotas = await askedQuotas(options, api);
  const link = redisLinkOf(options, "sidegate-quota-recover");
  try {
    await link.ready();
    if (apply) process.stderr.write(`sidegate: looks for ${steadyMs / 1000} s whether Redis stays, then adds\n`);
    return await recover({ link, from, quotas, apply, countUnfinished, force });
  } catch (fault) {
    throw asCommandFault(fault);
  } finally {
    link.close();
  }
};

/** With what to do, where Redis has refused; any other as it is. */
export const asCommandFault = (fault: unknown): unknown =>
  fault instanceof RedisUnavailable ? new QuotaCommandFault(`${fault.message}${fixes[fault.word] ?? ""}`) : fault;

const asSidecar =
  ": this login may not read or add to these counters (the operator's may only read). Take that of the namespace's sidecars, sg-NAMESPACE, with -n NAMESPACE, in SIDEGATE_REDIS_URL (docs/quota-commands.md)";
const fixes: Readonly<Record<string, string>> = {
  NOPERM: asSidecar,
  NOAUTH:
    ": this Redis wants a login, and the URL has none. Put redis://USER:PASSWORD@HOST:PORT into SIDEGATE_REDIS_URL (docs/quota-commands.md)",
  WRONGPASS:
    ": there is no such user, or this is not its password, or not any more. Read both anew from redis.json in the config Secret (docs/quota-commands.md); characters such as @ and / stand as %40 and %2F in the URL",
};

/** The Events first: they are all that stays in the cluster, and whoever reads the output may have stopped. `write`: puts it out. */
export const tell = async (api: KubeApi | undefined, recovered: Recovered, write: () => unknown): Promise<void> => {
  try {
    if (api) await tellEvents(api, recovered);
  } finally {
    write();
  }
};

/** Writes what was added as Events of the AIQuotas. Best effort: whoever may not write Events has the output. */
export const tellEvents = async (api: KubeApi, recovered: Recovered): Promise<void> => {
  const added = additionsOf(recovered);
  if (added.size === 0) return;
  const events = new EventRecorder({
    ...{ api, clock: systemClock, log: createLog({ name: "sidegate", level: "warn", destination: process.stderr }) },
    ...{ reportingController: "sidegate.dev/cli", reportingInstance: "sidegate-quota-recover" },
  });
  for (const [{ apiVersion, kind, metadata }, message] of added)
    events.record(
      { apiVersion, kind, name: metadata.name, namespace: metadata.namespace, uid: metadata.uid },
      { type: "Normal", reason: "QuotaRecovered", action: "Recover", message },
    );
  await events.stop(eventsMs);
};
