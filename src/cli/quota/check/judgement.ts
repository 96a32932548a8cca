/** From what was read to findings. Pure. */
import type { AIQuota } from "../../../api/aiquota.ts";
import type { LimitSpec } from "../../../api/aiquota-limit.ts";
import { maxOf } from "../../../api/limit-max.ts";
import { type QuotaAdjustments, quotaAdjustments, resetsOfLimit } from "../../../api/quota-adjustments.ts";
import { slidingSlots, slotMsOf, spanOf, usedOf, type WindowSpec } from "../../../base/window.ts";
import { dollarText, windowOfLimit } from "../../../operator/state/usage-rows.ts";
import { epochOf } from "../../../redis/epoch.ts";
import { clusterNamespace, counterKey, counterName, partsOfCounterKey, sharedSubject } from "../../../redis/keys.ts";
import { subjectText } from "../../../redis/subject-text.ts";
import { type CheckResult, type Finding, failed, ok, skipped, warning } from "../../check/report.ts";
import { momentText, spanText } from "../../key/moment.ts";
import { safeText } from "../../terminal-text.ts";
import { type Counter, countersMax, holdsMax, leaseMarginMs, type Reading } from "./reading.ts";

/** Longest lease, and what clocks may differ, ms: a hold that ends later than that from now does not end. */
const leaseMsMax = 3_600_000;
const clockMs = 60_000;

/** Every check of a reading against the quotas that are known, in the order in which they are printed. */
export const judge = (reading: Reading, quotas: readonly AIQuota[]): readonly CheckResult[] => {
  const matched = matchCounters(reading.counters, quotas);
  return [
    result("redis", "read-whole", "everything was read", wholeFinding(reading)),
    result("redis", "counters-readable", "every counter is one", readableFinding(reading)),
    result("limits", "within-limits", "used + held <= limit, for every counter", limitsFinding(matched)),
    result("holds", "holds-charged", "every counter has what live calls hold of it", chargedFinding(reading, quotas)),
    result("holds", "holds-recorded", "every hold of the index has its record", recordedFinding(reading)),
    result("holds", "holds-indexed", "every record of a hold is in the index", indexedFinding(reading)),
    result("holds", "holds-end", "every hold ends with its lease", endFinding(reading)),
    result("places", "places-add-up", "of Concurrency, what is in use is the sum of the places", sumFinding(reading)),
    result("places", "places-held", "of Concurrency, every place belongs to a live hold", placesFinding(reading)),
  ];
};

const result = (group: string, name: string, sentence: string, finding: Finding): CheckResult => ({
  ...{ group, name, sentence },
  ...finding,
  ...(finding.details && { details: finding.details.map(safeText) }),
});

const wholeFinding = ({ isCut, counters, entries }: Reading): Finding =>
  isCut
    ? warning(
        [`there are more than ${countersMax} counters or ${holdsMax} holds: further ones were not looked at`],
        "Look at one namespace after the other with -n.",
      )
    : ok(`counters: ${counters.length}, holds: ${entries.size}`);

const readableFinding = ({ counters }: Reading): Finding => {
  const faults = counters.flatMap(({ key, fault }) => (fault === undefined ? [] : [`${key} ${fault}`]));
  return faults.length === 0
    ? ok()
    : failed(
        faults,
        "Somebody else has written it: find out who may log in. Sidecars refuse what it counts; delete the key.",
      );
};

/** A counter with the limit that counts in it. */
interface Matched {
  readonly counter: Counter;
  readonly quota: AIQuota;
  readonly limit: LimitSpec;
  readonly window: WindowSpec;
  readonly adjustments: QuotaAdjustments;
}

/** Those that count now: not of quotas or limits that are gone, of a window that was changed, or from before a reset. */
const matchCounters = (counters: readonly Counter[], quotas: readonly AIQuota[]): readonly Matched[] => {
  const known = new Map(
    quotas.map((quota) => [
      `${quota.metadata.namespace}/${quota.metadata.name}`,
      { quota, adjustments: quotaAdjustments(quota, counters[0]?.nowMs) },
    ]),
  );
  return counters.flatMap((counter): Matched[] => {
    const { namespace, quota: name, limit: limitName, subject, scope } = counter.parts;
    const found = known.get(`${namespace}/${name}`);
    const limit = found?.quota.spec.limits.find((each) => each.name === limitName);
    const window = limit && windowOfLimit(limit, counter.nowMs);
    if (!found || !limit || !window || counter.fault !== undefined) return [];
    const epochMs = epochOf(resetsOfLimit(found.adjustments.resets, limitName), subject);
    const current = counterName({ namespace, quota: name, limit: limitName, subject, epochMs });
    if (counterKey(scope ? clusterNamespace : namespace, current, window) !== counter.key) return [];
    return [{ counter, limit, window, ...found }];
  });
};

