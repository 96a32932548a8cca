// Starts processes on a chosen CPU, ends them, and reads what they cost from /proc.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { openSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { availableParallelism } from "node:os";

/** The server that is measured has a CPU for itself; load, provider and Redis share the other. On one CPU nothing is bound. */
export const isBound = availableParallelism() >= 2 && spawnSync("taskset", ["--version"]).status === 0;
export const cpus = { server: process.env["SERVER_CPU"] ?? "0", load: process.env["LOAD_CPU"] ?? "1" };
type Cpu = keyof typeof cpus;

const killAfterMs = 10_000;
/** Unit of the times in /proc/PID/stat, in us: 100 a second on every Linux. */
const tickUs = 10_000;

const bound = (cpu: Cpu, command: readonly string[]): string[] =>
  isBound ? ["taskset", "-c", cpus[cpu], ...command] : [...command];

/** A process of the benchmark. */
export interface Running {
  readonly pid: number;
  readonly hasEnded: () => boolean;
  stop(): Promise<void>;
}

/** Starts a server in the background; its output goes to `logFile`, stdout to `outFile` where given. */
export function start(
  cpu: Cpu,
  command: readonly string[],
  options: { logFile: string; outFile?: string; env?: Readonly<Record<string, string>>; cwd?: string },
): Running {
  const [file = "", ...args] = bound(cpu, command);
  const log = openSync(options.logFile, "a");
  const out = options.outFile === undefined ? log : openSync(options.outFile, "w");
  const env = { ...process.env, ...options.env };
  const child = spawn(file, args, { stdio: ["ignore", out, log], env, cwd: options.cwd });
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  return { pid: child.pid ?? 0, hasEnded: () => hasEnded(child), stop: () => stop(child, ended) };
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

async function stop(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (hasEnded(child)) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  await ended;
  clearTimeout(timer);
}

/** Runs a load generator to its end; answers its stdout. Throws when it fails. */
export function runLoad(command: readonly string[]): Promise<string> {
  const [file = "", ...args] = bound("load", command);
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => (out += piece));
  child.stderr.setEncoding("utf8").on("data", (piece: string) => (errors += piece));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(out);
      else reject(new Error(`${command[0]} ${command[1]} left ${code}: ${errors.slice(-500)}`));
    });
  });
}

/** First line that a program prints about its version. */
export function versionOf(command: readonly string[]): string {
  const [file = "", ...args] = command;
  const { stdout, stderr } = spawnSync(file, args, { encoding: "utf8" });
  return `${stdout}${stderr}`.trim().split("\n")[0]?.trim() ?? "?";
}

/** The process and all its descendants. */
function treeOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(statOf(Number(name))[1] ?? -1);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const tree: number[] = [pid];
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i] ?? -1) ?? []));
  return tree;
}

/** Fields of /proc/PID/stat from the state on; none when the process is gone. */
function statOf(pid: number): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

/** CPU time of the tree so far, in us. */
export const cpuUsOf = (pid: number): number =>
  treeOf(pid).reduce((sum, each) => {
    const fields = statOf(each);
    return sum + (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * tickUs;
  }, 0);

/** Proportional memory of the tree, in MiB. */
export const pssMibOf = (pid: number): number =>
  treeOf(pid).reduce((sum, each) => {
    try {
      const line = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${each}/smaps_rollup`, "utf8"));
      return sum + Number(line?.[1] ?? 0) / 1024;
    } catch {
      return sum;
    }
  }, 0);

/** A port that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
