/** Keeps a corporate HTTP_PROXY from receiving what is meant for the sidecar. */
import type { EnvEntry } from "./pod.ts";

/** Hosts that must not go through a proxy. */
const directHosts = ["127.0.0.1", "localhost"];
const proxyNames = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];
/** Where a value that cannot be edited is kept, by the variable that held it. */
const keptNames = { NO_PROXY: "SIDEGATE_NO_PROXY", no_proxy: "SIDEGATE_NO_PROXY_LOWER" } as const;
type NoProxyName = keyof typeof keptNames;

/**
 * The environment with both spellings of NO_PROXY naming the loopback hosts, where a proxy may be set: by a variable of its own, or
 * unseen by `envFrom`. The kubelet resolves `$(NAME)` with the entries before it and with envFrom, and leaves it as it is when there
 * is none; so what envFrom or a reference gives stays, with ours appended.
 */
export const withNoProxy = (env: readonly EnvEntry[], hasEnvFrom: boolean): EnvEntry[] => {
  const mayHaveProxy = hasEnvFrom || env.some(({ name }) => proxyNames.includes(name.toLowerCase()));
  if (!mayHaveProxy) return [...env];
  const mended = env.flatMap((entry) => (isNoProxy(entry.name) ? mendedEntry(entry, entry.name) : [entry]));
  const has = (name: NoProxyName): boolean => env.some((entry) => entry.name === name);
  if (has("NO_PROXY") && has("no_proxy")) return mended;
  const unseen = (...names: readonly NoProxyName[]): string[] => (hasEnvFrom ? names.map((name) => `$(${name})`) : []);
  if (has("no_proxy")) return [...mended, entryOf("NO_PROXY", [...unseen("NO_PROXY"), "$(no_proxy)"])];
  if (has("NO_PROXY")) return [...mended, entryOf("no_proxy", [...unseen("no_proxy"), "$(NO_PROXY)"])];
  return [
    ...mended,
    entryOf("NO_PROXY", [...unseen("NO_PROXY", "no_proxy"), ...directHosts]),
    entryOf("no_proxy", ["$(NO_PROXY)"]),
  ];
};

const isNoProxy = (name: string): name is NoProxyName => Object.hasOwn(keptNames, name);

const entryOf = (name: string, hosts: readonly string[]): EnvEntry => ({ name, value: hosts.join(",") });

const mendedEntry = (entry: EnvEntry, name: NoProxyName): EnvEntry[] => {
  if (entry.valueFrom) {
    const kept = keptNames[name];
    return [{ ...entry, name: kept }, entryOf(name, [`$(${kept})`, ...directHosts])];
  }
  const text = entry.value ?? "";
  const hosts = text
    .split(/[,\s]/)
    .map((host) => host.trim())
    .filter((host) => host !== "");
  const other = name === "NO_PROXY" ? "$(no_proxy)" : "$(NO_PROXY)";
  // The other spelling is mended itself; "*" sends everything directly.
  if (hosts.includes(other) || hosts.includes("*")) return [entry];
  const missing = directHosts.filter((host) => !hosts.includes(host));
  return missing.length === 0 ? [entry] : [{ ...entry, value: [...(text === "" ? [] : [text]), ...missing].join(",") }];
};
