// Starts processes on a chosen CPU and ends them.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { connect, createServer } from "node:net";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** The server that is measured has a CPU for itself; load, provider and Redis share the other. On one CPU nothing is bound. */
export const isBound = availableParallelism() >= 2 && spawnSync("taskset", ["--version"]).status === 0;
/** Numbers of the two CPUs, as taskset takes them. */
export const cpus = { server: process.env["SERVER_CPU"] ?? "0", load: process.env["LOAD_CPU"] ?? "1" };
type Cpu = keyof typeof cpus;

/** Put before Redis where it is allowed: in production it does not compete with a load generator, and 50 ms of waiting are an outage. */
export const atOnce: readonly string[] = spawnSync("chrt", ["-r", "1", "true"]).status === 0 ? ["chrt", "-r", "1"] : [];

const killAfterMs = 10_000;
const listenMsMax = 5_000;

const bound = (cpu: Cpu, command: readonly string[]): string[] =>
  isBound ? ["taskset", "-c", cpus[cpu], ...command] : [...command];

/** A process of the benchmark. */
export interface Running {
  readonly pid: number;
  readonly hasEnded: () => boolean;
  stop(): Promise<void>;
}

const alive = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
});

function spawnBound(
  cpu: Cpu,
  command: readonly string[],
  stdio: ("ignore" | "pipe" | number)[],
  more: { env?: Readonly<Record<string, string>> },
): ChildProcess {
  const [file = "", ...args] = bound(cpu, command);
  const child = spawn(file, args, { stdio, env: { ...process.env, ...more.env } });
  alive.add(child);
  child.once("close", () => alive.delete(child));
  return child;
}

/** Starts a server in the background; its output goes to `logFile`, stdout to `outFile` (a file or a pipe with a reader) where given. */
export function start(
  cpu: Cpu,
  command: readonly string[],
  options: { logFile: string; outFile?: string; env?: Readonly<Record<string, string>> },
): Running {
  const log = openSync(options.logFile, "a");
  const out = options.outFile === undefined ? log : openSync(options.outFile, "w");
  const child = spawnBound(cpu, command, ["ignore", out, log], options);
  for (const fd of new Set([log, out])) closeSync(fd);
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  return { pid: child.pid ?? 0, hasEnded: () => hasEnded(child), stop: () => stop(child, ended) };
}

const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

async function stop(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (hasEnded(child)) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  await ended;
  clearTimeout(timer);
}

/** Runs a load generator to its end; answers its stdout. Throws when it fails, or is not done after `secondsMax`. */
export function runLoad(
  command: readonly string[],
  secondsMax: number,
  env?: Readonly<Record<string, string>>,
): Promise<string> {
  const child = spawnBound("load", command, ["ignore", "pipe", "pipe"], { env });
  let out = "";
  let errors = "";
  child.stdout?.setEncoding("utf8").on("data", (piece: string) => (out += piece));
  child.stderr?.setEncoding("utf8").on("data", (piece: string) => (errors += piece));
  const timer = setTimeout(() => child.kill("SIGKILL"), secondsMax * 1000);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(out);
      else reject(new Error(`${command.join(" ")} left ${code ?? signal}: ${errors.slice(-500)}`));
    });
  });
}

/** Waits until somebody listens on `port` of 127.0.0.1. Throws when nobody does in time. */
export async function waitForPort(port: number, who: string): Promise<void> {
  const startedMs = performance.now();
  while (performance.now() - startedMs < listenMsMax) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect({ port, host: "127.0.0.1" });
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (isOpen) return;
    await sleep(10);
  }
  throw new Error(`${who} does not listen on port ${port}`);
}

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
