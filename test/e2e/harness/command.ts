/** Runs a program to its end. */
import { spawn } from "node:child_process";

/** How a program is run. */
export interface CommandOptions {
  /** Standard input; absent: none. */
  readonly input?: string;
  /** Killed after this time; default 120 s. */
  readonly timeoutMs?: number;
  /** Variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A program that did not end with 0. The message holds its arguments and what it said. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;

  constructor(line: string, code: number | null, output: { stdout: string; stderr: string }) {
    super(`${line} ended with ${code ?? "a signal"}: ${output.stderr.trim().slice(-4_000)}`);
    this.code = code;
    this.stdout = output.stdout;
    this.stderr = output.stderr;
  }
}

/** What it wrote to standard output. Throws CommandFailed. */
export const runCommand = async (
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> => {
  const child = spawn(program, [...args], {
    stdio: "pipe",
    timeout: options.timeoutMs ?? 120_000,
    env: { ...process.env, ...options.env },
  });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
  });
  child.stdin.on("error", () => undefined); // it may end before it has read everything; its exit code tells
  child.stdin.end(options.input ?? "");
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (code !== 0) throw new CommandFailed([program, ...args].join(" ").slice(0, 500), code, output);
  return output.stdout;
};
