/** `sidegate run`: the sidecar on one machine, from YAML files, without a cluster. */
import { systemClock } from "../base/clock.ts";
import { createLog } from "../base/log.ts";
import { type Demo, startDemo } from "../demo/start.ts";
import type { SourceFile } from "../resources/document.ts";
import { startSidecar } from "../sidecar/sidecar.ts";
import { descriptorAuditSink, fileAuditSink } from "../sidecar/sinks/lines.ts";
import { openStores } from "../sidecar/stores/stores.ts";
import { readSource } from "./files.ts";
import { issuerGuide } from "./local-issuer/guide.ts";
import { startLocalIssuer } from "./local-issuer/issuer.ts";
import { startLocalPod } from "./local-issuer/pod.ts";
import { type Compiled, compileFiles, watchFiles } from "./run/resources.ts";
import { type RunSettings, runSettings } from "./run/settings.ts";

/** What `sidegate help` says of this command: its options with their defaults, and the environment that it reads. */
export const runUsage = `sidegate run -f FILE... [options]     the sidecar on this machine, from AIRoute, AIQuota and Secret YAML
  -f, --file FILE          resources; may be given many times; watched, and put in force when they change
      --demo               the built-in demo instead of files: model gpt-4o, any key, 20 requests a minute
      --listen HOST:PORT   the proxy (127.0.0.1:15100)
      --pod-listen HOST:PORT   for other machines, while the route says so (spec.listener.address: Pod; none)
      --admin HOST:PORT    probes, metrics, status (127.0.0.1:15101)
      --issuer HOST:PORT   also a local issuer of tokens, such as 127.0.0.1:15110, and a token that proves this workload
      --redis URL          shared quotas and cache (default: in memory)
      --identity NS/NAME   the service account that the workload runs as (default/default)
      --audit FILE|-       audit lines go there, whatever the route says; -: stdout
      --log-level LEVEL    debug, info, warn, error or silent (info)
      --grace SECONDS      how long running streams may take when it stops (30)
Environment: SIDEGATE_KEY  32 bytes in base64 that seal cached answers; default: new at each start
             OPENAI_API_KEY  --demo calls OpenAI with it; without it a fake provider is started`;

/** Runs until SIGTERM or SIGINT; answers the exit code. Throws UsageFault. */
export async function run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const settings = runSettings(args, env);
  const ends = new Ends();
  try {
    return await serve(settings, ends);
  } finally {
    await ends.run();
  }
}

async function serve(settings: RunSettings, ends: Ends): Promise<number> {
  const log = createLog({ name: "sidegate", level: settings.logLevel });
  const issuer = settings.issuer && ends.add(await startLocalIssuer(settings.issuer, systemClock));
  const demo = settings.demo ? ends.add(await startDemo({ ...settings, issuer: issuer?.url })) : undefined;
  const sources = (): readonly SourceFile[] => demo?.files ?? settings.files.map(readSource);
  const compiled = (): Compiled => compileFiles(sources(), { ...settings, podIdentity: issuer?.podIdentity }, log);
  const first = compiled();
  if (first.faults.length > 0) {
    for (const fault of first.faults) process.stderr.write(`${fault}\n`);
    return 1;
  }
  const pod = issuer && ends.add(startLocalPod(issuer, settings.identity, first.config));
  const stores = await openStores({ redisUrl: settings.redis, clock: systemClock, log });
  const sidecar = await startSidecar({
    ...{ config: first.config, digest: first.digest, stores, log },
    identity: settings.identity,
    ...(pod && { token: pod.token, tokens: pod }),
    listen: settings.listen,
    podListen: settings.podListen,
    admin: settings.admin,
    graceMs: settings.graceMs,
    auditSink: auditSinkOf(settings.audit),
  });
  log.info(
    {
      url: sidecar.url,
      admin: sidecar.adminUrl,
      ...(issuer && { issuer: issuer.url }),
      stores: stores.kind,
      policyVersion: first.config.route?.policyVersion ?? "none",
    },
    "listening",
  );
  guide({ url: sidecar.url, adminUrl: sidecar.adminUrl, issuer: issuer?.url, demo });
  const reload = (): void => {
    const next = compiled();
    if (next.faults.length > 0) sidecar.reloadFailed(next.faults.join("\n"));
    else if (next.digest !== sidecar.gateway.snapshot.digest) sidecar.reload(next.config, next.digest);
  };
  const unwatch = watchFiles(settings.files, reload, log);
  await untilSignal(reload);
  unwatch();
  const failed = await sidecar.stop();
  return failed.length === 0 ? 0 : 1;
}

const auditSinkOf = (audit: string | undefined) => {
  if (audit === undefined) return undefined;
  return audit === "-" ? descriptorAuditSink(1) : fileAuditSink(audit);
};

const guide = (running: {
  url: string;
  adminUrl: string;
  issuer: string | undefined;
  demo: Demo | undefined;
}): void => {
  const { url, adminUrl, issuer, demo } = running;
  if (demo) process.stdout.write(`${demo.guide(url, adminUrl)}\n`);
  if (issuer !== undefined) process.stdout.write(`${issuerGuide(issuer)}\n`);
};

/** What was started beside the sidecar, ended last first. */
class Ends {
  readonly #all: { close(): unknown }[] = [];

  add<Started extends { close(): unknown }>(started: Started): Started {
    this.#all.push(started);
    return started;
  }

  async run(): Promise<void> {
    for (const started of this.#all.splice(0).toReversed()) await started.close();
  }
}

/** Resolves at SIGTERM or SIGINT; SIGHUP reads the files again. */
function untilSignal(reload: () => void): Promise<void> {
  process.on("SIGHUP", reload);
  return new Promise((resolve) => {
    process.once("SIGTERM", () => resolve());
    process.once("SIGINT", () => resolve());
  });
}
