/** The Python SDK in a process of its own: commands go in as lines of JSON, answers come out as such. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { ClientSpec } from "./backends.ts";

const root = join(import.meta.dirname, "../..");
/** How long one command may take, in ms. */
const commandMsMax = 15_000;

/** What an application is told of a failure. */
export interface SdkError {
  readonly class: string;
  readonly is_api_error: boolean;
  readonly status?: number;
  readonly code?: string;
  readonly type?: string;
  readonly param?: string;
  readonly request_id?: string;
  /** Events that came before a stream broke. */
  readonly seen?: number;
  readonly message: string;
}

/** How a command ended. */
export type SdkResult = { readonly value: unknown } | { readonly error: SdkError };

/** A client in that process. */
export interface PythonClient {
  /** Runs a scenario or a probe by its name. */
  run(name: string, more?: Readonly<Record<string, unknown>>): Promise<SdkResult>;
}

/** The process with the SDK. */
export interface PythonSdk {
  client(spec: ClientSpec, options: { isAsync: boolean; maxRetries?: number }): Promise<PythonClient>;
  /** Names of all scenarios. */
  names(): Promise<string[]>;
  close(): Promise<void>;
}

/** Starts the process; it needs the virtual environment that `make test` sets up. */
export function startPython(): PythonSdk {
  const child = spawn(join(root, ".venv/bin/python"), ["-B", join(import.meta.dirname, "python/worker.py")], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] },
  });
  const waiting = new Map<number, { resolve: (result: SdkResult) => void; reject: (fault: Error) => void }>();
  let count = 0;
  let errorText = "";
  const failAll = (why: string): void => {
    for (const { reject } of waiting.values()) reject(new Error(`${why}\n${errorText}`));
    waiting.clear();
  };
  child.stderr.on("data", (chunk: Buffer) => {
    errorText = (errorText + chunk.toString()).slice(-4000);
  });
  child.on("error", (fault) => failAll(fault.message));
  child.on("exit", (code) => failAll(`the Python process ended with ${code}`));
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { id, ...result } = JSON.parse(line) as { id: number } & SdkResult; // worker.py writes nothing else
    waiting.get(id)?.resolve(result);
    waiting.delete(id);
  });
  const command = (members: object): Promise<SdkResult> =>
    new Promise((resolve, reject) => {
      count += 1;
      const id = count;
      const timer = setTimeout(
        () => reject(new Error(`no answer to ${JSON.stringify(members)}\n${errorText}`)),
        commandMsMax,
      );
      const settled =
        <T>(act: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer);
          act(value);
        };
      waiting.set(id, { resolve: settled(resolve), reject: settled(reject) });
      child.stdin.write(`${JSON.stringify({ id, ...members })}\n`);
    });
  const answerTo = async (members: object): Promise<unknown> => {
    const result = await command(members);
    if ("error" in result) throw new Error(result.error.message);
    return result.value;
  };
  return {
    async client({ kind, env, endpoint }, { isAsync, maxRetries }) {
      const make = { kind, is_async: isAsync, env, endpoint, max_retries: maxRetries };
      const client = await answerTo({ make });
      return { run: (run, more = {}) => command({ run, client, arguments: more }) };
    },
    names: async () => (await answerTo({ list: true })) as string[], // worker.py answers a list of names
    async close() {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.stdin.end();
      child.kill();
      await gone;
    },
  };
}
