/** Sidecars in processes of their own, from the bundle that the image ships, in front of the fake provider. */
import { type ChildProcess, execFile, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { encodeConfig } from "../../src/config/codec.ts";
import { send, until } from "../fixtures/calls.ts";
import { configFrom } from "../fixtures/sidecar.ts";
import type { ProviderCount } from "./provider-process.ts";

const root = resolve(import.meta.dirname, "../..");
const startMsMax = 60_000;

/** One sidecar; `url` stays the same when its process is killed and started again. */
export interface FleetMember {
  readonly url: string;
  readonly isUp: boolean;
  /** SIGKILL, and at once a new process. */
  restart(): Promise<void>;
}

export interface Fleet {
  readonly members: readonly FleetMember[];
  /** What the provider counted, by model; waits until nothing is under way there. */
  providerCounts(): Promise<Readonly<Record<string, ProviderCount>>>;
  /** Every process begins anew with this config. */
  reconfigure(yamlFor: (providerUrl: string) => string): Promise<void>;
  /** Kills every sidecar; what they held stays behind. */
  killAll(): Promise<void>;
  /** What the sidecars wrote to their logs at level warn and above. */
  readonly warnings: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

/** Builds the bundle and starts `size` sidecars on free ports. */
export const startFleet = async (options: {
  readonly size: number;
  readonly redisUrl: string;
  readonly yamlFor: (providerUrl: string) => string;
}): Promise<Fleet> => {
  const folder = await mkdtemp(join(tmpdir(), "sidegate-fleet-"));
  const dist = join(folder, "dist");
  await promisify(execFile)(process.execPath, [join(root, "cmd/build.ts"), "--outdir", dist]);
  const provider = fork(join(import.meta.dirname, "provider-process.ts"), {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const [{ url: providerUrl }] = (await once(provider, "message")) as [{ url: string }];
  const config = join(folder, "config.v2.json");
  const write = (yamlFor: (url: string) => string): Promise<void> =>
    writeFile(config, encodeConfig(configFrom(yamlFor(providerUrl))));
  await write(options.yamlFor);
  const warnings = new Map<string, number>();
  const settings = { file: join(dist, "sidecar.mjs"), config, redisUrl: options.redisUrl, warnings };
  const members = await Promise.all(Array.from({ length: options.size }, (_, i) => startMember(`pod-${i}`, settings)));
  return {
    members,
    warnings,
    providerCounts: () => countsOf(provider),
    reconfigure: async (yamlFor) => {
      await write(yamlFor);
      await Promise.all(members.map((member) => member.restart()));
    },
    killAll: async () => void (await Promise.all(members.map((member) => member.kill()))),
    stop: async () => {
      await Promise.all(members.map((member) => member.kill()));
      provider.disconnect();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

const countsOf = async (provider: ChildProcess): Promise<Readonly<Record<string, ProviderCount>>> => {
  let counts: Record<string, ProviderCount> = {};
  await until(
    "the provider is done",
    async () => {
      provider.send("count");
      const [answer] = (await once(provider, "message")) as [{ counts: typeof counts; underWay: number }];
      counts = answer.counts;
      return answer.underWay === 0;
    },
    10_000,
  );
  return counts;
};

/** Ports that outgoing connections are never given: one of these is free again when its process is started anew. */
const keptPorts = { from: 20_000, to: 32_000 } as const;
const portsGiven = new Set<number>();

const keptPort = async (): Promise<number> => {
  for (;;) {
    const port = keptPorts.from + Math.floor(Math.random() * (keptPorts.to - keptPorts.from));
    if (!portsGiven.has(port) && (await isFree(port))) {
      portsGiven.add(port);
      return port;
    }
  }
};

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });

interface MemberSettings {
  readonly file: string;
  readonly config: string;
  readonly redisUrl: string;
  readonly warnings: Map<string, number>;
}

const startMember = async (pod: string, settings: MemberSettings): Promise<FleetMember & { kill(): Promise<void> }> => {
  const [port, adminPort] = [await keptPort(), await keptPort()];
  let isUp = false;
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const env = {
      ...process.env,
      PATH: `${dirname(process.execPath)}${delimiter}${process.env["PATH"] ?? ""}`,
      NODE_ENV: "production",
      SIDEGATE_CONFIG: settings.config,
      SIDEGATE_NAMESPACE: "default",
      SIDEGATE_SERVICE_ACCOUNT: "default",
      SIDEGATE_POD: pod,
      SIDEGATE_LISTEN: `127.0.0.1:${port}`,
      SIDEGATE_ADMIN: `127.0.0.1:${adminPort}`,
      SIDEGATE_REDIS_URL: settings.redisUrl,
      SIDEGATE_LOG_LEVEL: "warn",
    };
    const started = spawn(settings.file, [], { env, stdio: ["ignore", "ignore", "pipe"] });
    child = started;
    let lastWords = "";
    started.stderr.setEncoding("utf8").on("data", (text: string) => {
      lastWords = `${lastWords}${text}`.slice(-2_000);
      for (const [, message = ""] of text.matchAll(/"msg":"([^"]*)"/g))
        settings.warnings.set(message, (settings.warnings.get(message) ?? 0) + 1);
    });
    await until(
      `${pod} is ready`,
      async () => {
        if (started.exitCode !== null) throw new Error(`${pod} ended with ${started.exitCode}: ${lastWords}`);
        return (await send(`http://127.0.0.1:${adminPort}/readyz`).catch(() => undefined))?.status === 200;
      },
      startMsMax,
    );
    isUp = true;
  };
  const kill = async (): Promise<void> => {
    isUp = false;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  await start();
  return {
    url: `http://127.0.0.1:${port}`,
    get isUp() {
      return isUp;
    },
    kill,
    restart: async () => {
      await kill();
      await start();
    },
  };
};
