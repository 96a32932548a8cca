/** The options of `sidegate run`. */
import { randomBytes } from "node:crypto";
import { type LogLevel, logLevels } from "../../base/log.ts";
import { parseIdentity } from "../identity.ts";
import { parseAddress, parseOptions, UsageFault } from "../usage.ts";

/** The options, checked. */
export interface RunSettings {
  readonly files: readonly string[];
  readonly demo: boolean;
  readonly listen: { host: string; port: number };
  /** Where other machines may connect while the route says so; undefined: nowhere. */
  readonly podListen: { host: string; port: number } | undefined;
  readonly admin: { host: string; port: number };
  readonly redis: string | undefined;
  readonly identity: { namespace: string; serviceAccount: string };
  readonly audit: string | undefined;
  readonly logLevel: LogLevel;
  readonly graceMs: number;
  readonly key: { id: string; secret: string };
  /** Where a local issuer listens; undefined: there is none. */
  readonly issuer: { host: string; port: number } | undefined;
  readonly openAIKey: string | undefined;
}

/** Reads the options and the environment. Throws UsageFault. */
export function runSettings(args: readonly string[], env: NodeJS.ProcessEnv): RunSettings {
  const { values } = parsed(args);
  const files = values.file ?? [];
  if (!values.demo && files.length === 0) throw new UsageFault("name at least one file with -f, or --demo");
  if (values.demo && files.length > 0) throw new UsageFault("--demo and -f exclude each other");
  const logLevel = logLevels.find((level) => level === values["log-level"]);
  if (!logLevel) throw new UsageFault(`--log-level ${values["log-level"]}: must be one of ${logLevels.join(", ")}`);
  const grace = Number(values.grace);
  if (!(grace >= 0 && grace <= 3600)) throw new UsageFault(`--grace ${values.grace}: must be 0 to 3600 seconds`);
  return {
    files,
    demo: values.demo ?? false,
    listen: parseAddress("--listen", values.listen),
    podListen: values["pod-listen"] === undefined ? undefined : parseAddress("--pod-listen", values["pod-listen"]),
    admin: parseAddress("--admin", values.admin),
    issuer: values.issuer === undefined ? undefined : parseAddress("--issuer", values.issuer),
    redis: values.redis,
    identity: parseIdentity(values.identity),
    audit: values.audit,
    logLevel,
    graceMs: grace * 1000,
    key: { id: env.SIDEGATE_KEY === undefined ? "run" : "env", secret: keyOf(env.SIDEGATE_KEY) },
    openAIKey: env.OPENAI_API_KEY === "" ? undefined : env.OPENAI_API_KEY,
  };
}

const parsed = (args: readonly string[]) =>
  parseOptions({
    args: [...args],
    options: {
      file: { type: "string", short: "f", multiple: true },
      demo: { type: "boolean" },
      listen: { type: "string", default: "127.0.0.1:15100" },
      "pod-listen": { type: "string" },
      admin: { type: "string", default: "127.0.0.1:15101" },
      issuer: { type: "string" },
      redis: { type: "string" },
      identity: { type: "string", default: "default/default" },
      audit: { type: "string" },
      "log-level": { type: "string", default: "info" },
      grace: { type: "string", default: "30" },
    },
  });

function keyOf(text: string | undefined): string {
  if (text === undefined) return randomBytes(32).toString("base64");
  if (Buffer.from(text, "base64").length !== 32)
    throw new UsageFault("SIDEGATE_KEY must be 32 bytes in base64: openssl rand -base64 32");
  return text;
}
