/** An application that calls without pause, with the official SDK and no retries, and counts what became of its calls. */
import { type ApplicationOptions, appDeployment } from "./application.ts";
import type { KubeObject, Pod } from "./kubectl.ts";
import { podPage } from "./pod-page.ts";
import { until } from "./until.ts";

/** A call that went wrong. */
export interface TrafficFault {
  readonly atMs: number;
  /** 0: no answer came. */
  readonly status: number;
  readonly code: string;
  readonly message: string;
  /** The header, or null. */
  readonly retryAfter: string | null;
}

/** What one pod has counted since its start. */
export interface TrafficCounts {
  readonly started: number;
  /** Ended in good order; a stream with every chunk that it was to have. */
  readonly whole: number;
  readonly failed: number;
  readonly running: number;
  /** The last 2,000. */
  readonly faults: readonly TrafficFault[];
}

/** How it calls. */
export interface TrafficOptions extends Omit<ApplicationOptions, "script"> {
  /** calls: short answers; streams: answers of `streamMs` in pieces. */
  readonly mode: "calls" | "streams";
  /** Loops side by side in each pod; default 1. */
  readonly loops?: number;
  /** Pause of a loop between two calls, ms; default 500. */
  readonly pauseMs?: number;
  /** Length of a stream, ms; default 5,000. */
  readonly streamMs?: number;
  /** Further members of each request's body. */
  readonly body?: Readonly<Record<string, unknown>>;
}

const port = 3_000;
/** ms between two pieces of a stream. */
const pieceMs = 250;

const script = (options: TrafficOptions): string => {
  const chunks = Math.round((options.streamMs ?? 5_000) / pieceMs);
  const isStream = options.mode === "streams";
  const settings = {
    chunks,
    isStream,
    loops: options.loops ?? 1,
    pauseMs: options.pauseMs ?? 500,
    body: options.body ?? {},
  };
  return `
import OpenAI from "openai";
import { createServer } from "node:http";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
const { chunks, isStream, loops, pauseMs, body } = ${JSON.stringify(settings)};
const client = new OpenAI({ maxRetries: 0, timeout: 60_000 });
const counts = { started: 0, whole: 0, failed: 0, running: 0, faults: [] };
let isOver = false;
const ask = () => ({ model: "gpt-4o", messages: [{ role: "user", content: "from " + hostname() + " number " + counts.started }], ...body });
const call = async () => { await client.chat.completions.create(ask()); };
const stream = async () => {
  const user = "fake:every=${pieceMs};chunks=" + chunks + ";tokens=" + chunks;
  let pieces = 0;
  let finish;
  for await (const chunk of await client.chat.completions.create({ ...ask(), user, stream: true })) {
    if (chunk.choices[0]?.delta?.content) pieces += 1;
    finish = chunk.choices[0]?.finish_reason ?? finish;
  }
  if (pieces !== chunks || finish !== "stop") throw new Error("ended after " + pieces + " of " + chunks + " pieces, " + finish);
};
const loop = async () => {
  while (!isOver) {
    counts.started += 1;
    counts.running += 1;
    try {
      await (isStream ? stream() : call());
      counts.whole += 1;
    } catch (fault) {
      counts.failed += 1;
      counts.faults.push({ atMs: Date.now(), status: fault.status ?? 0, code: String(fault.code ?? ""), message: String(fault.message).slice(0, 200), retryAfter: fault.headers?.get("retry-after") ?? null });
      if (counts.faults.length > 2_000) counts.faults.shift();
    }
    counts.running -= 1;
    await sleep(pauseMs * (0.8 + 0.4 * Math.random()));
  }
};
createServer((request, answer) => {
  if (request.url === "/end") isOver = true;
  answer.end(JSON.stringify(counts));
}).listen(${port});
for (let i = 0; i < loops; i += 1) void loop();`;
};

/** The application as a Deployment. */
export const trafficDeployment = (options: TrafficOptions): KubeObject =>
  appDeployment({ ...options, script: script(options) });

/** What a pod has counted so far. */
export const trafficOf = async (pod: Pod): Promise<TrafficCounts> =>
  JSON.parse(await podPage(pod, port, "/")) as TrafficCounts; // our own script's answer

/** The sum over pods, with their faults in the order of time. */
export const trafficOfAll = async (pods: readonly Pod[]): Promise<TrafficCounts> =>
  sum(await Promise.all(pods.map(trafficOf)));

/** No call begins any more; answers the counts when all that ran have ended. */
export const endTraffic = async (pods: readonly Pod[]): Promise<TrafficCounts> => {
  await Promise.all(pods.map((pod) => podPage(pod, port, "/end")));
  await until("the last calls end", async () => (await trafficOfAll(pods)).running === 0, 60_000);
  return await trafficOfAll(pods);
};

const sum = (all: readonly TrafficCounts[]): TrafficCounts => {
  const total = (count: (each: TrafficCounts) => number): number => all.reduce((so, each) => so + count(each), 0);
  return {
    started: total(({ started }) => started),
    whole: total(({ whole }) => whole),
    failed: total(({ failed }) => failed),
    running: total(({ running }) => running),
    faults: all.flatMap(({ faults }) => faults).sort((a, b) => a.atMs - b.atMs),
  };
};
