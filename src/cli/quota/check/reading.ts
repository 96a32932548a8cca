/** What a check of a live Redis reads, and in which order, so that what runs meanwhile is never taken for a fault. Read-only commands. */
import { type CounterParts, counterKeysPattern, partsOfCounterKey } from "../../../redis/keys.ts";
import { type RedisCommand, type RedisLink, RedisUnavailable } from "../../../redis/link.ts";

/** Counters, and holds, that are looked at; further ones are told as left out. */
export const countersMax = 200_000;
/** Holds that are looked at. */
export const holdsMax = 100_000;
/** Keys that Redis looks at in one SCAN, and commands or keys that leave together. */
const scanCount = 1_000;
const batch = 500;

/** A hold in a place of Concurrency. */
export interface Place {
  readonly units: number;
  readonly holdKey: string;
  readonly endsMs: number;
}

/** One counter as it stood at one moment. */
export interface Counter {
  readonly key: string;
  readonly parts: CounterParts;
  /** Redis' time right after it was read. */
  readonly nowMs: number;
  /** Units by slot; undefined for Concurrency. */
  readonly slots?: ReadonlyMap<number, number>;
  /** Concurrency: what runs, and the sum that Redis keeps of it. */
  readonly places?: readonly Place[];
  readonly inUse?: number;
  /** It is no counter of ours, or holds something that is no number. */
  readonly fault?: string;
}

/** One charge of a hold. */
export interface Charge {
  readonly kind: string;
  readonly key: string;
  readonly slot: number;
  readonly amount: number;
}

/** What was read. `...Twice`: before and after the counters, the same. */
export interface Reading {
  readonly nowMs: number;
  readonly counters: readonly Counter[];
  /** Records of live holds that stood there before and after the counters were read. */
  readonly holdsTwice: ReadonlyMap<string, readonly Charge[]>;
  /** Entries of the index whose record was missing between two looks at the index: end of the lease. */
  readonly withoutRecord: ReadonlyMap<string, number>;
  /** Records that were missing in the index between two looks at the record. */
  readonly withoutEntry: readonly string[];
  /** Entries of the index, as they stood last. */
  readonly entries: ReadonlyMap<string, number>;
  /** Places whose hold had no record between two looks at the place, by counter. */
  readonly placesWithoutHold: ReadonlyMap<string, readonly Place[]>;
  /** More is there than is looked at. */
  readonly isCut: boolean;
}

/** Reads all of it; of one namespace alone where it is named. Throws RedisUnavailable. */
export const readRedis = async (link: RedisLink, namespace: string | undefined): Promise<Reading> => {
  const tag = namespace ?? "*";
  const counterKeys = await scan(link, counterKeysPattern.replace("*", tag), countersMax);
  const holdKeys = await scan(link, `sg:{${tag}}:hold*`, holdsMax);
  const indexes = holdKeys.keys.filter((key) => /^sg:\{[^}]*\}:holds(:|$)/.test(key));
  const first = await readIndexes(link, indexes);
  const recordKeys = [...new Set([...holdKeys.keys.filter((key) => !indexes.includes(key)), ...first.keys()])];
  const before = await readRecords(link, recordKeys);
  const second = await readIndexes(link, indexes);
  // Also those that have come since the scan: what a hold names and is not there is missing.
  const named = [...before.values()].flatMap(chargesOf).map(({ key }) => key);
  const known = [...new Set([...counterKeys.keys, ...named])].flatMap((key) => {
    const parts = partsOfCounterKey(key);
    return parts ? [{ key, parts }] : [];
  });
  const counters = await readCounters(link, known);
  const after = await readRecords(link, recordKeys);
  const nowMs = await redisNowMs(link);
  return {
    nowMs,
    counters,
    holdsTwice: new Map(
      [...before].filter(([key, text]) => after.get(key) === text).map(([key, text]) => [key, chargesOf(text)]),
    ),
    withoutRecord: new Map([...second].filter(([key]) => first.has(key) && !before.has(key))),
    withoutEntry: [...before.keys()].filter((key) => after.has(key) && !second.has(key)),
    entries: second,
    placesWithoutHold: await placesWithoutHold(link, counters, nowMs),
    isCut: counterKeys.isCut || holdKeys.isCut,
  };
};

/** Redis' own clock: windows and leases are its. */
const redisNowMs = async (link: RedisLink): Promise<number> => {
  const [seconds = 0, micros = 0] = words(await link.send(["time"])).map(Number);
  return seconds * 1000 + Math.floor(micros / 1000);
};

const scan = async (
  link: RedisLink,
  pattern: string,
  max: number,
): Promise<{ readonly keys: readonly string[]; readonly isCut: boolean }> => {
  const keys = new Set<string>(); // SCAN may name a key more than once
  for (const master of link.masters()) {
    let cursor = "0";
    do {
      const reply = await link.sendTo(master, ["scan", cursor, "match", pattern, "count", String(scanCount)]);
      const [next, found] = Array.isArray(reply) ? reply : ["0", []];
      for (const key of words(found)) if (keys.size < max) keys.add(key);
      cursor = String(next);
    } while (cursor !== "0" && keys.size < max);
  }
  return { keys: [...keys], isCut: keys.size >= max };
};

/** Hold key -> end of its lease, of all indexes. */
const readIndexes = async (link: RedisLink, indexes: readonly string[]): Promise<Map<string, number>> => {
  const found = new Map<string, number>();
  for (const part of batches(indexes)) {
    const replies = await link.sendAll(
      part.map(
        (key): RedisCommand => ["zrangebyscore", key, "-inf", "+inf", "withscores", "limit", "0", String(holdsMax)],
      ),
    );
    for (const reply of replies) for (const [key, endsMs] of pairs(words(reply))) found.set(key, Number(endsMs));
  }
  return found;
};

