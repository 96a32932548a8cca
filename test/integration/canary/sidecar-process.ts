/** The sidecar's process with production's flags, and every byte that it says. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { send, until } from "../../fixtures/calls.ts";
import { productionFlags } from "../../fixtures/sidegate-process.ts";
import { environmentOf, type Stage } from "./stage.ts";

const root = resolve(import.meta.dirname, "../../..");
const startMsMax = 15_000;

/** A sidecar that runs. */
export interface CanarySidecar {
  readonly url: string;
  readonly adminUrl: string;
  readonly pid: number;
  /** So far. */
  stdout(): string;
  stderr(): string;
  /** What /proc tells to whoever may look: argv, title, limits. Not the environment of another uid, but it is looked at too. */
  proc(): Readonly<Record<string, string>>;
  page(path: string): Promise<string>;
  signal(name: NodeJS.Signals): void;
  readonly ended: Promise<readonly [code: number | null, signal: NodeJS.Signals | null]>;
  stop(): Promise<void>;
}

/** Starts it. `preload`: a module that is loaded first; `env`: more variables. */
export async function startCanarySidecar(
  stage: Stage,
  options: { preload?: string; env?: Readonly<Record<string, string>> } = {},
): Promise<CanarySidecar> {
  const preload = options.preload === undefined ? [] : ["--import", options.preload];
  const child = spawn(process.execPath, [...productionFlags, ...preload, resolve(root, "cmd/sidecar.ts")], {
    cwd: stage.workFolder,
    env: { ...environmentOf(stage), ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("latin1").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("latin1").on("data", (text: string) => {
    stderr += text;
  });
  const ended = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  const listening = (): string | undefined => stderr.split("\n").find((line) => line.includes('"msg":"listening"'));
  await until(
    `the sidecar listens: ${stderr}`,
    () => {
      if (child.exitCode !== null) throw new Error(`the sidecar ended: ${stderr}`);
      return listening() !== undefined;
    },
    startMsMax,
  );
  const { url, admin } = JSON.parse(listening() ?? "{}") as { url: string; admin: string };
  const pid = child.pid ?? 0;
  const read = (name: string): string => readFileSync(`/proc/${pid}/${name}`, "latin1");
  return {
    ...{ url, adminUrl: admin, pid, ended },
    stdout: () => stdout,
    stderr: () => stderr,
    proc: () =>
      Object.fromEntries(["cmdline", "comm", "environ", "limits", "status"].map((name) => [name, read(name)])),
    page: async (path) => (await send(`${admin}${path}`)).text,
    signal: (name) => void child.kill(name),
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 8_000);
      await ended;
      clearTimeout(timer);
    },
  };
}
