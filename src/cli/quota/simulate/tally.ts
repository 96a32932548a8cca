/** What a replay adds up, in bounded memory. */
import type { LimitConfig, QuotaConfig } from "../../../config/quota.ts";

/** Subjects of one limit that are told apart; further ones count together. */
export const subjectsMax = 10_000;
/** Stands for them. */
export const otherSubjects = "(others)";

/** What one limit would have done. */
export interface LimitTally {
  readonly namespace: string;
  readonly quota: string;
  readonly mode: QuotaConfig["mode"];
  readonly limit: LimitConfig;
  /** Calls that it counted. */
  met: number;
  /** Calls that it would have refused; in mode Audit, that it would have refused in mode Enforce. */
  refused: number;
  /** Calls that it would have sent to another model. */
  downgraded: number;
  /** Units charged in all. */
  charged: number;
  /** Fullest it ever was: used and held of what was admitted. */
  peak: { used: number; max: number; atMs: number } | undefined;
  /** When it had no room for the first time, and for whom. */
  first: { readonly atMs: number; readonly subject: string } | undefined;
  readonly refusedBySubject: Map<string, number>;
}

/** What came of all. */
export class Tally {
  readonly limits = new Map<string, LimitTally>();
  firstMs: number | undefined;
  lastMs = 0;
  replayed = 0;
  refused = 0;
  downgraded = 0;
  /** Answers that would have been shorter: less output was granted than was written. */
  cutShort = 0;
  /** Refused by another rule than a limit's room: code -> how many. */
  readonly otherwise = new Map<string, number>();
  /** Calls that were refused then: nobody knows how large they were. */
  refusedThen = 0;
  /** Outcomes of calls that began before the first record. */
  withoutIntent = 0;
  /** Records that are much older than the one before them. */
  outOfOrder = 0;
  /** Calls that could not be followed: too many at once, or too many counters. */
  notFollowed = 0;
  /** Calls that no quota counted. */
  uncounted = 0;
  /** Records that were told once more: by files that overlap, or a collector that sends again. */
  duplicates = 0;
  /** Answers from the cache whose records do not tell what was held, nor all of whom. */
  unmeasuredHits = 0;
  /** Calls whose records do not tell whether anybody can bound them. */
  unknownBounds = 0;
  /** What records told, for the remarks. */
  readonly told = { clientKey: false, pod: false, app: false, asked: false };
  /** Calls whose backend was told only when they had ended. */
  lateBackends = 0;
  readonly namespaces = new Set<string>();
  readonly #quotas = new Set<string>();

  /** The tally of a limit. */
  of(quota: QuotaConfig, limit: LimitConfig): LimitTally {
    const key = `${quota.namespace}/${quota.name}/${limit.name}`;
    const known = this.limits.get(key);
    if (known) return known;
    const { namespace, name, mode } = quota;
    const fresh: LimitTally = {
      ...{ namespace, quota: name, mode, limit, met: 0, refused: 0, downgraded: 0, charged: 0 },
      ...{ peak: undefined, first: undefined, refusedBySubject: new Map() },
    };
    this.limits.set(key, fresh);
    this.meet(quota);
    return fresh;
  }

  /** Some call was counted by it, or refused before it could be. */
  meet({ namespace, name }: QuotaConfig): void {
    this.#quotas.add(`${namespace}/${name}`);
  }

  /** Whether any call has met this quota. */
  hasMet({ namespace, name }: Pick<QuotaConfig, "namespace" | "name">): boolean {
    return this.#quotas.has(`${namespace}/${name}`);
  }

  count(map: Map<string, number>, key: string): void {
    const name = map.has(key) || map.size < subjectsMax ? key : otherSubjects;
    map.set(name, (map.get(name) ?? 0) + 1);
  }
}
