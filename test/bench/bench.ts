// Measures the sidecar beside other proxies in one run and writes docs/benchmarks.md. Shows figures and judges none; fails when it
// cannot measure. usage: node test/bench/bench.ts [--quick] [--out FILE]; a quick run is rough
// and writes no page unless a file is named. --bearer: only what a bearer token adds, and no page.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type BearerCost, measureBearer } from "./bearer.ts";
import { type CacheHit, measureCacheHit } from "./cache-hit.ts";
import { chatUrl, streamsOf, throughputOf, writeBodies } from "./loads.ts";
import { type Effort, type Figures, measureTarget } from "./measure.ts";
import { watchOthers } from "./proc.ts";
import { atOnce, freePort, type Running, start, waitForPort } from "./processes.ts";
import { measureQuotaShare } from "./quota-share.ts";
import { budgetsTable, figuresTable, pageOf, type Result } from "./report.ts";
import { type Place, type Target, targets, warmCodeCache } from "./targets.ts";
import { prepareTools } from "./tools.ts";

const root = resolve(import.meta.dirname, "../..");
const full: Effort = { coldStarts: 3, warmUp: 8, load: 6, direct: 3, rest: 1.5 };
const quick: Effort = { coldStarts: 1, warmUp: 2, load: 2, direct: 1, rest: 0.5 };
/** CPUs that others may use when a server's turn comes. */
const quietMax = 0.1;
/** Left out of a quick run. */
const onlyFull: readonly Target["key"][] = ["sidecar-file"];

const messageOf = (fault: unknown): string => (fault instanceof Error ? fault.message : String(fault));

/** What the servers need before they start: a bundle of this very source, Node, the code cache, provider and Redis. */
async function prepare(folder: string): Promise<{ place: Place; beside: Running[] }> {
  const dist = join(folder, "dist");
  const built = spawnSync(process.execPath, [join(root, "cmd/build.ts"), "--outdir", dist], { encoding: "utf8" });
  if (built.status !== 0) throw new Error(`the bundle cannot be built: ${built.stderr.slice(-1000)}`);
  const nodeFile = join(folder, "node");
  copyFileSync(process.execPath, nodeFile); // pages of its own: PSS would halve what the harness and the provider share
  const bundle = { nodeFile, sidecarFile: join(dist, "sidecar.mjs"), codeCacheFolder: join(folder, "v8") };
  warmCodeCache(bundle);
  writeBodies(folder);
  const [upstreamPort, redisPort] = [await freePort(), await freePort()];
  const auditFile = `/var/tmp/sidegate-bench-${process.pid}.jsonl`; // /tmp may be memory
  process.once("exit", () => rmSync(auditFile, { force: true }));
  const stdoutPipe = join(folder, "stdout");
  if (spawnSync("mkfifo", [stdoutPipe]).status !== 0) throw new Error(`no pipe can be made: ${stdoutPipe}`);
  openSync(stdoutPipe, "r+"); // held open, so that its reader outlives each server
  const logFile = join(folder, "beside.log");
  const redis = ["redis-server", "--bind", "127.0.0.1", "--port", String(redisPort), "--save", "", "--dir", folder];
  const beside = [
    start("load", [...atOnce, ...redis], { logFile }),
    start("load", [process.execPath, join(import.meta.dirname, "upstream.ts"), String(upstreamPort)], { logFile }),
    start("load", ["cat", stdoutPipe], { logFile, outFile: "/dev/null" }),
  ];
  await waitForPort(redisPort, "Redis");
  await waitForPort(upstreamPort, "the provider");
  const besidePids = beside.map(({ pid }) => pid);
  return { place: { folder, stdoutPipe, auditFile, ...bundle, upstreamPort, redisPort, besidePids }, beside };
}

/** Waits until others leave the machine alone, at most so many seconds; answers what they use, in CPUs. */
async function quiet(besidePids: readonly number[], secondsMax: number): Promise<number> {
  for (const startedMs = performance.now(); ; ) {
    const others = watchOthers(besidePids);
    await sleep(1000);
    const used = others();
    if (used < quietMax || performance.now() - startedMs > secondsMax * 1000) return used;
  }
}

/** Empties Redis: `no-store` still looks the cache up, and what an earlier server kept there would be a hit. Throws when it cannot. */
function forget(redisPort: number): void {
  const { status, stderr } = spawnSync("redis-cli", ["-p", String(redisPort), "flushall"], { encoding: "utf8" });
  if (status !== 0) throw new Error(`Redis cannot be emptied: ${stderr}`);
}

