/** The operator's settings: one JSON file that the chart renders from its values, and what is secret from the environment. */
import * as z from "zod";
import { type LogLevel, logLevels } from "../base/log.ts";
import { Secret } from "../base/secret.ts";
import { injectionSettingsSchema } from "../inject/settings.ts";

const objectName = z.string().min(1).max(253);
const port = z.int().min(0).max(65_535);

/** What the chart writes into operator.json. */
export const operatorFileSchema = z.strictObject({
  /** Namespaces that it watches; empty: all of them. */
  watchNamespaces: z.array(z.string().min(1).max(63)).max(100).default([]),
  injection: injectionSettingsSchema,
  /** The operator's own Deployment, which its lease, keyring and certificates go with. */
  deployment: objectName.default("sidegate-operator"),
  redis: z
    .strictObject({
      /** Managed: the operator makes an ACL user for each namespace. Given: the sidecars' URL names the user. */
      users: z.enum(["Managed", "Given"]).default("Managed"),
    })
    .prefault({}),
  webhook: z
    .strictObject({
      port: port.default(9443),
      /** Service in the operator's namespace that the API server calls. */
      service: objectName.default("sidegate-webhook"),
      /** Names of the webhook configurations, whose caBundle the operator keeps. */
      mutating: objectName.default("sidegate"),
      validating: objectName.default("sidegate"),
      /** Secret with the CA and the serving certificate. */
      secret: objectName.default("sidegate-webhook"),
      /** Own: the operator makes and rotates them. CertManager: it only reads tls.crt and tls.key of the Secret. */
      certificates: z.enum(["Own", "CertManager"]).default("Own"),
    })
    .prefault({}),
  leaderElection: z
    .strictObject({
      lease: objectName.default("sidegate-operator"),
      /** How long a silent leader stays leader, s. */
      leaseSeconds: z.int().min(5).max(120).default(15),
      /** When a leader that cannot renew stops acting, s; below leaseSeconds. */
      renewSeconds: z.int().min(2).max(110).default(10),
      retrySeconds: z.int().min(1).max(30).default(2),
    })
    .prefault({}),
  keyring: z
    .strictObject({
      secret: objectName.default("sidegate-keyring"),
      /** Age at which a new key is made, days. */
      rotationDays: z.int().min(1).max(3650).default(30),
    })
    .prefault({}),
  notifications: z
    .strictObject({
      /** Hosts that quotas may have notifications posted to, as `host`, `host:port` or `*.example.com`; empty: none. */
      hosts: z
        .array(
          z
            .string()
            .max(261)
            .regex(/^(\*\.)?[A-Za-z0-9.[\]:-]+$/),
        )
        .max(64)
        .default([]),
    })
    .prefault({}),
  adminPort: port.default(8080),
  logLevel: z.enum(logLevels).default("info"),
});

/** The file, defaults filled in. */
export type OperatorFile = z.output<typeof operatorFileSchema>;

/** Name, default and sentence of each variable; `undefined`: it must be set. */
export const operatorSettingsTable = {
  SIDEGATE_SETTINGS: ["/etc/sidegate/operator.json", "File with the settings that are not secret."],
  SIDEGATE_NAMESPACE: [undefined, "The operator's own namespace (downward API)."],
  SIDEGATE_POD: [undefined, "Name of the operator's pod (downward API)."],
  SIDEGATE_REDIS_URL: [undefined, "Redis as the operator logs in; it may make ACL users and read every sg: key."],
  SIDEGATE_SIDECAR_REDIS_URL: [
    "",
    "Redis as sidecars reach it; empty: the same hosts. With user and password where users are Given.",
  ],
  SIDEGATE_REDIS_CA_FILE: ["", "PEM of the CA that signed Redis' certificate; empty: the system's."],
} as const satisfies Record<string, readonly [string | undefined, string]>;

/** All settings, checked. */
export interface OperatorSettings extends OperatorFile {
  readonly namespace: string;
  readonly pod: string;
  readonly redisUrl: Secret;
  /** Empty: the hosts of redisUrl. */
  readonly sidecarRedisUrl: Secret;
  readonly redisCaFile: string | undefined;
  readonly logLevel: LogLevel;
}

/** Settings that are missing or wrong; all of them at once. Its message holds no secret. */
export class OperatorSettingsFault extends Error {
  override readonly name = "OperatorSettingsFault";
}

/** Reads and checks them. `readFile` gives the text of SIDEGATE_SETTINGS. Throws OperatorSettingsFault with every fault. */
export function operatorSettings(env: NodeJS.ProcessEnv, readFile: (path: string) => string): OperatorSettings {
  const faults: string[] = [];
  const text = (name: keyof typeof operatorSettingsTable): string => {
    const value = env[name] ?? operatorSettingsTable[name][0];
    if (value === undefined || (value === "" && operatorSettingsTable[name][0] === undefined))
      faults.push(`${name} must be set`);
    return value ?? "";
  };
  const path = text("SIDEGATE_SETTINGS");
  const file = parseFile(path, readFile, faults);
  const own = {
    namespace: text("SIDEGATE_NAMESPACE"),
    pod: text("SIDEGATE_POD"),
    redisUrl: new Secret(text("SIDEGATE_REDIS_URL")),
    sidecarRedisUrl: new Secret(text("SIDEGATE_SIDECAR_REDIS_URL")),
    redisCaFile: text("SIDEGATE_REDIS_CA_FILE") || undefined,
  };
  if (file && file.leaderElection.renewSeconds >= file.leaderElection.leaseSeconds)
    faults.push(`${path}: leaderElection.renewSeconds must be below leaseSeconds`);
  // Else the operator's own login, which may do anything, would stand in every namespace's Secret.
  if (file?.redis.users === "Given" && own.sidecarRedisUrl.reveal() === "")
    faults.push(
      "SIDEGATE_SIDECAR_REDIS_URL must be set where redis.users is Given, with the sidecars' user and password",
    );
  if (faults.length > 0 || !file) throw new OperatorSettingsFault(faults.join("; "));
  return { ...file, ...own };
}

function parseFile(path: string, readFile: (path: string) => string, faults: string[]): OperatorFile | undefined {
  let value: unknown;
  try {
    value = JSON.parse(readFile(path));
  } catch (fault) {
    faults.push(`${path} cannot be read as JSON (${fault instanceof Error ? fault.message : String(fault)})`);
    return undefined;
  }
  const result = operatorFileSchema.safeParse(value);
  if (result.success) return result.data;
  for (const { path: field, message } of result.error.issues) faults.push(`${path}: ${field.join(".")}: ${message}`);
  return undefined;
}
