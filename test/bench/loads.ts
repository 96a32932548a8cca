// The loads: the same for every server, each one run of a load generator on the load CPU.
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { type Distribution, distributionOf } from "./distribution.ts";
import { runLoad } from "./processes.ts";
import type { SseResult } from "./sse-load.ts";

/** Requests a second of the latency run. */
export const constantRate = 100;
/** Connections of the throughput run. */
export const connections = 32;
/** Streams of the streaming runs. */
export const streamCounts = [20, 200] as const;
/** The model that the benchmark asks for. */
export const model = "bench";
/** More failed requests than this share, and a run says nothing about speed. */
const failedShareMax = 0.01;
/** A load ends itself; after so many seconds beyond its own it is stuck. */
const graceSeconds = 20;

/** What the throughput run saw. */
export interface Throughput {
  readonly requests: number;
  readonly seconds: number;
  readonly failed: number;
}

/** Writes the bodies that are sent to the run's folder, for the load generators. */
export function writeBodies(folder: string): void {
  const messages = [
    { role: "system", content: "You are a helpful assistant." },
    { role: "user", content: "Say hello in one short sentence." },
  ];
  writeFileSync(join(folder, "body.json"), JSON.stringify({ model, messages, max_tokens: 256 }));
  writeFileSync(join(folder, "stream.json"), JSON.stringify({ model, messages, max_tokens: 256, stream: true }));
}

/** Where a server on this port takes chat requests. */
export const chatUrl = (port: number): string => `http://127.0.0.1:${port}/v1/chat/completions`;

/** Status and Cache-Status of one request; status 0 when nobody answers. */
export function ask(
  url: string,
  folder: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ status: number; cacheStatus: string }> {
  const body = readFileSync(join(folder, "body.json"));
  return new Promise((resolve) => {
    const all = { "content-type": "application/json", "content-length": body.length, ...headers };
    const call = request(url, { method: "POST", headers: all, agent: false, timeout: 2000 }, (response) => {
      const cacheStatus = String(response.headers["cache-status"] ?? "");
      response.resume().on("close", () => resolve({ status: response.statusCode ?? 0, cacheStatus }));
    });
    call.on("timeout", () => call.destroy()).on("error", () => resolve({ status: 0, cacheStatus: "" }));
    call.end(body);
  });
}

/** Throws when too many requests of a run failed. */
function expectServed(what: string, failed: number, all: number, why = ""): void {
  if (all === 0 || failed / all > failedShareMax)
    throw new Error(`${what}: ${failed} of ${all} requests failed${why && `: ${why}`}`);
}

/** Latency of each request at the constant rate, on one connection that stays open, in us. Throws when requests fail. */
export const latencyOf = (
  url: string,
  folder: string,
  seconds: number,
  headers: readonly string[] = ["cache-control: no-store"],
): Promise<Distribution> =>
  oneByOne(url, folder, { seconds, headers, amount: ["-n", String(seconds * constantRate), `--rps=${constantRate}`] });

/** The same, each request as soon as the one before it is answered. */
export const serialLatencyOf = (
  url: string,
  folder: string,
  seconds: number,
  headers: readonly string[],
): Promise<Distribution> =>
  oneByOne(url, folder, { seconds, headers, amount: [`--duration=${Math.round(seconds * 1000)}ms`] });

async function oneByOne(
  url: string,
  folder: string,
  { seconds, headers, amount }: { seconds: number; headers: readonly string[]; amount: readonly string[] },
): Promise<Distribution> {
  const log = join(folder, "h2load.log");
  writeFileSync(log, "");
  const fields = ["content-type: application/json", ...headers].flatMap((each) => ["-H", each]);
  const body = ["-d", join(folder, "body.json")];
  await runLoad(
    ["h2load", "--h1", "-c1", ...amount, ...body, `--log-file=${log}`, ...fields, url],
    seconds + graceSeconds,
  );
  const rows = readFileSync(log, "utf8")
    .trim()
    .split("\n")
    .map((row) => row.split("\t").map(Number));
  if (rows.at(-1)?.[1] !== 200) rows.pop(); // under way when the time was over
  expectServed(`latency of ${url}`, rows.filter(([, status]) => status !== 200).length, rows.length);
  return distributionOf(rows.map(([, , us]) => us ?? Number.NaN));
}

/** As many requests as the server takes, with `authorization` if it is given. Throws when requests fail. */
export async function throughputOf(
  url: string,
  folder: string,
  seconds: number,
  authorization?: string,
): Promise<Throughput> {
  const script = join(import.meta.dirname, "post.lua");
  const command = ["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "-s", script, url];
  const out = await runLoad(command, seconds + graceSeconds, {
    BENCH_BODY: join(folder, "body.json"),
    ...(authorization !== undefined && { BENCH_AUTHORIZATION: authorization }),
  });
  const seen = JSON.parse(out.trim().split("\n").at(-1) ?? "") as Throughput; // the line that post.lua prints
  expectServed(`throughput of ${url}`, seen.failed, seen.requests);
  return seen;
}

/** So many streams at once. Throws when streams fail. */
export async function streamsOf(url: string, folder: string, streams: number, seconds: number): Promise<SseResult> {
  const body = readFileSync(join(folder, "stream.json"), "utf8");
  const file = join(import.meta.dirname, "sse-load.ts");
  const out = await runLoad(
    [process.execPath, file, url, String(streams), String(seconds), body],
    seconds + graceSeconds,
  );
  const seen = JSON.parse(out) as SseResult; // what sse-load.ts prints
  expectServed(`${streams} streams of ${url}`, seen.failed, seen.streams + seen.failed, seen.why);
  return seen;
}
