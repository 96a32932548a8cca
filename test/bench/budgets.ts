// The first budgets of the sidecar, beside what was measured.
import type { BearerCost } from "./bearer.ts";
import type { CacheHit } from "./cache-hit.ts";
import type { Figures } from "./measure.ts";
import type { QuotaShare } from "./quota-share.ts";

/** One promise: `value` and `limit` in `unit`; met while `value` is not above `limit`, or with `isFloor` not below it. */
export interface Budget {
  readonly title: string;
  readonly value: number;
  readonly limit: number;
  readonly unit: string;
  readonly isFloor?: true;
}

/** The budgets that one run can check. */
export function budgetsOf(
  sidecar: Figures,
  measured: { readonly cacheHit: CacheHit; readonly bearer: BearerCost; readonly quotaShare: QuotaShare },
): Budget[] {
  const { cacheHit, bearer, quotaShare } = measured;
  const ms = (us: number | undefined): number => (us ?? Number.NaN) / 1000;
  const at = (count: number) => sidecar.streams.get(count);
  const { added } = sidecar.latency;
  return [
    { title: "CPU per small non-streamed request", value: sidecar.cpuUsPerRequest, limit: 110, unit: "us" },
    { title: "requests/s on one core, 32 connections", value: sidecar.rps, limit: 9000, unit: "/s", isFloor: true },
    { title: "added latency at 100 requests/s, p50", value: ms(added.p50), limit: 0.7, unit: "ms" },
    { title: "added latency at 100 requests/s, p99", value: ms(added.p99), limit: 2, unit: "ms" },
    {
      title: "added time to first token, 20 streams, p50",
      value: ms(at(20)?.firstChunk.added.p50),
      limit: 1,
      unit: "ms",
    },
    {
      title: "added time to first token, 200 streams, p50",
      value: ms(at(200)?.firstChunk.added.p50),
      limit: 1,
      unit: "ms",
    },
    { title: "added per chunk, 200 streams, p50", value: ms(at(200)?.chunk.added.p50), limit: 0.15, unit: "ms" },
    { title: "memory (PSS), idle", value: sidecar.pssIdleMib, limit: 85, unit: "MiB" },
    { title: "memory (PSS), after the loads of this run", value: sidecar.pssLoadedMib, limit: 120, unit: "MiB" },
    { title: "cold start to the first proxied answer", value: sidecar.coldMs, limit: 300, unit: "ms" },
    {
      title: "added to an answer from the exact cache in Redis, p50",
      value: ms(cacheHit.hit.p50 - cacheHit.bareGet.p50),
      limit: 0.5,
      unit: "ms",
    },
    {
      title: "CPU that verifying a bearer token adds to a small request (RS256, keys at hand), median",
      value: bearer.addedCpu,
      limit: 60,
      unit: "us",
    },
    {
      title: "requests/s with 5 quotas, of those with none",
      value: quotaShare.share * 100,
      limit: 70,
      unit: "%",
      isFloor: true,
    },
  ];
}

/** Whether the promise is kept; a figure that is not a number keeps none. */
export const isMet = ({ value, limit, isFloor }: Budget): boolean => (isFloor ? value >= limit : value <= limit);
