import { type ParseArgsConfig, parseArgs } from "node:util";

/** The command line was not understood: printed with a hint to --help, exit code 2. */
export class UsageFault extends Error {
  override readonly name = "UsageFault";
}

/** Node's parseArgs, whose complaints are the user's to mend. Throws UsageFault. */
export function parseOptions<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (cause) {
    throw new UsageFault(cause instanceof Error ? cause.message : String(cause));
  }
}

/** `HOST:PORT` or `[IPv6]:PORT`; port 0 takes any free one. Throws UsageFault when it is not that. */
export function parseAddress(option: string, text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port <= 65_535))
    throw new UsageFault(`${option} ${text}: must be HOST:PORT, such as 127.0.0.1:15100`);
  return { host, port };
}
