// What is measured side by side, and how each is started.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Variant, writeConfig } from "./config.ts";
import { model } from "./loads.ts";
import { type Running, start } from "./processes.ts";
import { versionOf } from "./tools.ts";

const here = import.meta.dirname;

/** Where a run keeps its files and finds its neighbours. */
export interface Place {
  /** Scratch folder of the run. */
  readonly folder: string;
  /** Node for the servers that are measured; a copy, so that its pages are theirs alone. */
  readonly nodeFile: string;
  /** A pipe whose reader throws all away: what a container's stdout is. */
  readonly stdoutPipe: string;
  /** Audit records of the target that flushes them; on a disk, and with no dot before a folder's name, as a route asks. */
  readonly auditFile: string;
  /** The bundle that is measured. */
  readonly sidecarFile: string;
  /** V8's code cache of the bundle, made as the image makes it. */
  readonly codeCacheFolder: string;
  readonly upstreamPort: number;
  readonly redisPort: number;
  /** Processes that run throughout: provider and Redis. */
  readonly besidePids: readonly number[];
}

/** A server that stands between client and provider. */
export interface Target {
  readonly key: "sidecar" | "sidecar-file" | "bare" | "nginx" | "haproxy";
  readonly title: string;
  /** What is switched on. */
  readonly does: string;
  /** Program without which it cannot be measured; absent: nothing beyond this project. */
  readonly program?: string;
  readonly version: () => string;
  readonly start: (port: number, place: Place) => Running;
}

/** Node's flags, which the bundle carries in its first line. */
const nodeFlags = (file: string): string[] => {
  const line = readFileSync(file, "utf8").split("\n", 1)[0] ?? "";
  return line
    .replace(/^.*?node/, "")
    .trim()
    .split(/\s+/)
    .filter(Boolean);
};

/** Fills V8's code cache as the image's build does: one run that only prints help. Throws when the bundle does not run. */
export function warmCodeCache(place: Pick<Place, "nodeFile" | "sidecarFile" | "codeCacheFolder">): void {
  const env = { ...process.env, NODE_ENV: "production", NODE_COMPILE_CACHE: place.codeCacheFolder };
  const { status, stderr } = spawnSync(place.nodeFile, [...nodeFlags(place.sidecarFile), place.sidecarFile, "--help"], {
    env,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${place.sidecarFile} --help left ${status}: ${stderr.slice(-500)}`);
}

/** Starts the sidecar; `name` is its config's folder. */
export function startSidecar(port: number, place: Place, { name, ...variant }: Variant & { name: string }): Running {
  const config = join(place.folder, `config-${name}`, "config.v2.json");
  writeConfig(config, `http://127.0.0.1:${place.upstreamPort}`, model, variant);
  return start("server", [place.nodeFile, ...nodeFlags(place.sidecarFile), place.sidecarFile], {
    logFile: join(place.folder, "sidecar.log"),
    outFile: place.stdoutPipe,
    env: {
      NODE_ENV: "production",
      NODE_COMPILE_CACHE: place.codeCacheFolder,
      SIDEGATE_CONFIG: config,
      SIDEGATE_NAMESPACE: "default",
      SIDEGATE_SERVICE_ACCOUNT: "default",
      SIDEGATE_LISTEN: `127.0.0.1:${port}`,
      SIDEGATE_ADMIN: "127.0.0.1:0",
      SIDEGATE_REDIS_URL: `redis://127.0.0.1:${place.redisPort}`,
      SIDEGATE_LOG_LEVEL: "warn",
    },
  });
}

/** Fills `@NAME@` in a configuration of another proxy and writes it to the run's folder. */
function writeProxyConfig(name: string, port: number, place: Place): string {
  const filled = readFileSync(join(here, "proxies", name), "utf8")
    .replaceAll("@PORT@", String(port))
    .replaceAll("@UPSTREAM@", `127.0.0.1:${place.upstreamPort}`)
    .replaceAll("@RUN@", place.folder);
  const file = join(place.folder, name);
  writeFileSync(file, filled);
  return file;
}

/** In the order in which they are measured. */
export const targets: readonly Target[] = [
  {
    key: "bare",
    title: "bare Node proxy",
    does: "node:http in, undici's dispatch out, bytes passed on; test/bench/bare-proxy.ts",
    version: () => `Node ${process.version}`,
    start: (port, place) =>
      start(
        "server",
        [place.nodeFile, join(here, "bare-proxy.ts"), String(port), `http://127.0.0.1:${place.upstreamPort}`],
        {
          logFile: join(place.folder, "bare.log"),
        },
      ),
  },
  {
    key: "sidecar",
    title: "sidecar",
    does:
      "two quotas (requests, total tokens) reserved and settled in Redis, exact cache in Redis looked up for each request (`Cache-Control: no-store`: " +
      "never a hit, never filled), audit intent and outcome on stdout (a pipe), metrics; bundle, Node flags and code cache as in the image",
    version: () => `Node ${process.version}`,
    start: (port, place) => startSidecar(port, place, { name: "stdout" }),
  },
  {
    key: "nginx",
    title: "nginx",
    does: "proxy_pass with keep-alive, no buffering, no log",
    program: "nginx",
    version: () => versionOf(["nginx", "-v"]).replace("nginx version: ", ""),
    start: (port, place) =>
      start(
        "server",
        ["nginx", "-p", place.folder, "-e", "stderr", "-c", writeProxyConfig("nginx.conf", port, place)],
        {
          logFile: join(place.folder, "nginx.log"),
        },
      ),
  },
  {
    key: "haproxy",
    title: "HAProxy",
    does: "one thread, mode http with keep-alive, no log",
    program: "haproxy",
    version: () => versionOf(["haproxy", "-v"]).replace(/ - .*/, ""),
    start: (port, place) =>
      start("server", ["haproxy", "-db", "-f", writeProxyConfig("haproxy.cfg", port, place)], {
        logFile: join(place.folder, "haproxy.log"),
      }),
  },
  {
    key: "sidecar-file",
    title: "sidecar, audit on disk",
    does: "as sidecar, but each group of audit records goes to a file and is on the disk (O_DSYNC) before the request goes on",
    version: () => `Node ${process.version}`,
    start: (port, place) => startSidecar(port, place, { name: "file", auditFile: place.auditFile }),
  },
];
