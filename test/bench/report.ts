// Writes what a run saw as one page.
import { availableParallelism, cpus as machineCpus, release, totalmem } from "node:os";
import type { BearerCost } from "./bearer.ts";
import { type Budget, budgetsOf, isMet } from "./budgets.ts";
import type { CacheHit } from "./cache-hit.ts";
import { connections, constantRate, streamCounts } from "./loads.ts";
import type { Added, Effort, Figures } from "./measure.ts";
import { atOnce, cpus, isBound } from "./processes.ts";
import type { QuotaShare } from "./quota-share.ts";
import { type Target, targets } from "./targets.ts";
import { versionOf } from "./tools.ts";

/** All that one run saw. */
export interface Result {
  readonly date: string;
  readonly commit: string;
  readonly isQuick: boolean;
  readonly effort: Effort;
  readonly directRps: number;
  readonly figures: ReadonlyMap<Target["key"], Figures>;
  readonly cacheHit: CacheHit;
  readonly bearer: BearerCost;
  readonly quotaShare: QuotaShare;
}

/** One line of the table: the value of a server, and of the way without one where there is such a thing. */
interface Line {
  readonly title: string;
  readonly of: (figures: Figures) => number;
  /** A ratio would say nothing. */
  readonly isShare?: true;
  /** Without a server: the value itself, and what the sidecar's must be added to before the two can be compared. */
  readonly direct?: (sidecar: Figures, directRps: number) => { value: number; sidecar: number };
}

/** Three digits that count, thousands parted. */
function digits(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  return value.toLocaleString("en-US", { maximumFractionDigits: size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3 });
}

/** In brackets; nothing where noise decides. */
function ratio(value: number, base: number): string {
  if (!(base > smallestBase && value > 0)) return "";
  const times = value / base;
  return ` (${times.toFixed(times >= 10 ? 0 : times >= 1 ? 1 : 2)}×)`;
}

const addedLine = (title: string, pick: (figures: Figures) => Added | undefined, percentile: "p50" | "p99"): Line => {
  const ms = (value: number | undefined): number => (value ?? Number.NaN) / 1000;
  return {
    title: `${title}, ${percentile}, ms`,
    of: (figures) => ms(pick(figures)?.added[percentile]),
    direct: (sidecar) => {
      const value = ms(pick(sidecar)?.direct[percentile]);
      return { value, sidecar: value + ms(pick(sidecar)?.added[percentile]) };
    },
  };
};

const lines: readonly Line[] = [
  { title: `CPU per request, ${connections} connections, us`, of: (figures) => figures.cpuUsPerRequest },
  {
    title: `requests/s on one core, ${connections} connections`,
    of: (figures) => figures.rps,
    direct: (sidecar, directRps) => ({ value: directRps, sidecar: sidecar.rps }),
  },
  { title: "its core's use meanwhile, %", of: (figures) => figures.busy * 100, isShare: true },
  addedLine(`added at ${constantRate} requests/s`, (figures) => figures.latency, "p50"),
  addedLine(`added at ${constantRate} requests/s`, (figures) => figures.latency, "p99"),
  ...streamCounts.flatMap((count): Line[] => [
    addedLine(`${count} streams: added to the first chunk`, (figures) => figures.streams.get(count)?.firstChunk, "p50"),
    addedLine(`${count} streams: added per chunk`, (figures) => figures.streams.get(count)?.chunk, "p50"),
    {
      title: `${count} streams: CPU per chunk, us`,
      of: (figures) => figures.streams.get(count)?.cpuUsPerChunk ?? Number.NaN,
    },
  ]),
  { title: "memory (PSS) idle, MiB", of: (figures) => figures.pssIdleMib },
  { title: "memory (PSS) after the loads, MiB", of: (figures) => figures.pssLoadedMib },
  { title: "cold start to the first proxied answer, ms", of: (figures) => figures.coldMs },
  { title: "processes of others meanwhile, % of one CPU", of: (figures) => figures.others * 100, isShare: true },
];

/** In no unit: a few us, a few MiB. Ratios to less say nothing. */
const smallestBase = 0.01;

const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

/** The sidecar's value, then each other's with the sidecar's as a multiple of it. */
export function figuresTable(result: Result): string {
  const sidecar = result.figures.get("sidecar");
  if (sidecar === undefined) throw new Error("the sidecar was not measured");
  const others = targets.filter(({ key }) => key !== "sidecar" && result.figures.has(key));
  const head = ["", "sidecar", ...others.map(({ title }) => title), "no proxy"];
  const body = lines.map((line) => {
    const own = line.of(sidecar);
    const cells = others.map(({ key }) => {
      const figures = result.figures.get(key);
      if (figures === undefined) return "–";
      const value = line.of(figures);
      return `${digits(value)}${line.isShare ? "" : ratio(own, value)}`;
    });
    const direct = line.direct?.(sidecar, result.directRps);
    const last = direct ? `${digits(direct.value)}${ratio(direct.sidecar, direct.value)}` : "";
    return row([line.title, `**${digits(own)}**`, ...cells, last]);
  });
  return [row(head), row(head.map((_, i) => (i === 0 ? "---" : "--:"))), ...body].join("\n");
}

