import type { AIQuota } from "../../api/aiquota.ts";
import type { LimitSpec } from "../../api/aiquota-limit.ts";
import { quotaAdjustments, resetsOfLimit } from "../../api/quota-adjustments.ts";
import { resetMsOf, type Span, spanOf, usedOf, type WindowSpec } from "../../base/window.ts";
import { isSubjectBy } from "../../config/quota-subject.ts";
import { epochOf } from "../../redis/epoch.ts";
import { clusterHoldsKey, clusterNamespace, counterKey, counterName, holdsKey } from "../../redis/keys.ts";
import type { RedisCommand, RedisLink } from "../../redis/link.ts";
import type { UsageRow } from "../ports.ts";
import type { CounterSweep } from "./counter-sweep.ts";
import { type CounterState, knownSubjects, usageRows, windowOfLimit } from "./usage-rows.ts";

/** Counters of one quota that are read; of more, only these are compared. */
export const countersReadMax = 5_000;
/** Commands, or keys of one MGET, that leave together: Redis is never held up for long. */
export const readBatch = 500;
/** Live holds of a namespace that are read for what is reserved; of more, the rest counts as used. Of a quota over namespaces: of all of them. */
export const holdsReadMax = 5_000;
/** Namespaces whose holds are read for a quota over namespaces. */
export const namespacesReadMax = 500;

/** A counter that is to be read. */
interface Target {
  readonly limit: LimitSpec;
  readonly subject: string;
  readonly key: string;
  readonly window: WindowSpec;
  readonly span: Span;
}

/** A quota, and the namespaces that it counts for, where it counts over them. */
interface Asked {
  readonly namespace: string;
  readonly quota: AIQuota;
  readonly over?: readonly string[] | undefined;
}

/** Reads what a quota's subjects have used, with the arithmetic of the scripts and by Redis' clock. Throws RedisUnavailable. */
export const readUsage = async (link: RedisLink, sweep: CounterSweep, asked: Asked): Promise<readonly UsageRow[]> => {
  const { namespace, quota, over } = asked;
  const nowMs = await redisNowMs(link);
  const subjectsOf = await subjectsIn(sweep, asked);
  const targets = quota.spec.limits.flatMap((limit) => targetsOf(limit, subjectsOf(limit.name), { ...asked, nowMs }));
  const read = targets.slice(0, countersReadMax);
  const used = await usedUnits(link, read, nowMs);
  const indexes = over
    ? over.slice(0, namespacesReadMax).flatMap((each) => [holdsKey(each), clusterHoldsKey(each)])
    : [holdsKey(namespace)];
  const held = await heldUnits(link, indexes, nowMs);
  const counters: CounterState[] = [];
  for (const [i, { limit, subject, key, window, span }] of read.entries()) {
    const { units, resetMs } = used[i] ?? { units: 0, resetMs: 0 };
    // Of the many subjects only those that used something are worth a row.
    if (units === 0 && knownSubjects(quota, over !== undefined) === undefined) continue;
    const reserved = window.type === "Concurrency" ? 0 : heldIn(held.get(key), span);
    counters.push({ limit, subject, used: units, held: reserved, resetMs });
  }
  return usageRows(counters, nowMs);
};

/** Redis' own clock: windows are its. */
const redisNowMs = async (link: RedisLink): Promise<number> => {
  const time = await link.send(["time"]);
  const [seconds, micros] = Array.isArray(time) ? time.map(Number) : [];
  return (seconds ?? 0) * 1000 + Math.floor((micros ?? 0) / 1000);
};

const subjectsIn = async (
  sweep: CounterSweep,
  { namespace, quota, over }: Asked,
): Promise<(limit: string) => readonly string[]> => {
  const known = knownSubjects(quota, over !== undefined);
  if (known) return () => known;
  const counters = (await sweep.countersOf(namespace, quota.metadata.name, over && "Cluster")).filter(({ subject }) =>
    isSubjectBy(quota.spec.per, subject),
  );
  return (limit) => counters.filter((parts) => parts.limit === limit).map(({ subject }) => subject);
};

