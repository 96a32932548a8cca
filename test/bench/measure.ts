// Measures one server: cold starts, a warm-up that is thrown away, then each load, first straight to the provider, then through it.
import { setTimeout as sleep } from "node:timers/promises";
import { type Distribution, medianOf } from "./distribution.ts";
import { ask, chatUrl, latencyOf, streamCounts, streamsOf, throughputOf } from "./loads.ts";
import { cpuUsOf, pssMibOf, watchOthers } from "./proc.ts";
import { freePort, type Running } from "./processes.ts";
import type { Place, Target } from "./targets.ts";

/** How much time a run takes; all in seconds except `coldStarts`. */
export interface Effort {
  readonly coldStarts: number;
  readonly warmUp: number;
  /** Of each load through a server. */
  readonly load: number;
  /** Of each load straight to the provider, beside it. */
  readonly direct: number;
  /** Rest before memory is read. */
  readonly rest: number;
}

/** Two percentiles in us. */
export type Percentiles = Pick<Distribution, "p50" | "p99">;

/** A load without a server between, and what the server added to it: a difference of percentiles. */
export interface Added {
  readonly direct: Percentiles;
  readonly added: Percentiles;
}

/** What so many streams saw. */
export interface Streaming {
  readonly firstChunk: Added;
  readonly chunk: Added;
  readonly cpuUsPerChunk: number;
}

/** What is known from a server's process. */
type Rest = "coldMs" | "pssIdleMib" | "pssLoadedMib" | "others";
type Loads = Omit<Figures, Rest>;

/** All that is known of one server. */
export interface Figures {
  readonly coldMs: number;
  readonly pssIdleMib: number;
  readonly pssLoadedMib: number;
  readonly latency: Added;
  readonly rps: number;
  readonly cpuUsPerRequest: number;
  /** Share of its CPU that the server used at most; well below 1 the load's side was the bound of `rps`. */
  readonly busy: number;
  readonly streams: ReadonlyMap<number, Streaming>;
  /** CPUs that processes of others used meanwhile. */
  readonly others: number;
}

const readyMsMax = 20_000;
const noStore = { "cache-control": "no-store" };

const addedBy = (through: Percentiles, direct: Percentiles): Added => ({
  direct,
  added: { p50: through.p50 - direct.p50, p99: through.p99 - direct.p99 },
});

/** From start to the first answer that came through, in ms. */
async function startUp(target: Target, port: number, place: Place): Promise<{ running: Running; ms: number }> {
  const startedMs = performance.now();
  const running = target.start(port, place);
  for (;;) {
    const { status } = await ask(chatUrl(port), place.folder, noStore);
    if (status === 200) return { running, ms: performance.now() - startedMs };
    if (running.hasEnded() || performance.now() - startedMs > readyMsMax) {
      await running.stop();
      throw new Error(`${target.title} did not start (last status ${status}); its log lies in ${place.folder}`);
    }
    await sleep(3);
  }
}

/** The median of some cold starts; the last one still runs. */
async function coldStart(
  target: Target,
  port: number,
  place: Place,
  times: number,
): Promise<{ running: Running; coldMs: number }> {
  let { running, ms } = await startUp(target, port, place);
  const all = [ms];
  while (all.length < times) {
    await running.stop();
    ({ running, ms } = await startUp(target, port, place));
    all.push(ms);
  }
  return { running, coldMs: medianOf(all) };
}

async function streaming(pid: number, port: number, place: Place, count: number, effort: Effort): Promise<Streaming> {
  const direct = await streamsOf(chatUrl(place.upstreamPort), place.folder, count, effort.direct);
  const usedUs = cpuUsOf(pid);
  const through = await streamsOf(chatUrl(port), place.folder, count, effort.load);
  return {
    firstChunk: addedBy(through.firstChunk, direct.firstChunk),
    chunk: addedBy(through.transit, direct.transit),
    cpuUsPerChunk: (cpuUsOf(pid) - usedUs) / through.chunks,
  };
}

async function loadAll(pid: number, port: number, place: Place, effort: Effort): Promise<Loads> {
  const { folder } = place;
  await throughputOf(chatUrl(port), folder, effort.warmUp);
  await streamsOf(chatUrl(port), folder, 10, 1);

  const direct = await latencyOf(chatUrl(place.upstreamPort), folder, effort.direct);
  const latency = addedBy(await latencyOf(chatUrl(port), folder, effort.load), direct);

  const usedUs = cpuUsOf(pid);
  const most = await throughputOf(chatUrl(port), folder, effort.load);
  const throughputUs = cpuUsOf(pid) - usedUs;

  const streams = new Map<number, Streaming>();
  for (const count of streamCounts) streams.set(count, await streaming(pid, port, place, count, effort));
  const cpuUsPerRequest = throughputUs / most.requests;
  return {
    latency,
    rps: most.requests / most.seconds,
    cpuUsPerRequest,
    busy: throughputUs / (most.seconds * 1e6),
    streams,
  };
}

/** One server from its start to its end. `besides` runs while it is still up. Throws when it cannot be measured. */
export async function measureTarget(
  target: Target,
  place: Place,
  effort: Effort,
  besides: (port: number) => Promise<void> = async () => undefined,
): Promise<Figures> {
  const others = watchOthers(place.besidePids);
  const port = await freePort();
  const { running, coldMs } = await coldStart(target, port, place, effort.coldStarts);
  try {
    await sleep(effort.rest * 1000);
    const pssIdleMib = pssMibOf(running.pid);
    const loads = await loadAll(running.pid, port, place, effort);
    await sleep(effort.rest * 1000);
    const pssLoadedMib = pssMibOf(running.pid);
    await besides(port);
    await running.stop();
    return { coldMs, pssIdleMib, pssLoadedMib, ...loads, others: others() };
  } finally {
    await running.stop();
  }
}