/** Each first budget, what was measured, met or missed. */
export function budgetsTable(result: Result): string {
  const sidecar = result.figures.get("sidecar");
  if (sidecar === undefined) throw new Error("the sidecar was not measured");
  const line = (budget: Budget): string =>
    row([
      budget.title,
      `${budget.isFloor ? ">=" : "<="} ${digits(budget.limit)} ${budget.unit}`,
      `${digits(budget.value)} ${budget.unit}`,
      isMet(budget) ? "met" : "**missed**",
    ]);
  return [
    row(["budget", "limit", "measured", ""]),
    row(["---", "--:", "--:", "---"]),
    ...budgetsOf(sidecar, result).map(line),
  ].join("\n");
}

/** Above this many CPUs of others, latencies and requests/s are theirs as much as ours. */
const othersMax = 0.15;

function noise({ figures, isQuick }: Result): string {
  const most = Math.max(...[...figures.values()].map(({ others }) => others));
  const told = `Processes of others used up to ${digits(most * 100)} % of one CPU meanwhile${most > othersMax ? ": **too much for latencies and requests/s to be trusted; measure again on an idle machine**" : ""}.`;
  return isQuick ? `**A quick run: rough figures.** ${told}` : told;
}

/** The page. */
export function pageOf(result: Result): string {
  const { effort, cacheHit, bearer, quotaShare } = result;
  const machine = `${availableParallelism()} CPUs, ${machineCpus()[0]?.model.trim() ?? "unknown"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`;
  const place = isBound
    ? `the server alone on CPU ${cpus.server}; load, provider and Redis on CPU ${cpus.load}${atOnce.length > 0 ? ", Redis before the others" : ""}`
    : "nothing is bound to a CPU: servers and load disturb each other";
  const tools = [
    versionOf(["redis-server", "--version"]).split(" ").slice(0, 3).join(" "),
    versionOf(["wrk", "-v"]).split(" [")[0],
    versionOf(["h2load", "--version"]),
  ];
  const measured = targets.filter(({ key }) => result.figures.has(key));
  const missing = targets.filter(({ key }) => !result.figures.has(key));
  return `# Benchmarks

Written by \`make bench\` (five minutes; \`make bench ARGS=--quick\` takes one and a half, is rough and only prints): one run on one machine. Do not edit. Absolute figures hold for this machine
only; the ratios, measured minutes apart, travel better.

- ${result.date}, commit ${result.commit}; ${machine}
- ${place}
- ${tools.join(", ")}; each load ${effort.load} s after a warm-up
- ${noise(result)}

## Side by side

In brackets: the sidecar's figure as a multiple of this one. Under "no proxy" stands what the same load saw without a server between, and the
multiple is that of the whole with the sidecar between.

${figuresTable(result)}

An answer from the exact cache takes ${digits(cacheHit.hit.p50 / 1000)} ms (p50, ${constantRate} requests/s); a bare GET of the same entry ${digits(cacheHit.bareGet.p50 / 1000)} ms.

A request takes ${digits(bearer.with / 1000)} ms (p50, one after another) where the route verifies a bearer token (RS256, the issuer's keys at hand, no cache of verdicts), ${digits(bearer.without / 1000)} ms where it does not. With 32 connections it adds ${digits(bearer.addedCpu)} us of CPU to a request.

With five quotas (two Sliding, two Calendar, Concurrency) the sidecar serves ${digits(quotaShare.five)} requests/s on one core, with none ${digits(quotaShare.none)}.

${measured.map((target) => `- ${target.title} (${target.version()}): ${target.does}`).join("\n")}
${missing.map((target) => `- ${target.title}: not measured${target.program === undefined ? "" : " (is it installed?)"}`).join("\n")}

## The sidecar's first budgets

${budgetsTable(result)}

Not measured here: memory after 10 minutes and its slope; how fast a changed config is in force in every pod; the operator.

## How it is measured

- Added: percentile through the server less the same percentile straight to the provider, run just before. Not a percentile of differences.
- Latency: h2load, one connection, a request each ${1000 / constantRate} ms, of about 200 bytes in and 400 out. A request that waits for the one before it is not
  counted as waiting. The p99 rests on ${effort.load * constantRate} requests.
- Requests/s: wrk, as fast as it goes. Where the server's core was not in full use the load's side was the limit: compare CPU per request there.
- Streams: 50 chunks, one each 10 ms, starts spread. The provider stamps each chunk with the time of its write; per chunk is its way from there to the client.
- CPU: /proc/PID/stat of the server and its children. Memory: PSS from smaps_rollup; the servers that run on Node have a copy of its binary for
  themselves, so that no page is shared with the harness. Redis is in neither.
- Cold start: exec to the first proxied 200, median of ${effort.coldStarts}; Redis runs already, V8's code cache is as in the image.
`;
}