const limitsFinding = (matched: readonly Matched[]): Finding => {
  const enforced = matched.filter(({ quota }) => quota.spec.mode === "Enforce");
  const above = enforced.flatMap((each) => {
    const { counter, limit, quota } = each;
    const [used, max] = [usedIn(each), admittedOf(each)];
    if (used <= max) return [];
    const { namespace, name } = quota.metadata;
    const text = (units: number): string => (limit.resource === "Cost" ? `${dollarText(units)} USD` : String(units));
    return [`AIQuota ${namespace}/${name}, limit ${limit.name}, ${whose(counter)}: ${text(used)}, limit ${text(max)}`];
  });
  if (above.length > 0)
    return failed(
      above,
      "Expected for the rest of the window after a limit was lowered, a quota was set to Enforce, or Redis lost writes that sidecars told again or quota recover added (docs/quota-failures.md). Else report it with this output; to let it begin anew: sidegate quota reset.",
    );
  if (matched.length === 0)
    return skipped(
      "this Redis has no counter of these quotas: nothing is counted yet, or it is another Redis or database",
    );
  const audited = matched.length - enforced.length;
  if (enforced.length === 0) return skipped(`nothing is enforced: ${audited} counters, all of quotas in mode Audit`);
  return ok(`${enforced.length} compared`, ...(audited > 0 ? [`${audited} in mode Audit`] : []));
};

const whose = ({ parts }: Counter): string =>
  parts.subject === sharedSubject ? "for all" : subjectText(parts.subject);

/** As peek.lua: what counts now. */
const usedIn = ({ counter, window }: Matched): number => {
  if (counter.slots) return usedOf(counter.slots, spanOf(window, counter.nowMs));
  const ended = (counter.places ?? []).filter(({ endsMs }) => endsMs <= counter.nowMs);
  return Math.max(0, (counter.inUse ?? 0) - ended.reduce((sum, { units }) => sum + units, 0));
};

/** What may be charged: limit and burst, or an override that counts, or has counted, within the window. */
const admittedOf = ({ limit, counter, window, adjustments }: Matched): number => {
  const override = adjustments.overrides.find((entry) => entry.limit === limit.name);
  const startsMs = window.type === "Concurrency" ? counter.nowMs : windowStartMs(window, counter.nowMs);
  if (!override || Date.parse(override.until) < startsMs) return maxOf(limit);
  return Math.max(maxOf(limit), maxOf(limit, override.to));
};

const windowStartMs = (window: WindowSpec, nowMs: number): number => {
  const { first } = spanOf(window, nowMs);
  return window.type === "Calendar" ? first : first * slotMsOf(window);
};

const chargedFinding = ({ counters, holdsTwice, nowMs }: Reading, quotas: readonly AIQuota[]): Finding => {
  const held = new Map<string, Map<number, number>>();
  for (const { kind, key, slot, amount } of [...holdsTwice.values()].flat()) {
    if (kind === "concurrency") continue;
    const slots = held.get(key) ?? new Map<number, number>();
    held.set(key, slots.set(slot, (slots.get(slot) ?? 0) + amount));
  }
  const known = new Map(counters.map((counter) => [counter.key, counter]));
  const short = [...held].flatMap(([key, slots]) => {
    const counter = known.get(key);
    if (counter?.fault !== undefined) return [];
    return [...slots].flatMap(([slot, units]) => {
      const charged = counter?.slots?.get(slot);
      if ((charged ?? 0) >= units || (charged === undefined && isOver({ key, slot, counter, nowMs }, quotas)))
        return [];
      return [`${key}, slot ${slot}: ${charged ?? 0} charged, live calls hold ${units}`];
    });
  });
  return short.length === 0
    ? ok()
    : failed(
        short,
        "Redis has lost writes: a failover, a restart without persistence, or keys that were deleted. Sidecars tell them again within a second; if it stays: sidegate quota recover (docs/quota-commands.md), and look who else may write.",
      );
};

