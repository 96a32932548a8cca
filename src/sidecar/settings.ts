/** The sidecar's settings, from its environment, read once at the start. The injector sets them; the docs table follows this one. */
import { type LogLevel, logLevels } from "../base/log.ts";
import type { Identity } from "./exchange.ts";
import type { MountedToken } from "./identity/token-file.ts";
import type { TokenPlaces } from "./upstream/credentials/token-files.ts";

/** Name, default and sentence of each variable; `undefined`: it must be set. */
export const settingsTable = {
  SIDEGATE_CONFIG: ["/etc/sidegate/config", "Directory with config.vN.json, or one such file."],
  SIDEGATE_NAMESPACE: [undefined, "Namespace of the workload (downward API)."],
  SIDEGATE_SERVICE_ACCOUNT: [undefined, "Service account of the workload (downward API)."],
  SIDEGATE_POD: ["", "Name of the pod (downward API)."],
  SIDEGATE_APP: ["", "The pod's label app.kubernetes.io/name (downward API); quotas can count by it."],
  SIDEGATE_POD_UID: ["", "Uid of the pod (downward API); needed with SIDEGATE_TOKEN_FILE."],
  SIDEGATE_TOKEN_FILE: [
    "",
    "The pod's own token for Sidegate's audience; followed. Set: nothing passes before it is verified. Empty: the identity is as these variables say.",
  ],
  SIDEGATE_TOKENS: ["/var/run/secrets/sidegate", "Directory with the pod's tokens: token-0, token-1 and so on."],
  SIDEGATE_TOKEN_AUDIENCES: [
    "[]",
    "Audiences of those tokens in their order, a JSON list; credentials of type WorkloadIdentity need them.",
  ],
  SIDEGATE_LISTEN: ["127.0.0.1:15100", "Address of the proxy."],
  SIDEGATE_POD_LISTEN: [
    "",
    "Address for other pods; opened while the config wants it (spec.listener.address: Pod). [::]: every one, of IPv4 too. Empty: never.",
  ],
  SIDEGATE_ADMIN: ["0.0.0.0:15101", "Address of probes and metrics; /status answers on loopback only."],
  SIDEGATE_REDIS_FILE: ["", "redis.json that the operator publishes: where Redis is and as whom to log in; followed."],
  SIDEGATE_REDIS_URL: [
    "",
    "Redis without a cluster, in place of the file. Both empty: in memory, for one machine only.",
  ],
  SIDEGATE_GRACE_SECONDS: ["28", "How long running streams may take at the end; 2 s below the pod's grace period."],
  SIDEGATE_LOG_LEVEL: ["info", "debug, info, warn, error or silent."],
} as const satisfies Record<string, readonly [string | undefined, string]>;

/** The environment, checked. `token` undefined: the identity is not proven. `redisFile` and `redisUrl` undefined: quotas and cache in memory. `graceMs`: 0 to 3,600,000. */
export interface SidecarSettings {
  readonly configPath: string;
  readonly identity: Identity;
  readonly token: MountedToken | undefined;
  /** Tokens that are exchanged for those of providers. */
  readonly tokens: TokenPlaces;
  readonly listen: { host: string; port: number };
  /** undefined: there is none. */
  readonly podListen: { host: string; port: number } | undefined;
  readonly admin: { host: string; port: number };
  readonly redisFile: string | undefined;
  readonly redisUrl: string | undefined;
  readonly graceMs: number;
  readonly logLevel: LogLevel;
}

/** A variable that is missing or not what it must be; all of them at once. */
export class SettingsFault extends Error {
  override readonly name = "SettingsFault";
}

/** Reads and checks them. Throws SettingsFault with every fault. */
export function sidecarSettings(env: NodeJS.ProcessEnv): SidecarSettings {
  const faults: string[] = [];
  const text = (name: keyof typeof settingsTable): string => {
    const value = env[name] ?? settingsTable[name][0];
    if (value === undefined) faults.push(`${name} must be set`);
    return value ?? "";
  };
  const address = (name: keyof typeof settingsTable): { host: string; port: number } => {
    const match = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(text(name));
    if (!match?.[1] || Number(match[2]) > 65_535) faults.push(`${name} must be HOST:PORT`);
    return { host: match?.[1] ?? "", port: Number(match?.[2] ?? 0) };
  };
  const level = logLevels.find((known) => known === text("SIDEGATE_LOG_LEVEL"));
  if (!level) faults.push(`SIDEGATE_LOG_LEVEL must be one of ${logLevels.join(", ")}`);
  const graceMs = Number(text("SIDEGATE_GRACE_SECONDS")) * 1000;
  if (!(graceMs >= 0 && graceMs <= 3_600_000)) faults.push("SIDEGATE_GRACE_SECONDS must be 0 to 3600");
  const namespace = text("SIDEGATE_NAMESPACE");
  const serviceAccount = text("SIDEGATE_SERVICE_ACCOUNT");
  const pod = text("SIDEGATE_POD");
  const app = text("SIDEGATE_APP");
  const podUid = text("SIDEGATE_POD_UID");
  const file = text("SIDEGATE_TOKEN_FILE");
  if (file && (!pod || !podUid)) faults.push("SIDEGATE_TOKEN_FILE needs SIDEGATE_POD and SIDEGATE_POD_UID");
  const audiences = textsIn(text("SIDEGATE_TOKEN_AUDIENCES"));
  if (!audiences) faults.push("SIDEGATE_TOKEN_AUDIENCES must be a JSON list of texts");
  const settings: SidecarSettings = {
    configPath: text("SIDEGATE_CONFIG"),
    identity: { namespace, serviceAccount, pod: pod || undefined, ...(app && { app }) },
    token: file ? { file, pod: { namespace, serviceAccount, pod, podUid } } : undefined,
    tokens: { directory: text("SIDEGATE_TOKENS"), audiences: audiences ?? [] },
    listen: address("SIDEGATE_LISTEN"),
    podListen: text("SIDEGATE_POD_LISTEN") ? address("SIDEGATE_POD_LISTEN") : undefined,
    admin: address("SIDEGATE_ADMIN"),
    redisFile: text("SIDEGATE_REDIS_FILE") || undefined,
    redisUrl: text("SIDEGATE_REDIS_URL") || undefined,
    graceMs,
    logLevel: level ?? "info",
  };
  if (settings.redisFile !== undefined && settings.redisUrl !== undefined)
    faults.push("SIDEGATE_REDIS_FILE and SIDEGATE_REDIS_URL exclude each other: set one of them");
  if (faults.length > 0) throw new SettingsFault(faults.join("; "));
  return settings;
}

/** The texts of a JSON list; undefined: it is none. */
const textsIn = (json: string): readonly string[] | undefined => {
  try {
    const value: unknown = JSON.parse(json);
    return Array.isArray(value) && value.every((each) => typeof each === "string") ? value : undefined;
  } catch {
    return undefined;
  }
};

/** The table as text, for --help. */
export const settingsText = (): string =>
  Object.entries(settingsTable)
    .map(
      ([name, [fallback, sentence]]) =>
        `  ${name.padEnd(26)} ${sentence} ${fallback === undefined ? "Required." : `Default: ${fallback || "empty"}.`}\n`,
    )
    .join("");
