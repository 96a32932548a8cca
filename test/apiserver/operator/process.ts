/** An operator as a process of its own: a kubeconfig, a settings file, a real Redis, and its admin port. */
import { type ChildProcess, spawn } from "node:child_process";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { injectionSettingsSchema } from "../../../src/inject/settings.ts";
import { freePort } from "../../fixtures/redis.ts";
import type { ApiServerAccess } from "../harness.ts";
import { systemNamespace, until } from "./stage.ts";

const root = resolve(import.meta.dirname, "../../..");

/** Injection settings of these processes. */
export const processInjection = injectionSettingsSchema.parse({ image: "sidegate:test" });

/** How one is started. */
export interface OperatorProcessOptions {
  readonly server: ApiServerAccess;
  readonly redisUrl: string;
  /** Its pod's name: files and identity. */
  readonly pod: string;
  /** Default: the server's, a member of system:masters. */
  readonly kubeconfig?: string;
  /** More members of the settings file. */
  readonly more?: object;
  /** The bundle's file; default: cmd/operator.ts. */
  readonly file?: string;
  /** More of Node's flags; only without `file`. */
  readonly nodeFlags?: readonly string[];
}

/** Memory of a process, MiB. */
export interface Memory {
  readonly rssMib: number;
  readonly rssMibMax: number;
  readonly pssMib: number;
}

/** A started process. */
export interface OperatorProcess {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Page of the admin port. */
  page(path: string): Promise<string>;
  /** Samples of a counter or gauge by their labels in the order of the page, joined by a blank. */
  samples(metric: string): Promise<ReadonlyMap<string, number>>;
  memory(): Memory;
  log(): string;
  /** Sends a signal and resolves at the end of the process. */
  end(signal: NodeJS.Signals): Promise<void>;
}

/** Flags of Node in a bundle's first line. */
const flagsOf = (file: string): readonly string[] =>
  readFileSync(file, "utf8")
    .split("\n", 1)[0]
    ?.split(" ")
    .filter((word) => word.startsWith("--")) ?? [];

/** Starts it; resolves as soon as the process is there. Wait for `leads` or its pages. */
export const startOperatorProcess = async (options: OperatorProcessOptions): Promise<OperatorProcess> => {
  const { server, redisUrl, pod, kubeconfig = server.kubeconfig, more = {}, file, nodeFlags = [] } = options;
  const [adminPort, port] = [await freePort(), await freePort()];
  const settings = join(server.folder, `${pod}.json`);
  const logFile = join(server.folder, `${pod}.log`);
  const leaderElection = { leaseSeconds: 5, renewSeconds: 3, retrySeconds: 1 };
  const injection = { image: processInjection.image };
  writeFileSync(settings, JSON.stringify({ injection, webhook: { port }, adminPort, leaderElection, ...more }));
  const log = openSync(logFile, "a");
  const { KUBERNETES_SERVICE_HOST: _inPod, ...env } = process.env;
  const program = file ? [...flagsOf(file), file] : [...nodeFlags, join(root, "cmd/operator.ts")];
  const child = spawn(process.execPath, program, {
    stdio: ["ignore", log, log],
    env: {
      ...env,
      KUBECONFIG: kubeconfig,
      SIDEGATE_SETTINGS: settings,
      SIDEGATE_NAMESPACE: systemNamespace,
      SIDEGATE_POD: pod,
      SIDEGATE_REDIS_URL: redisUrl,
    },
  });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  void ended.then(() => process.removeListener("exit", kill));
  const page = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${adminPort}${path}`)).text();
  const proc = (name: string): string => readFileSync(`/proc/${child.pid}/${name}`, "utf8");
  return {
    pid: child.pid ?? 0,
    child,
    page,
    samples: async (metric) => samplesOf(await page("/metrics"), metric),
    memory: () => ({
      rssMib: mibOf(proc("status"), "VmRSS"),
      rssMibMax: mibOf(proc("status"), "VmHWM"),
      pssMib: mibOf(proc("smaps_rollup"), "Pss"),
    }),
    log: () => readFileSync(logFile, "utf8"),
    end: async (signal) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      child.kill("SIGCONT");
      await ended;
    },
  };
};

/** Waits until it leads. Throws with the end of its log. */
export const leads = (operator: OperatorProcess, ms = 30_000): Promise<true> =>
  until("leading", async () => (await operator.samples("sidegate_operator_leader")).get("") === 1, ms).catch(
    (fault) => {
      throw new Error(operator.log().slice(-2_000), { cause: fault });
    },
  );

const mibOf = (text: string, name: string): number =>
  Math.round(Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) / 1024);

const samplesOf = (text: string, metric: string): ReadonlyMap<string, number> =>
  new Map(
    text.split("\n").flatMap((line): [string, number][] => {
      const found = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (found?.[1] !== metric) return [];
      const labels = [...(found[2] ?? "").matchAll(/"([^"]*)"/g)].map(([, value]) => value).join(" ");
      return [[labels, Number(found[3])]];
    }),
  );

/** What came to a counter between two looks; labels that did not change are left out. */
export const increase = (
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): Readonly<Record<string, number>> =>
  Object.fromEntries(
    [...after].map(([labels, count]) => [labels, count - (before.get(labels) ?? 0)] as const).filter(([, n]) => n > 0),
  );

/** Of an increase of requests, those that write. */
export const writesOf = (requests: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(requests).filter(([labels]) => !/^(get|list|watch) /.test(labels)));
