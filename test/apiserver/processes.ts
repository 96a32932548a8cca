/** The processes of a private API server: where their binaries lie, how one is started, watched and ended. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { clusterBinaries } from "../../scripts/cluster-places.ts";
import { needs } from "../../scripts/tiers.ts";

/** Binaries that the harness starts. */
export type Binary = "etcd" | "kube-apiserver" | "kube-controller-manager";

const logTailBytes = 1_500;

/** Folders that hold the cluster's binaries, the preferred one first. */
export const binaryFolders = (): readonly string[] => [clusterBinaries()];

/** The path of a binary. Throws, with the fix, where it is missing. */
export const binaryPath = (name: string): string => {
  const path = join(clusterBinaries(), name);
  if (!existsSync(path)) throw new Error(`${path} is missing. ${needs.kubernetes.remedy}`);
  return path;
};

/** A started process. */
export interface Running {
  readonly pid: number;
  /** Throws with the end of its log when it has ended. */
  assertAlive(): void;
  signal(name: NodeJS.Signals): void;
  /** Ends it: `signal` first, SIGKILL after 3 s. Resolves when it is gone. */
  end(signal?: NodeJS.Signals): Promise<void>;
}

const alive = new Set<ChildProcess>();
let hasExitHook = false;

/** Nothing that we started outlives this process. */
const endWithUs = (child: ChildProcess): void => {
  alive.add(child);
  child.once("exit", () => alive.delete(child));
  if (hasExitHook) return;
  hasExitHook = true;
  process.once("exit", () => {
    for (const running of alive) running.kill("SIGKILL");
  });
};

/** Starts a binary; its output goes to `logFile`. */
export const run = (name: Binary, args: readonly string[], logFile: string): Running => {
  const log = openSync(logFile, "a");
  const child = spawn(binaryPath(name), [...args], { stdio: ["ignore", log, log] });
  endWithUs(child);
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid ?? 0,
    assertAlive: () => {
      if (!hasEnded()) return;
      const tail = readFileSync(logFile, "utf8").slice(-logTailBytes);
      throw new Error(`${name} ended with ${child.exitCode ?? child.signalCode}: ${tail}`);
    },
    signal: (signal) => void child.kill(signal),
    end: async (signal = "SIGKILL") => {
      if (hasEnded()) return;
      child.kill("SIGCONT"); // a stopped process would not see the signal
      child.kill(signal);
      const timer = setTimeout(() => child.kill("SIGKILL"), 3_000);
      await ended;
      clearTimeout(timer);
    },
  };
};
