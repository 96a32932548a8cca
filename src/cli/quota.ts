/** `sidegate quota`: tests, tries out, adjusts and makes good. */
import { systemClock } from "../base/clock.ts";
import { createKubeApi } from "../kube/client.ts";
import { type KubeApi, KubeFault } from "../kube/port.ts";
import { connectByKubeconfig } from "./connection.ts";
import { clearOverrides, overrideQuota, type QuotaRef, resetQuota } from "./quota/adjust.ts";
import { overrideOptions, type QuotaPlace, resetOptions } from "./quota/adjust-options.ts";
import { checkQuotas } from "./quota/check.ts";
import { QuotaCommandFault } from "./quota/fault.ts";
import { recoverQuotas } from "./quota/recover.ts";
import { simulateQuotas } from "./quota/simulate.ts";
import { safeText } from "./terminal-text.ts";
import { UsageFault } from "./usage.ts";

/** What `sidegate help` says of this command. */
export const quotaUsage = `sidegate quota COMMAND                  tests, tries out and adjusts quotas, and makes them good
  check                    used + held <= limit, tested on a live Redis by reading alone; exit code 0 holds, 1 does not, 2 not looked at
      --redis URL          without a password; or the whole URL in the environment's SIDEGATE_REDIS_URL; --redis-ca FILE
      -f, --file FILE      the AIQuotas; default: those of the cluster; -n NS: of one namespace alone
  simulate --from FILE     what quotas would have refused, from audit records (- is stdin; may be given many times)
      -f, --file FILE      the AIQuotas to try out, with the AIRoutes for the prices of their models
  recover --from FILE [NAME]     what Redis has lost for good, by audit records of all pods; nothing is changed without --apply
      --apply              adds what is missing, once, never more; looks for 40 s before; --force: also what is far above its limit
      --count-unfinished   counts calls without an end whose sidecar is gone as held; only for files that go to the sidecar's end
      --redis URL          as for check, with the login of the namespace's sidecars; -f, --file FILE; -n NS: of one namespace alone
  reset NAME --reason TEXT       the counters begin anew; with --limit L, --subject S
  override NAME --limit L --to N --until 2h|DATE --reason TEXT    another limit for a while; --clear [--limit L] ends it
  -n, --namespace NAME     of the AIQuota (the kubeconfig's, else default)
      --kubeconfig FILE    the cluster (KUBECONFIG, else ~/.kube/config); --context NAME
  -o, --output json        check, simulate and recover: for scripts`;

type Command = (args: readonly string[], env: NodeJS.ProcessEnv) => Promise<number>;

/** Exit code of `check` where it could not look. */
const notLookedAt = 2;

const commands: Readonly<Record<string, Command>> = {
  check: checkQuotas,
  simulate: simulateQuotas,
  recover: recoverQuotas,
  reset: async (args) => {
    const { limit, subject, reason, ...place } = resetOptions(args);
    const nowMs = systemClock.nowMs();
    return await adjust(place, (api, ref) => resetQuota(api, ref, { limit, subject, reason, nowMs }));
  },
  override: async (args) => {
    const nowMs = systemClock.nowMs();
    const options = overrideOptions(args, nowMs);
    return await adjust(options, (api, ref) =>
      options.clear ? clearOverrides(api, ref, options.limit) : overrideQuota(api, ref, { ...options, nowMs }),
    );
  },
};

/** Carries the command out; answers the exit code: 0 done, 1 it cannot be done; `check`: as its usage says. Throws UsageFault. */
export async function quota(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [name = "", ...rest] = args;
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command)
    throw new UsageFault(`quota${name && ` ${name}`}: must be quota check, simulate, recover, reset or override`);
  try {
    return await command(rest, env);
  } catch (fault) {
    if (!(fault instanceof QuotaCommandFault || fault instanceof KubeFault)) throw fault;
    process.stderr.write(`sidegate: ${safeText(fault.message)}\n`);
    return name === "check" ? notLookedAt : 1;
  }
}

const adjust = async (
  place: QuotaPlace,
  write: (api: KubeApi, ref: QuotaRef) => Promise<readonly string[]>,
): Promise<number> => {
  const connection = await connectByKubeconfig(place);
  const api = createKubeApi(connection);
  try {
    const namespace = place.namespace ?? connection.namespace ?? "default";
    for (const line of await write(api, { namespace, name: place.name })) process.stdout.write(`${line}\n`);
    return 0;
  } finally {
    api.close();
  }
};
