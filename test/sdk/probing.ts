/** The same probes with every official client: Node, Python sync, Python async. */
import type { ClientSpec } from "./backends.ts";
import { nodeClient } from "./node/client.ts";
import { type ProbeName, runProbe } from "./node/probes.ts";
import type { PythonSdk, SdkResult } from "./python-process.ts";

/** The SDKs that the tables have columns for. */
export const sdks = ["node", "python", "python async"] as const;
export type SdkName = (typeof sdks)[number];

/** Runs one probe with one client. */
export type Probe = (name: ProbeName, more?: Readonly<Record<string, unknown>>) => Promise<SdkResult>;

/** A client of an SDK for probes. `maxRetries` absent: the SDK's own 2. */
export async function proberOf(
  sdk: SdkName,
  spec: ClientSpec,
  python: PythonSdk,
  options: { maxRetries?: number } = {},
): Promise<Probe> {
  if (sdk === "node") {
    const client = nodeClient(spec, options);
    return (name, more) => runProbe(client, name, more);
  }
  const client = await python.client(spec, { isAsync: sdk === "python async", ...options });
  return (name, more) => client.run(name, more);
}
