// What is measured side by side, and how each is started.
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { writeConfig } from "./config.ts";
import { type Running, start, versionOf } from "./processes.ts";

const here = import.meta.dirname;
const root = resolve(here, "../..");
const sidecarFile = join(root, "dist/sidecar.mjs");

/** Where a run keeps its files and finds its neighbours. */
export interface Place {
  /** Scratch folder of the run. */
  readonly folder: string;
  /** Outlives runs: V8's code cache, as an image would bring it. */
  readonly cacheFolder: string;
  readonly upstreamPort: number;
  readonly redisPort: number;
}

/** A server that stands between client and provider. */
export interface Target {
  readonly key: "sidecar" | "sidecar-file" | "bare" | "nginx" | "haproxy";
  readonly title: string;
  readonly version: () => string;
  readonly start: (port: number, place: Place) => Running;
}

/** The model that the benchmark asks for. */
export const model = "bench";

/** Flags that the bundle carries in its first line: what an image starts it with. */
const nodeFlags = (): string[] =>
  /^#!.*?node((?: --\S+)*)/
    .exec(readFileSync(sidecarFile, "latin1").slice(0, 400))?.[1]
    ?.trim()
    .split(" ")
    .filter(Boolean) ?? [];

function startSidecar(port: number, place: Place, auditFile: string | undefined): Running {
  const config = join(place.folder, `config-${auditFile === undefined ? "stdout" : "file"}`, "config.v1.json");
  writeConfig(config, `http://127.0.0.1:${place.upstreamPort}`, model, auditFile);
  return start("server", [process.execPath, ...nodeFlags(), sidecarFile], {
    logFile: join(place.folder, "sidecar.log"),
    outFile: join(place.folder, "audit.jsonl"),
    env: {
      NODE_ENV: "production",
      NODE_COMPILE_CACHE: place.cacheFolder,
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
    version: () => `Node ${process.version}`,
    start: (port, place) =>
      start(
        "server",
        [process.execPath, join(here, "bare-proxy.ts"), String(port), `http://127.0.0.1:${place.upstreamPort}`],
        {
          logFile: join(place.folder, "bare.log"),
        },
      ),
  },
  {
    key: "sidecar",
    title: "sidecar",
    version: () => `Node ${process.version} ${nodeFlags().join(" ")}`,
    start: (port, place) => startSidecar(port, place, undefined),
  },
  {
    key: "nginx",
    title: "nginx",
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
    version: () => versionOf(["haproxy", "-v"]).replace(/ - .*/, ""),
    start: (port, place) =>
      start("server", ["haproxy", "-db", "-f", writeProxyConfig("haproxy.cfg", port, place)], {
        logFile: join(place.folder, "haproxy.log"),
      }),
  },
  {
    key: "sidecar-file",
    title: "sidecar, audit flushed to disk",
    version: () => "as sidecar; each group of audit records ends with fdatasync",
    start: (port, place) => startSidecar(port, place, join(place.folder, "audit-file.jsonl")),
  },
];
