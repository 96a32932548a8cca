// Measures one server, or the way without one: the same loads in the same order for each.
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Distribution, distributionOf, medianOf } from "./distribution.ts";
import { cpuUsOf, freePort, pssMibOf, type Running, runLoad } from "./processes.ts";
import type { SseResult } from "./sse-load.ts";
import { model, type Place, type Target } from "./targets.ts";

/** Requests a second of the latency run. */
export const constantRate = 100;
/** Connections of the throughput run. */
export const connections = 32;
/** Streams of the streaming runs. */
export const streamCounts = [20, 200] as const;

const coldStarts = 3;
const readyMsMax = 20_000;
const settleMs = 1500;

/** Latency at the constant rate in us, the throughput, the streams by their count. */
export interface LoadFigures {
  readonly latency: Distribution;
  readonly rps: number;
  readonly failed: number;
  readonly sse: Readonly<Record<(typeof streamCounts)[number], SseResult>>;
}
/** What is known of a server besides. */
export interface Figures extends LoadFigures {
  readonly coldMs: number;
  readonly cpuUsPerRequest: number;
  /** Share of its CPU that the server used in the throughput run; well below 1 the load generator was the bound. */
  readonly busy: number;
  readonly cpuUsPerChunk: number;
  readonly pssIdleMib: number;
  readonly pssLoadedMib: number;
}

/** The bodies that are sent, written to files for the load generators. */
export function writeBodies(folder: string): void {
  const messages = [
    { role: "system", content: "You are a helpful assistant." },
    { role: "user", content: "Say hello in one short sentence." },
  ];
  writeFileSync(join(folder, "body.json"), JSON.stringify({ model, messages, max_tokens: 256 }));
  writeFileSync(join(folder, "stream.json"), JSON.stringify({ model, messages, max_tokens: 256, stream: true }));
}

export const chatUrl = (port: number): string => `http://127.0.0.1:${port}/v1/chat/completions`;

/** Status of one request; 0 when nobody answers. */
function ask(url: string, body: Buffer): Promise<number> {
  return new Promise((resolve) => {
    const headers = { "content-type": "application/json", "content-length": body.length, "cache-control": "no-store" };
    const call = request(url, { method: "POST", headers, agent: false, timeout: 2000 }, (response) => {
      response.resume().on("close", () => resolve(response.statusCode ?? 0));
    });
    call.on("timeout", () => call.destroy()).on("error", () => resolve(0));
    call.end(body);
  });
}

/** From start to the first answer that came through, in ms. */
async function startUp(target: Target, port: number, place: Place): Promise<{ running: Running; ms: number }> {
  const body = readFileSync(join(place.folder, "body.json"));
  const startedMs = performance.now();
  const running = target.start(port, place);
  for (;;) {
    if ((await ask(chatUrl(port), body)) === 200) return { running, ms: performance.now() - startedMs };
    if (running.hasEnded() || performance.now() - startedMs > readyMsMax) {
      await running.stop();
      throw new Error(`${target.title} did not start; its log lies in ${place.folder}`);
    }
    await sleep(3);
  }
}

/** Latency of each request at a constant rate, on one connection, in us. */
export async function latencyOf(
  url: string,
  folder: string,
  options: { seconds: number; headers: readonly string[] },
): Promise<Distribution> {
  const log = join(folder, "h2load.log");
  writeFileSync(log, "");
  const headers = ["content-type: application/json", ...options.headers].flatMap((each) => ["-H", each]);
  const amount = ["-c1", "-n", String(options.seconds * constantRate), `--rps=${constantRate}`];
  await runLoad(["h2load", "--h1", ...amount, "-d", join(folder, "body.json"), `--log-file=${log}`, ...headers, url]);
  const rows = readFileSync(log, "utf8")
    .trim()
    .split("\n")
    .map((row) => row.split("\t").map(Number));
  const failed = rows.filter(([, status]) => status !== 200).length;
  if (failed > 0) throw new Error(`${failed} of ${rows.length} requests failed`);
  return distributionOf(rows.map(([, , us]) => us ?? Number.NaN));
}

async function throughputOf(
  url: string,
  seconds: number,
): Promise<{ requests: number; seconds: number; failed: number }> {
  const script = join(import.meta.dirname, "post.lua");
  const out = await runLoad(["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "-s", script, url]);
  return JSON.parse(out.trim().split("\n").at(-1) ?? "") as { requests: number; seconds: number; failed: number }; // post.lua's line
}

async function streamsOf(url: string, place: Place, streams: number, seconds: number): Promise<SseResult> {
  const body = readFileSync(join(place.folder, "stream.json"), "utf8");
  const out = await runLoad([
    process.execPath,
    join(import.meta.dirname, "sse-load.ts"),
    url,
    String(streams),
    String(seconds),
    body,
  ]);
  return JSON.parse(out) as SseResult; // our own process
}

/** All loads on one URL. `seconds` of each; `used`: called between them to read CPU time. */
async function loadAll(url: string, place: Place, seconds: number, used: () => number) {
  const latency = await latencyOf(url, place.folder, { seconds, headers: ["cache-control: no-store"] });
  const before = used();
  const through = await throughputOf(url, seconds);
  const throughputUs = used() - before;
  const sse: Record<number, SseResult> = {};
  let chunkUs = 0;
  for (const count of streamCounts) {
    const from = used();
    const result = await streamsOf(url, place, count, seconds);
    sse[count] = result;
    chunkUs = (used() - from) / Math.max(1, result.chunks);
  }
  const failed = through.failed + streamCounts.reduce((sum, count) => sum + (sse[count]?.failed ?? 0), 0);
  const figures: LoadFigures = {
    latency,
    rps: through.requests / through.seconds,
    failed,
    sse: sse as LoadFigures["sse"],
  }; // filled above
  return {
    figures,
    cpuUsPerRequest: throughputUs / through.requests,
    busy: throughputUs / (through.seconds * 1e6),
    cpuUsPerChunk: chunkUs,
  };
}

/** The provider without anything between. */
export const measureDirect = async (place: Place, seconds: number): Promise<LoadFigures> =>
  (await loadAll(chatUrl(place.upstreamPort), place, seconds, () => 0)).figures;

/** One server: cold starts, a warm-up that is thrown away, the loads. `besides` runs while it is still up. */
export async function measureTarget(
  target: Target,
  place: Place,
  seconds: number,
  besides: (port: number) => Promise<void> = async () => undefined,
): Promise<Figures> {
  const colds: number[] = [];
  const port = await freePort();
  let { running, ms } = await startUp(target, port, place);
  for (colds.push(ms); colds.length < coldStarts; colds.push(ms)) {
    await running.stop();
    ({ running, ms } = await startUp(target, port, place));
  }
  try {
    await sleep(settleMs);
    const pssIdleMib = pssMibOf(running.pid);
    await throughputOf(chatUrl(port), Math.max(1, Math.ceil(seconds / 2)));
    await streamsOf(chatUrl(port), place, 10, 1);
    const { figures, ...costs } = await loadAll(chatUrl(port), place, seconds, () => cpuUsOf(running.pid));
    await sleep(settleMs);
    const pssLoadedMib = pssMibOf(running.pid);
    await besides(port);
    return { ...figures, ...costs, coldMs: medianOf(colds), pssIdleMib, pssLoadedMib };
  } finally {
    await running.stop();
  }
}
