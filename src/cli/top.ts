/** `sidegate top`: what every quota has used, live. */
import { setTimeout as sleep } from "node:timers/promises";
import { parseDuration } from "../api/duration.ts";
import { systemClock } from "../base/clock.ts";
import { createKubeApi } from "../kube/client.ts";
import { type KubeApi, KubeFault } from "../kube/port.ts";
import { connectByKubeconfig, kubeconfigOptions } from "./connection.ts";
import { isJsonOf, namespaceOf } from "./namespace.ts";
import { listQuotas } from "./quota/cluster-quotas.ts";
import { safeText } from "./terminal-text.ts";
import { type Sorting, sortings, type TopView, topView } from "./top/rows.ts";
import { Screen, type Terminal } from "./top/screen.ts";
import { headLine, tableLines, viewJson } from "./top/table.ts";
import { parseOptions, UsageFault } from "./usage.ts";

/** What `sidegate help` says of this command. */
export const topUsage = `sidegate top [options]                 what the quotas have used, live; Ctrl-C ends it
  -n, --namespace NAME     (the kubeconfig's, else default); -A, --all-namespaces
      --sort ORDER         ratio, used or name (ratio)
      --interval TIME      between two looks, 1s or longer (2s)
      --once               one table, then it ends
      --kubeconfig FILE    the cluster (KUBECONFIG, else ~/.kube/config); --context NAME
  -o, --output json        one document for scripts, then it ends`;

const intervalMsMin = 1_000;
const intervalMsMax = 3_600_000;

interface TopOptions {
  readonly namespace: string | undefined;
  readonly isAll: boolean;
  readonly sorting: Sorting;
  readonly intervalMs: number;
  readonly isOnce: boolean;
  readonly isJson: boolean;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}

/** Throws UsageFault. */
export const topOptions = (args: readonly string[]): TopOptions => {
  const { values } = parseOptions({
    args: [...args],
    options: {
      namespace: { type: "string", short: "n" },
      "all-namespaces": { type: "boolean", short: "A", default: false },
      sort: { type: "string", default: "ratio" },
      interval: { type: "string", default: "2s" },
      once: { type: "boolean", default: false },
      output: { type: "string", short: "o" },
      ...kubeconfigOptions,
    },
  });
  const sorting = sortings.find((each) => each === values.sort);
  if (!sorting) throw new UsageFault(`--sort ${values.sort}: must be ${sortings.join(", ")}`);
  const intervalMs = parseDuration(values.interval) ?? 0;
  if (intervalMs < intervalMsMin || intervalMs > intervalMsMax)
    throw new UsageFault(`--interval ${values.interval}: must be a time such as 2s, from 1s to 1h`);
  const isAll = values["all-namespaces"];
  if (isAll && values.namespace !== undefined) throw new UsageFault("-n and -A exclude each other");
  const isJson = isJsonOf(values.output);
  return {
    namespace: values.namespace === undefined ? undefined : namespaceOf(values.namespace),
    isAll,
    sorting,
    intervalMs,
    isOnce: values.once || isJson,
    isJson,
    kubeconfig: values.kubeconfig,
    context: values.context,
  };
};

/** Shows them until Ctrl-C, or once; answers the exit code: 0, or 1 where the cluster does not say or it was ended before. Throws UsageFault. */
export async function top(args: readonly string[]): Promise<number> {
  const options = topOptions(args);
  const connection = await connectByKubeconfig(options);
  const namespace = options.isAll ? undefined : (options.namespace ?? connection.namespace ?? "default");
  const api = createKubeApi(connection);
  const end = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => end.abort());
  process.stdout.once("error", () => end.abort()); // nobody reads on
  try {
    return (await show(api, { ...options, namespace, signal: end.signal }, process.stdout)) ? 0 : 1;
  } catch (fault) {
    if (!(fault instanceof KubeFault)) throw fault;
    process.stderr.write(`sidegate: ${safeText(fault.message)}\n`);
    return 1;
  } finally {
    api.close();
  }
}

type Shown = Pick<TopOptions, "namespace" | "isAll" | "sorting" | "intervalMs" | "isOnce" | "isJson"> & {
  readonly signal: AbortSignal;
};

/** A terminal, or what stands in for one, as `process.stdout` is. */
type Output = Terminal & Pick<NodeJS.EventEmitter, "on" | "off"> & { readonly isTTY?: boolean };

/** false: it was ended before anything was shown. Its end waits for no answer. Throws KubeFault where the first look fails. */
export const show = async (api: Pick<KubeApi, "list">, options: Shown, output: Output): Promise<boolean> => {
  const look = async (): Promise<TopView | undefined> => {
    const entries = await unlessEnded(listQuotas(api, options.namespace), options.signal);
    return entries && topView(entries, options.sorting, systemClock.nowMs());
  };
  const first = await look();
  if (first === undefined) return false;
  let view = first;
  if (options.isJson) {
    output.write(viewJson(view, systemClock.nowMs()));
    return true;
  }
  const screen = output.isTTY === true && !options.isOnce ? new Screen(output) : undefined;
  let trouble: string | undefined;
  const print = (): void => {
    const lines = linesOf(view, trouble, options);
    if (screen) screen.draw(lines, trouble === undefined ? 1 : 2);
    else output.write(`${lines.join("\n")}\n${options.isOnce ? "" : "\n"}`);
  };
  if (screen) output.on("resize", print);
  const giveBack = (): void => screen?.close();
  process.once("exit", giveBack); // a fault that nobody caught ends the process elsewhere
  try {
    for (;;) {
      print();
      if (options.isOnce || !(await passed(options.intervalMs, options.signal))) return true;
      try {
        const next = await look();
        if (next === undefined) return true;
        view = next;
        trouble = undefined;
      } catch (fault) {
        if (!(fault instanceof KubeFault)) throw fault;
        trouble = `as it was; the cluster does not answer: ${safeText(fault.message)}`;
      }
    }
  } finally {
    output.off("resize", print);
    process.off("exit", giveBack);
    giveBack();
  }
};

const linesOf = (view: TopView, trouble: string | undefined, options: Shown): readonly string[] => {
  const nowMs = systemClock.nowMs();
  const where = view.rows.length > 0 ? [] : [noneText(options.namespace)];
  return [
    ...(options.isOnce ? [] : [headLine(view, nowMs), ...(trouble === undefined ? [] : [trouble])]),
    ...tableLines(view, { nowMs, withNamespace: options.isAll }),
    ...where,
  ];
};

const noneText = (namespace: string | undefined): string =>
  namespace === undefined
    ? "There is no AIQuota in the cluster."
    : `There is no AIQuota in namespace ${namespace}; -A shows all.`;

/** Undefined: it was ended before; what comes of the work then is left. */
const unlessEnded = async <Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value | undefined> => {
  const { promise: ended, resolve } = Promise.withResolvers<undefined>();
  const end = (): void => resolve(undefined);
  signal.addEventListener("abort", end);
  try {
    return await Promise.race([work, ended]);
  } finally {
    signal.removeEventListener("abort", end);
  }
};

/** false: it was ended before. */
const passed = async (ms: number, signal: AbortSignal): Promise<boolean> => {
  try {
    await sleep(ms, undefined, { signal });
    return true;
  } catch {
    return false;
  }
};