/** Twice at most: on a machine that others use, a run is lost now and then. Undefined: it could not be measured. */
async function measureOnce(
  target: Target,
  place: Place,
  measure: () => Promise<Figures>,
): Promise<Figures | undefined> {
  for (const isLast of [false, true]) {
    try {
      forget(place.redisPort);
      return await measure();
    } catch (fault) {
      console.error(`${target.title}: ${messageOf(fault)}; ${isLast ? "not measured" : "once more"}`);
    }
  }
  return undefined;
}

async function measureAll(place: Place, effort: Effort, chosen: readonly Target[], isQuick: boolean) {
  const figures = new Map<Target["key"], Figures>();
  await streamsOf(chatUrl(place.upstreamPort), place.folder, 20, 1); // warms the provider
  await throughputOf(chatUrl(place.upstreamPort), place.folder, 1);
  const direct = await throughputOf(chatUrl(place.upstreamPort), place.folder, effort.direct);
  let cacheHit: CacheHit | undefined;
  for (const target of chosen) {
    const others = await quiet(place.besidePids, isQuick ? 5 : 20);
    console.error(`measuring: ${target.title} (processes of others: ${Math.round(others * 100)} % of a CPU)`);
    const besides = async (port: number): Promise<void> => {
      if (target.key === "sidecar") cacheHit = await measureCacheHit(port, place, effort.load);
    };
    const seen = await measureOnce(target, place, () => measureTarget(target, place, effort, besides));
    if (seen !== undefined) figures.set(target.key, seen);
  }
  if (cacheHit === undefined) throw new Error("the sidecar was not measured");
  console.error("measuring: bearer tokens");
  const bearer: BearerCost = await measureBearer(place, effort.load + 2);
  console.error("measuring: five quotas and none");
  const quotaShare = await measureQuotaShare(place, effort.load);
  return { figures, cacheHit, bearer, quotaShare, directRps: direct.requests / direct.seconds };
}

/** Prints what a bearer token adds. */
async function mainOfBearer(): Promise<void> {
  prepareTools();
  mkdirSync(join(root, ".cache"), { recursive: true });
  const folder = mkdtempSync(join(root, ".cache/bench-"));
  const { place, beside } = await prepare(folder);
  const others = await quiet(place.besidePids, 20);
  const { without, with: proving, added, addedCpu } = await measureBearer(place, full.load + 2);
  await Promise.all(beside.map((each) => each.stop()));
  rmSync(folder, { recursive: true });
  const us = (value: number): string => `${Math.round(value)} us`;
  console.log(
    `a bearer token (RS256, keys at hand) adds ${us(added)} at the median of serial requests (${us(without)} without, ${us(proving)} with), and ${us(addedCpu)} of CPU to a request of 32 connections; processes of others: ${Math.round(others * 100)} % of a CPU`,
  );
}

/** Answers whether all that is installed was measured. */
async function main(isQuick: boolean, outFile: string | undefined): Promise<boolean> {
  const missing = prepareTools();
  const chosen = targets.filter(
    ({ key, program }) => !(isQuick && onlyFull.includes(key)) && !(program !== undefined && missing.includes(program)),
  );
  const effort = isQuick ? quick : full;
  mkdirSync(join(root, ".cache"), { recursive: true });
  const folder = mkdtempSync(join(root, ".cache/bench-"));
  const { place, beside } = await prepare(folder);
  const measured = await measureAll(place, effort, chosen, isQuick);
  await Promise.all(beside.map((each) => each.stop()));
  const commit = spawnSync("git", ["-C", root, "describe", "--always", "--dirty"], { encoding: "utf8" }).stdout.trim();
  const date = new Date().toISOString().slice(0, 10);
  const result: Result = { date, commit: commit || "unknown", isQuick, effort, ...measured };
  console.log(`${figuresTable(result)}\n\n${budgetsTable(result)}`);
  if (outFile !== undefined) {
    writeFileSync(outFile, pageOf(result));
    console.log(`\nwrote ${outFile}`);
  }
  if (result.figures.size < chosen.length) return false; // leaves the folder, for its logs
  rmSync(folder, { recursive: true });
  return true;
}

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    out: { type: "string" },
    bearer: { type: "boolean", default: false },
  },
});
const page = values.out ?? (values.quick ? undefined : join(root, "docs/benchmarks.md"));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
try {
  if (values.bearer) {
    await mainOfBearer();
    process.exit(0);
  }
  process.exit((await main(values.quick, page && resolve(page))) ? 0 : 1);
} catch (fault) {
  console.error(`bench: ${messageOf(fault)}`);
  process.exit(1); // ends the processes that still run
}
