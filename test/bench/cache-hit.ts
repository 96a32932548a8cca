// What the sidecar adds to an answer from the exact cache: beside it, a bare GET of the very entry, at the same rate.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ask, chatUrl, constantRate, latencyOf } from "./loads.ts";
import type { Percentiles } from "./measure.ts";
import { runLoad } from "./processes.ts";
import type { Place } from "./targets.ts";

/** Both in us, at the constant rate. */
export interface CacheHit {
  readonly hit: Percentiles;
  readonly bareGet: Percentiles;
}

const hitMsMax = 5_000;
const cacheKeyPattern = "sg:{default}:cache:*";

/** The sidecar on `port` must run. Throws when its answer does not come from the cache. */
export async function measureCacheHit(port: number, place: Place, seconds: number): Promise<CacheHit> {
  const url = chatUrl(port);
  await firstHit(url, place.folder);
  await latencyOf(url, place.folder, 1, []); // warm-up
  const hit = await latencyOf(url, place.folder, seconds, []);
  const file = join(import.meta.dirname, "redis-get.ts");
  const options = [String(place.redisPort), cacheKeyOf(place.redisPort), String(seconds), String(constantRate)];
  const bareGet = JSON.parse(await runLoad([process.execPath, file, ...options], seconds + 20)) as Percentiles; // what redis-get.ts prints
  return { hit, bareGet };
}

/** Asks until an answer comes from the cache: the first fills it, and after the loads Redis may be given a moment. */
async function firstHit(url: string, folder: string): Promise<void> {
  const startedMs = performance.now();
  for (;;) {
    const { status, cacheStatus } = await ask(url, folder, {});
    if (cacheStatus.includes("hit")) return;
    if (performance.now() - startedMs > hitMsMax) {
      throw new Error(`no answer comes from the cache: status ${status}, cache-status: ${cacheStatus}`);
    }
    await sleep(100);
  }
}

function cacheKeyOf(redisPort: number): string {
  const { stdout } = spawnSync("redis-cli", ["-p", String(redisPort), "--scan", "--pattern", cacheKeyPattern], {
    encoding: "utf8",
  });
  const key = stdout.split("\n")[0] ?? "";
  if (key === "") throw new Error(`no key ${cacheKeyPattern} in Redis`);
  return key;
}
