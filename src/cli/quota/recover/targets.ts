/** Which counters of a ledger still count, and for what: by the quotas as they are now. */
import type { AIQuota } from "../../../api/aiquota.ts";
import type { LimitSpec } from "../../../api/aiquota-limit.ts";
import { maxOf } from "../../../api/limit-max.ts";
import { quotaAdjustments, resetsOfLimit } from "../../../api/quota-adjustments.ts";
import { type Span, slotMsOf, spanOf, type WindowSpec } from "../../../base/window.ts";
import { windowOfLimit } from "../../../operator/state/usage-rows.ts";
import { epochOf } from "../../../redis/epoch.ts";
import { clusterNamespace, counterKey, counterName, partsOfCounterKey } from "../../../redis/keys.ts";

/** Shorter windows are over before anybody has looked, ms. */
export const windowMsMin = 60_000;
/** Clocks of pods and of Redis may differ by so much, ms; less is charged where they might. */
export const clockMs = 5_000;

/** A counter that counts. */
export interface Target {
  readonly key: string;
  readonly quota: AIQuota;
  readonly limit: LimitSpec;
  readonly subject: string;
  readonly window: WindowSpec;
  readonly span: Span;
  /** Limit with burst, or an override of it if that is more, in units. */
  readonly max: number;
}

/** Why a counter of the ledger is left out. */
export type LeftOut = "not asked for" | "counts no more" | "window too short";

/** Looks counters up by their keys, as of one moment of Redis. */
export class Targets {
  readonly #quotas: ReadonlyMap<string, AIQuota>;
  readonly #nowMs: number;
  readonly #known = new Map<string, Target | LeftOut>();

  constructor(quotas: readonly AIQuota[], nowMs: number) {
    this.#quotas = new Map(quotas.map((quota) => [`${quota.metadata.namespace}/${quota.metadata.name}`, quota]));
    this.#nowMs = nowMs;
  }

  of(key: string): Target | LeftOut {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const found = this.#find(key);
    this.#known.set(key, found);
    return found;
  }

  /** An override that has ended counts too: it may have been in force within the window. */
  #maxOf(quota: AIQuota, limit: LimitSpec): number {
    const override = quotaAdjustments(quota, this.#nowMs).overrides.find((each) => each.limit === limit.name);
    return Math.max(maxOf(limit), override ? maxOf(limit, override.to) : 0);
  }

  #find(key: string): Target | LeftOut {
    const parts = partsOfCounterKey(key);
    const quota = parts && this.#quotas.get(`${parts.namespace}/${parts.quota}`);
    if (!parts || !quota) return "not asked for";
    const limit = quota.spec.limits.find(({ name }) => name === parts.limit);
    const window = limit && windowOfLimit(limit, this.#nowMs);
    if (!limit || !window || window.type === "Concurrency") return "counts no more";
    const epochMs = epochOf(resetsOfLimit(quotaAdjustments(quota, this.#nowMs).resets, limit.name), parts.subject);
    const current = counterName({ ...parts, epochMs });
    if (counterKey(parts.scope ? clusterNamespace : parts.namespace, current, window) !== key) return "counts no more";
    const span = spanOf(window, this.#nowMs);
    const isShort = window.type !== "Calendar" && window.durationMs < windowMsMin;
    if (isShort) return "window too short";
    return { key, quota, limit, subject: parts.subject, window, span, max: this.#maxOf(quota, limit) };
  }
}

/**
 * The slot that a charge surely counts in now, or an older one; undefined: it does not, or perhaps does not. Fixed and Calendar: by when its
 * window ended, as Redis said then; Sliding: by the time of its record, a little earlier.
 */
export const slotOf = (
  { window, span }: Pick<Target, "window" | "span">,
  { timeMs, resetMs }: { readonly timeMs: number; readonly resetMs: number },
): number | undefined => {
  if (window.type === "Sliding") {
    const slot = Math.floor((timeMs - clockMs) / slotMsOf(window));
    return slot >= span.first ? Math.min(slot, span.slot) : undefined;
  }
  return Math.abs(timeMs + resetMs - span.endsMs) <= 2 * clockMs ? span.slot : undefined;
};
