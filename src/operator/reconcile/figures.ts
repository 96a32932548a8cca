/** Figures that reconcilers come by and Prometheus asks for: how full quotas are, how many sidecars run what is published. */
import type { AIQuota } from "../../api/aiquota.ts";
import type { UsageRow } from "../ports.ts";
import type { SidecarCounts } from "./programmed.ts";
import { type Crossing, isWatched, spentPercent } from "./quota-budget.ts";

/** How full one limit is. */
export interface LimitFigure {
  readonly namespace: string;
  readonly quota: string;
  readonly limit: string;
  /** Used and held over the whole, of the subject that has used most; 1: spent. */
  readonly ratio: number;
}

/** How many are at a threshold of one limit. */
export interface ThresholdFigure {
  readonly namespace: string;
  readonly quota: string;
  readonly limit: string;
  /** Percent; 100: spent. */
  readonly threshold: number;
  /** Subjects, of those that have used most. */
  readonly subjects: number;
}

/** The latest of each; what is gone is forgotten. */
export class Figures {
  readonly #limits = new Map<string, readonly LimitFigure[]>();
  readonly #thresholds = new Map<string, readonly ThresholdFigure[]>();
  readonly #sidecars = new Map<string, SidecarCounts>();

  /** A quota's rows; undefined: it is gone. */
  quota(namespace: string, quota: string, rows: readonly UsageRow[] | undefined): void {
    const key = `${namespace}/${quota}`;
    if (!rows) {
      this.#limits.delete(key);
      this.#thresholds.delete(key);
      return;
    }
    const ratios = new Map<string, number>();
    for (const row of rows) ratios.set(row.limit, Math.max(ratios.get(row.limit) ?? 0, usedRatio(row)));
    this.#limits.set(
      key,
      [...ratios].map(([limit, ratio]) => ({ namespace, quota, limit, ratio })),
    );
  }

  /** Who is at a threshold of a quota; thresholds that nobody has reached stand there with 0. */
  crossings(namespace: string, quota: string, { spec }: AIQuota, crossings: readonly Crossing[]): void {
    const figures = spec.limits.filter(isWatched).flatMap(({ name: limit, warnAt = [] }) =>
      [...new Set([...warnAt, spentPercent])].map((threshold) => {
        const reached = crossings.filter((one) => one.limit.name === limit && one.threshold >= threshold);
        return { namespace, quota, limit, threshold, subjects: reached.length };
      }),
    );
    this.#thresholds.set(`${namespace}/${quota}`, figures);
  }

  /** A route's sidecars; undefined: it is gone. */
  route(namespace: string, route: string, counts: SidecarCounts | undefined): void {
    const key = `${namespace}/${route}`;
    if (counts) this.#sidecars.set(key, counts);
    else this.#sidecars.delete(key);
  }

  limits(): readonly LimitFigure[] {
    return [...this.#limits.values()].flat();
  }

  thresholds(): readonly ThresholdFigure[] {
    return [...this.#thresholds.values()].flat();
  }

  /** Live sidecars of routes that run the published config. */
  get programmed(): number {
    return [...this.#sidecars.values()].reduce((sum, counts) => sum + counts.programmed, 0);
  }
}

/** Used and held over the whole; 1: spent. */
export const usedRatio = ({ used, reserved, remaining }: UsageRow): number => {
  const taken = Number(used) + Number(reserved);
  const whole = taken + Number(remaining);
  return whole > 0 ? taken / whole : 0;
};