const targetsOf = (
  limit: LimitSpec,
  subjects: readonly string[],
  { namespace, quota, over, nowMs }: Asked & { readonly nowMs: number },
): Target[] => {
  const window = windowOfLimit(limit, nowMs);
  if (window === undefined) return [];
  const span = spanOf(window, nowMs);
  const resets = resetsOfLimit(quotaAdjustments(quota, nowMs).resets, limit.name);
  return subjects.map((subject) => {
    const epochMs = epochOf(resets, subject); // what was counted before a reset counts no more
    const counter = counterName({ namespace, quota: quota.metadata.name, limit: limit.name, subject, epochMs });
    return { limit, subject, key: counterKey(over ? clusterNamespace : namespace, counter, window), window, span };
  });
};

const usedUnits = async (
  link: RedisLink,
  targets: readonly Target[],
  nowMs: number,
): Promise<readonly { readonly units: number; readonly resetMs: number }[]> => {
  const results: { units: number; resetMs: number }[] = [];
  for (let from = 0; from < targets.length; from += readBatch) {
    const batch = targets.slice(from, from + readBatch);
    const commands = batch.flatMap(({ key, window }): RedisCommand[] =>
      window.type === "Concurrency"
        ? [
            ["zscore", key, "used"],
            ["zrangebyscore", key, "(0", String(nowMs)],
          ]
        : [["hgetall", key]],
    );
    const replies = [...(await link.sendAll(commands))];
    for (const { window, span } of batch) {
      if (window.type === "Concurrency") {
        results.push({ units: inUse(replies.shift(), replies.shift()), resetMs: 0 });
        continue;
      }
      const slots = slotsOf(replies.shift());
      results.push({ units: usedOf(slots, span), resetMs: resetMsOf(slots, span, window, nowMs) });
    }
  }
  return results;
};

/** As peek.lua: the member `used` has minus the units in use as its score, and holds whose lease has ended are still in there. */
const inUse = (score: unknown, ended: unknown): number => {
  const endedUnits = wordsOf(ended).map((member) => Number.parseInt(member, 10) || 0);
  return Math.max(
    0,
    endedUnits.reduce((left, units) => left - units, -Number(score ?? 0)),
  );
};

/** The client makes an object of HGETALL's reply. */
const slotsOf = (reply: unknown): ReadonlyMap<number, number> => {
  const slots = new Map<number, number>();
  for (const [field, value] of Object.entries(reply ?? {})) {
    const [slot, units] = [Number(field), Number(value)];
    if (Number.isSafeInteger(slot) && Number.isFinite(units)) slots.set(slot, units);
  }
  return slots;
};

/** What live holds hold, by counter key and slot. */
type Held = ReadonlyMap<string, ReadonlyMap<number, number>>;

const heldUnits = async (link: RedisLink, indexes: readonly string[], nowMs: number): Promise<Held> => {
  const held = new Map<string, Map<number, number>>();
  let left = holdsReadMax;
  const lists = await link.sendAll(
    indexes.map((index) => ["zrangebyscore", index, `(${nowMs}`, "+inf", "limit", "0", String(holdsReadMax)]),
  );
  for (const list of lists) {
    const keys = wordsOf(list).slice(0, left); // of one index, so of one slot
    left -= keys.length;
    for (let from = 0; from < keys.length; from += readBatch) {
      const records = await link.send(["mget", ...keys.slice(from, from + readBatch)]);
      for (const record of Array.isArray(records) ? records : []) {
        if (typeof record === "string") addCharges(held, record);
      }
    }
  }
  return held;
};

/** Four words a charge, after the bar: kind, counter key, slot, amount. */
const addCharges = (held: Map<string, Map<number, number>>, record: string): void => {
  const words = record.split("|")[1]?.split(" ") ?? [];
  for (let i = 0; i + 3 < words.length; i += 4) {
    const key = words[i + 1] ?? "";
    const [slot, amount] = [Number(words[i + 2]), Number(words[i + 3])];
    const slots = held.get(key) ?? new Map<number, number>();
    slots.set(slot, (slots.get(slot) ?? 0) + amount);
    held.set(key, slots);
  }
};

const heldIn = (slots: ReadonlyMap<number, number> | undefined, span: Span): number =>
  slots === undefined ? 0 : usedOf(slots, span);

const wordsOf = (reply: unknown): string[] => (Array.isArray(reply) ? reply.map(String) : []);
