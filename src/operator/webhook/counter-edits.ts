/**
 * What an edit of a quota does to counters that run. The key of a counter holds the names of quota and limit, subject, kind of window and
 * duration (redis/keys.ts); not the resource, and not the period and zone of a calendar. Pure.
 */
import type { AIQuota } from "../../api/aiquota.ts";
import type { LimitSpec } from "../../api/aiquota-limit.ts";
import { durationMs } from "../../api/duration.ts";
import { isSameTimeZone, isTimeZone } from "../../base/calendar.ts";
import { isClusterQuota } from "../../compile/cluster-quota.ts";
import { fieldPath } from "../../config/field-path.ts";

/** Lines as admission says them. */
export interface CounterEdits {
  /** Counters would go on, and be misread. */
  readonly refused: readonly string[];
  /** Counters begin anew in the middle of a window. */
  readonly warned: readonly string[];
}

/** Compares two forms of one quota. `operatorNamespace`: where quotas may count over namespaces; absent: nowhere. */
export const counterEdits = (before: AIQuota, after: AIQuota, operatorNamespace?: string): CounterEdits => {
  const anew = renewals(before, after, operatorNamespace);
  if (anew.length > 0) return { refused: [], warned: anew }; // nothing is left that could be misread
  const refused: string[] = [];
  const warned: string[] = [];
  for (const old of before.spec.limits) {
    const index = after.spec.limits.findIndex(({ name }) => name === old.name);
    const limit = after.spec.limits[index];
    const path = ["spec", "limits", index];
    if (limit && placeOf(limit) === placeOf(old)) refused.push(...misreadings(old, limit, path));
    else if (!old.window) continue;
    else if (limit) warned.push(line([...path, "window"], `limit ${limit.name} ${beginsAnew}`));
    else warned.push(line(["spec", "limits"], `limit ${old.name} is gone; under another name a limit ${beginsAnew}`));
  }
  return { refused, warned };
};

const beginsAnew = "begins at zero: what was used in the running window counts no more";

/** What of the limit itself stands in the keys of its counters. */
const placeOf = ({ window }: LimitSpec): string => {
  if (window === undefined) return "Concurrency";
  return window.duration === undefined ? window.type : `${window.type} ${durationMs(window.duration)}`;
};

/** What gives every counter of the quota another key. */
const renewals = (before: AIQuota, after: AIQuota, operatorNamespace: string | undefined): readonly string[] => {
  const all = `every limit of the quota ${beginsAnew}`;
  const isSamePer = before.spec.per.join() === after.spec.per.join();
  const isSameScope = isClusterQuota(before, operatorNamespace) === isClusterQuota(after, operatorNamespace);
  return [
    ...(isSamePer ? [] : [line(["spec", "per"], `${all}; the order of the parts is part of a counter's name`)]),
    ...(isSameScope ? [] : [line(["spec", "targetRefs"], `${all}; counters over namespaces are others`)]),
  ];
};

/** Of two forms of a limit that count in the same key. */
const misreadings = (old: LimitSpec, limit: LimitSpec, path: readonly (string | number)[]): readonly string[] => {
  const refusal = (field: readonly string[], was: string, is: string): string =>
    line(
      [...path, ...field],
      `limit ${limit.name} would take what it has counted by ${was} for ${is}; give the limit another name: it counts from zero; or put ${was} back`,
    );
  const lines = old.resource === limit.resource ? [] : [refusal(["resource"], old.resource, limit.resource)];
  const [was, is] = [old.window, limit.window];
  if (was?.period === undefined || is?.period === undefined) return lines;
  if (was.period !== is.period) lines.push(refusal(["window", "period"], was.period, is.period));
  const [zone, other] = [was.timeZone ?? "UTC", is.timeZone ?? "UTC"];
  // In a zone that is none nothing was ever counted; a new one that is none is refused for itself.
  if (isTimeZone(zone) && isTimeZone(other) && !isSameTimeZone(zone, other))
    lines.push(refusal(["window", "timeZone"], zone, other));
  return lines;
};

const line = (path: readonly (string | number)[], message: string): string => `${fieldPath(path)}: ${message}`;
