/** The command line was not understood: printed with a hint to --help, exit code 2. */
export class UsageFault extends Error {
  override readonly name = "UsageFault";
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