/** Hold key -> text of its record; those that are gone or given up are not in it. On a Cluster keys of one command share a slot. */
const readRecords = async (link: RedisLink, keys: readonly string[]): Promise<Map<string, string>> => {
  const found = new Map<string, string>();
  for (const ofSlot of Map.groupBy(keys, (key) => key.split("}", 1)[0] ?? "").values()) {
    for (const part of batches(ofSlot)) {
      const reply = await link.send(["mget", ...part]);
      for (const [i, text] of (Array.isArray(reply) ? reply : []).entries())
        if (typeof text === "string" && text.includes("|")) found.set(part[i] ?? "", text);
    }
  }
  return found;
};

/** Four words a charge, after the bar. */
const chargesOf = (record: string): readonly Charge[] => {
  const parts = record.split("|")[1]?.split(" ") ?? [];
  const charges: Charge[] = [];
  for (let i = 0; i + 3 < parts.length; i += 4) {
    const [kind = "", key = "", slot, amount] = parts.slice(i, i + 4);
    charges.push({ kind, key, slot: Number(slot), amount: Number(amount) });
  }
  return charges;
};

type Known = Pick<Counter, "key" | "parts">;

const readCounters = async (link: RedisLink, known: readonly Known[]): Promise<Counter[]> => {
  const counters: Counter[] = [];
  for (const part of batches(known)) {
    const replies = await repliesOf(link, part.map(commandOf));
    const nowMs = await redisNowMs(link); // after: a slot that has rolled out since is not counted, and no false alarm is given
    for (const [i, each] of part.entries()) counters.push(counterOf(each, replies[i], nowMs));
  }
  return counters;
};

const isConcurrency = (key: string): boolean => key.includes("}:concurrency:");
const commandOf = ({ key }: Known): RedisCommand =>
  isConcurrency(key) ? ["zrangebyscore", key, "-inf", "+inf", "withscores"] : ["hgetall", key];

const wrongType = Symbol("wrong type");

/** All at once; where one of them is of another type, one by one. */
const repliesOf = async (link: RedisLink, commands: readonly RedisCommand[]): Promise<readonly unknown[]> => {
  const ofOneBy = (fault: unknown): typeof wrongType => {
    if (fault instanceof RedisUnavailable && fault.word === "WRONGTYPE") return wrongType;
    throw fault;
  };
  try {
    return await link.sendAll(commands);
  } catch (fault) {
    ofOneBy(fault);
    const replies: unknown[] = [];
    for (const command of commands) replies.push(await link.send(command).catch(ofOneBy));
    return replies;
  }
};

const counterOf = (known: Known, reply: unknown, nowMs: number): Counter => {
  if (reply === wrongType) return { ...known, nowMs, fault: "is of another type than its name says" };
  if (isConcurrency(known.key)) return { ...known, nowMs, ...placesOf(words(reply)) };
  const slots = new Map<number, number>();
  for (const [field, value] of Object.entries(reply ?? {})) {
    const [slot, units] = [Number(field), Number(value)];
    if (!Number.isSafeInteger(slot) || !Number.isSafeInteger(units) || units < 0)
      return { ...known, nowMs, fault: "holds something that is no whole number from 0 on" };
    slots.set(slot, units);
  }
  return { ...known, nowMs, slots };
};

const placesOf = (flat: readonly string[]): Pick<Counter, "places" | "inUse" | "fault"> => {
  const places: Place[] = [];
  let inUse = 0;
  for (const [member, score] of pairs(flat)) {
    const [, units, holdKey] = /^(\d+)@(.+)$/.exec(member) ?? [];
    if (member === "used") inUse = -Number(score);
    else if (units !== undefined && holdKey !== undefined)
      places.push({ units: Number(units), holdKey, endsMs: Number(score) });
    else return { fault: "holds a member that is no place" };
  }
  return { places, inUse };
};

/** Leases that end within so long, ms, are not judged: they may end between two looks. */
export const leaseMarginMs = 1_000;

/** Scripts write place and record together: a place that is there before and after its record was looked for in vain has none. */
const placesWithoutHold = async (
  link: RedisLink,
  counters: readonly Counter[],
  nowMs: number,
): Promise<ReadonlyMap<string, readonly Place[]>> => {
  const live = counters.flatMap((counter) =>
    (counter.places ?? []).filter(({ endsMs }) => endsMs > nowMs + leaseMarginMs).map((place) => ({ counter, place })),
  );
  const records = await readRecords(link, [...new Set(live.map(({ place }) => place.holdKey))]);
  const suspects = live.filter(({ place }) => !records.has(place.holdKey));
  const again = await readCounters(link, [...new Set(suspects.map(({ counter }) => counter))]);
  const still = new Map(again.map(({ key, places = [] }) => [key, new Set(places.map(({ holdKey }) => holdKey))]));
  const leaked = suspects.filter(({ counter, place }) => still.get(counter.key)?.has(place.holdKey));
  return new Map(
    [...Map.groupBy(leaked, ({ counter }) => counter.key)].map(([key, group]) => [
      key,
      group.map(({ place }) => place),
    ]),
  );
};

const words = (reply: unknown): string[] => (Array.isArray(reply) ? reply.map(String) : []);

const pairs = (flat: readonly string[]): (readonly [string, string])[] =>
  flat.flatMap((word, i) => (i % 2 === 0 ? [[word, flat[i + 1] ?? ""] as const] : []));

const batches = <Item>(items: readonly Item[]): (readonly Item[])[] =>
  Array.from({ length: Math.ceil(items.length / batch) }, (_, i) => items.slice(i * batch, (i + 1) * batch));
