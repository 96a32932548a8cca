/** `sidegate run`: the sidecar on one machine, from YAML files, without a cluster. */
import { randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import { systemClock } from "../base/clock.ts";
import { createLog, type Log, type LogLevel, logLevels } from "../base/log.ts";
import { compile } from "../compile/compile.ts";
import { digestOf, encodeConfig } from "../config/codec.ts";
import type { SidecarConfig } from "../config/contract.ts";
import { demoGuide, demoResources } from "../demo/resources.ts";
import { startFakeProvider } from "../fakeprovider/provider.ts";
import type { SourceFile } from "../resources/document.ts";
import { readResources } from "../resources/read.ts";
import { faultLine, validateFiles } from "../resources/validate.ts";
import { startSidecar } from "../sidecar/sidecar.ts";
import { descriptorAuditSink, fileAuditSink } from "../sidecar/sinks/lines.ts";
import { openStores } from "../sidecar/stores/stores.ts";
import { readSource } from "./files.ts";
import { parseIdentity } from "./identity.ts";
import { parseAddress, parseOptions, UsageFault } from "./usage.ts";

/** What `sidegate help` says of this command: its options with their defaults, and the environment that it reads. */
export const runUsage = `sidegate run -f FILE... [options]     the sidecar on this machine, from AIRoute, AIQuota and Secret YAML
  -f, --file FILE          resources; may be given many times; watched, and put in force when they change
      --demo               the built-in demo instead of files: model gpt-4o, any key, 20 requests a minute
      --listen HOST:PORT   the proxy (127.0.0.1:15100)
      --admin HOST:PORT    probes, metrics, status (127.0.0.1:15101)
      --redis URL          shared quotas and cache (default: in memory)
      --identity NS/NAME   the service account that the workload runs as (default/default)
      --audit FILE|-       audit lines go there, whatever the route says; -: stdout
      --log-level LEVEL    debug, info, warn, error or silent (info)
      --grace SECONDS      how long running streams may take when it stops (30)
Environment: SIDEGATE_KEY  32 bytes in base64 that seal cached answers; default: new at each start
             OPENAI_API_KEY  --demo calls OpenAI with it; without it a fake provider is started`;

/** How often the files are looked at for changes, in ms. */
const watchMs = 1_000;

interface Settings {
  readonly files: readonly string[];
  readonly demo: boolean;
  readonly listen: { host: string; port: number };
  readonly admin: { host: string; port: number };
  readonly redis: string | undefined;
  readonly identity: { namespace: string; serviceAccount: string };
  readonly audit: string | undefined;
  readonly logLevel: LogLevel;
  readonly graceMs: number;
  readonly key: { id: string; secret: string };
  readonly openAIKey: string | undefined;
}

/** Runs until SIGTERM or SIGINT; answers the exit code. */
export async function run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const settings = settingsOf(args, env);
  const log = createLog({ name: "sidegate", level: settings.logLevel });
  const demo = settings.demo ? await startDemo(settings) : undefined;
  const sources = (): SourceFile[] => demo?.files ?? settings.files.map(readSource);
  const first = compileFiles(sources(), settings, log);
  if (first.faults.length > 0) {
    for (const fault of first.faults) process.stderr.write(`${fault}\n`);
    await demo?.close();
    return 1;
  }
  const stores = await openStores({ redisUrl: settings.redis, clock: systemClock, log });
  const sidecar = await startSidecar({
    config: first.config,
    digest: first.digest,
    identity: settings.identity,
    stores,
    log,
    listen: settings.listen,
    admin: settings.admin,
    graceMs: settings.graceMs,
    auditSink:
      settings.audit === undefined
        ? undefined
        : settings.audit === "-"
          ? descriptorAuditSink(1)
          : fileAuditSink(settings.audit),
  });
  log.info(
    {
      url: sidecar.url,
      admin: sidecar.adminUrl,
      stores: stores.kind,
      policyVersion: first.config.route?.policyVersion ?? "none",
    },
    "listening",
  );
  if (demo) process.stdout.write(`${demoGuide(sidecar.url, sidecar.adminUrl, demo.text)}\n`);
  const reload = (): void => {
    const next = compileFiles(sources(), settings, log);
    if (next.faults.length > 0) sidecar.reloadFailed(next.faults.join("\n"));
    else if (next.digest !== sidecar.gateway.snapshot.digest) sidecar.reload(next.config, next.digest);
  };
  const unwatch = watchFiles(settings.files, reload, log);
  await untilSignal(reload);
  unwatch();
  const failed = await sidecar.stop();
  await demo?.close();
  return failed.length === 0 ? 0 : 1;
}

function settingsOf(args: readonly string[], env: NodeJS.ProcessEnv): Settings {
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
    admin: parseAddress("--admin", values.admin),
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
      admin: { type: "string", default: "127.0.0.1:15101" },
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

interface Compiled {
  readonly config: SidecarConfig;
  readonly digest: string;
  readonly faults: readonly string[];
}

/** All or nothing: a config with a fault anywhere is not put in force. */
function compileFiles(files: readonly SourceFile[], settings: Settings, log: Log): Compiled {
  const { faults, notes } = validateFiles(files);
  for (const note of notes) log.warn({ note: faultLine(note) }, "note");
  const read = readResources(files);
  const { config } = compile({
    ...settings.identity,
    routes: read.routes,
    quotas: read.quotas,
    secrets: read.secrets,
    keys: [settings.key],
  });
  return { config, digest: digestOf(encodeConfig(config)), faults: faults.map(faultLine) };
}

/** Calls back when any file has changed; a file that cannot be read for a moment (an editor's swap) is looked at again. */
function watchFiles(files: readonly string[], changed: () => void, log: Log): () => void {
  const stamp = (): string =>
    files
      .map((path) => {
        const { mtimeMs, size, ino } = statSync(path);
        return `${mtimeMs}:${size}:${ino}`;
      })
      .join(" ");
  let seen = files.length === 0 ? "" : stamp();
  const timer = setInterval(() => {
    if (files.length === 0) return;
    try {
      const now = stamp();
      if (now === seen) return;
      seen = now;
      changed();
    } catch (err) {
      log.warn({ err }, "cannot read the resources, trying again");
    }
  }, watchMs).unref();
  return () => clearInterval(timer);
}

/** Resolves at SIGTERM or SIGINT; SIGHUP reads the files again. */
function untilSignal(reload: () => void): Promise<void> {
  process.on("SIGHUP", reload);
  return new Promise((resolve) => {
    process.once("SIGTERM", () => resolve());
    process.once("SIGINT", () => resolve());
  });
}

async function startDemo(
  settings: Settings,
): Promise<{ files: SourceFile[]; text: string; close: () => Promise<void> }> {
  if (settings.openAIKey !== undefined) {
    const provider = { endpoint: "https://api.openai.com/v1", key: settings.openAIKey };
    return {
      files: [{ path: "demo", text: demoResources(provider, settings.identity) }],
      text: "and calls OpenAI with your OPENAI_API_KEY",
      close: async () => undefined,
    };
  }
  const fake = await startFakeProvider();
  const provider = { endpoint: `${fake.url}/v1`, key: "sk-demo" };
  return {
    files: [{ path: "demo", text: demoResources(provider, settings.identity) }],
    text: `and calls a fake provider on ${fake.url} (set OPENAI_API_KEY for the real one)`,
    close: () => fake.close(),
  };
}
