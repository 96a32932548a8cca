import type { Clock } from "../../../base/clock.ts";
import type { Log } from "../../../base/log.ts";
import type { QuotaStore } from "../../ports/quota-store.ts";
import type { LeaseKeeper } from "../leases.ts";
import type { Settler } from "../settler.ts";
import type { SliceMetrics } from "./metrics.ts";

/** What a counter of slices needs. */
export interface SlicedDeps {
  readonly store: QuotaStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly settler: Pick<Settler, "settle">;
  readonly leases: Pick<LeaseKeeper, "keep" | "drop">;
  /** Never the same twice, over all sidecars. */
  readonly nextId: () => string;
  readonly metrics: SliceMetrics;
  /** 0 to below 1. */
  readonly random: () => number;
  /** Runs it after so many ms. */
  readonly later: (ms: number, run: () => void) => void;
}