/** The shortest day of a calendar. */
const dayMsMin = 23 * 3_600_000;

/** Whether a slot that is not there may be gone: whoever charges a later one takes it away, and a counter ends with its window. */
const isOver = (
  { key, slot, counter, nowMs }: { key: string; slot: number; counter: Counter | undefined; nowMs: number },
  quotas: readonly AIQuota[],
): boolean => {
  if (counter?.slots && [...counter.slots.keys()].some((other) => other > slot)) return true;
  const [, kind, duration] = /\}:(sliding|fixed|calendar):(\d+)?/.exec(key) ?? [];
  if (kind === "sliding")
    return (slot + slidingSlots + 1) * slotMsOf({ type: "Sliding", durationMs: Number(duration) }) <= nowMs;
  if (kind === "fixed") return (slot + 1) * Number(duration) <= nowMs;
  const parts = partsOfCounterKey(key);
  const quota = quotas.find(({ metadata }) => metadata.name === parts?.quota && metadata.namespace === parts.namespace);
  const limit = quota?.spec.limits.find(({ name }) => name === parts?.limit);
  const window = limit && windowOfLimit(limit, slot);
  return (window ? spanOf(window, slot).endsMs : slot + dayMsMin) <= nowMs;
};

const recordedFinding = ({ withoutRecord, entries, nowMs }: Reading): Finding => {
  const live = [...withoutRecord].filter(([, endsMs]) => endsMs > nowMs + leaseMarginMs);
  const dead = [...entries.values()].filter((endsMs) => endsMs <= nowMs).length;
  if (live.length === 0) return dead === 0 ? ok() : ok(`${dead} dead ones, which the next reservation takes away`);
  return warning(
    live.map(([key, endsMs]) => `${key} has no record, its lease ends ${inText(endsMs, nowMs)}`),
    "Redis has lost writes. Nothing is to be done: what was charged stays charged, and the entries go with their leases.",
  );
};

const indexedFinding = ({ withoutEntry }: Reading): Finding =>
  withoutEntry.length === 0
    ? ok()
    : warning(
        withoutEntry.map((key) => `${key} is in no index`),
        "Redis has lost writes. The status shows these calls as used instead of held; they settle as any other.",
      );

const endFinding = ({ entries, holdsTwice, nowMs }: Reading): Finding => {
  const endless = [...entries].flatMap(([key, endsMs]) => {
    if (endsMs > nowMs + leaseMsMax + clockMs)
      return [`${key} ends ${inText(endsMs, nowMs)}: no lease is longer than 1 h`];
    if (endsMs < nowMs - clockMs && holdsTwice.has(key)) return [`${key} should have ended at ${momentText(endsMs)}`];
    return [];
  });
  return endless.length === 0
    ? ok()
    : failed(
        endless,
        "Somebody else has written it, or Redis was restored from a copy. Delete the record: what it holds stays charged.",
      );
};

const sumFinding = ({ counters }: Reading): Finding => {
  const wrong = counters.flatMap(({ key, places, inUse }) => {
    if (places === undefined) return [];
    const sum = places.reduce((total, { units }) => total + units, 0);
    return sum === inUse ? [] : [`${key}: ${inUse} in use, places of ${sum}`];
  });
  return wrong.length === 0
    ? ok()
    : failed(
        wrong,
        "Somebody else has written it. Delete the key while little runs: calls that run then are not counted.",
      );
};

const placesFinding = ({ placesWithoutHold, nowMs }: Reading): Finding => {
  const leaked = [...placesWithoutHold].flatMap(([key, places]) =>
    places.map(({ units, holdKey, endsMs }) => `${key}: ${units} by ${holdKey}, free ${inText(endsMs, nowMs)}`),
  );
  return leaked.length === 0
    ? ok()
    : warning(leaked, "Redis has lost the records of these calls. The places come back when their leases end.");
};

const inText = (endsMs: number, nowMs: number): string => `in ${spanText(endsMs - nowMs)}`;
