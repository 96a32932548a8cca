/** What a recovery reads of a live Redis and adds to it, by commands that a namespace's sidecars may use. */
import { spanOf, type WindowSpec } from "../../../base/window.ts";
import { decodeBeat } from "../../../redis/heartbeat.ts";
import { beatKey, holdKey, recoveredKey } from "../../../redis/keys.ts";
import type { RedisCommand, RedisLink } from "../../../redis/link.ts";
import { QuotaCommandFault } from "../fault.ts";
import type { OpenCall, Standing } from "./ledger.ts";

/** Commands that leave together. */
const batch = 500;
/** A counter is kept for so long after its window, ms: as reserve.lua. */
const marginMs = 60_000;

/** One counter and what recoveries have added to it, as they stood at one moment. */
export interface Seen {
  readonly slots: ReadonlyMap<number, number>;
  readonly added: ReadonlyMap<number, number>;
}

/** Units to add to one slot of a counter. */
export interface Addition {
  readonly slot: number;
  readonly units: number;
}

/** Redis' own clock: windows are its. */
export const redisNowMs = async (link: RedisLink): Promise<number> => {
  const reply = await link.send(["time"]);
  const [seconds = 0, micros = 0] = Array.isArray(reply) ? reply.map(Number) : [];
  return seconds * 1000 + Math.floor(micros / 1000);
};

/** Throws RedisUnavailable (NOPERM) for a login that may not add. Changes nothing. */
export const mayAdd = async (link: RedisLink, key: string): Promise<void> => {
  await link.send(["eval", "return 1", "2", key, recoveredKey(key)]);
};

/** Which servers are written to and which history they have: another text after a failover, a restart, or a new connection. */
export const historyOf = async (link: RedisLink): Promise<string> => {
  const parts: string[] = [String(link.connections)];
  for (const master of [...link.masters()].sort()) {
    const info = String(await link.sendTo(master, ["info"]));
    const field = (name: string): string => new RegExp(`^${name}:(\\S+)`, "m").exec(info)?.[1] ?? "";
    parts.push(master, field("run_id"), field("master_replid"));
  }
  return parts.join(" ");
};

/** Reads counters. What was added is read first: an addition that comes between is seen in the counter, and refused by `add`. */
export const readCounters = async (link: RedisLink, keys: readonly string[]): Promise<ReadonlyMap<string, Seen>> => {
  const found = new Map<string, Seen>();
  for (const part of batches(keys)) {
    const commands = part.flatMap((key): RedisCommand[] => [
      ["hgetall", recoveredKey(key)],
      ["hgetall", key],
    ]);
    const replies = await link.sendAll(commands);
    for (const [i, key] of part.entries())
      found.set(key, { added: slotsOf(key, replies[2 * i]), slots: slotsOf(key, replies[2 * i + 1]) });
  }
  return found;
};

const slotsOf = (key: string, reply: unknown): ReadonlyMap<number, number> => {
  const slots = new Map<number, number>();
  for (const [field, value] of Object.entries(reply ?? {})) {
    const [slot, units] = [Number(field), Number(value)];
    if (!Number.isSafeInteger(slot) || !Number.isSafeInteger(units) || units < 0)
      throw new QuotaCommandFault(`${key} holds something that is no counter: sidegate quota check tells more`);
    slots.set(slot, units);
  }
  return slots;
};

/** How calls without an outcome stand, after the counters were read: a hold that is still there was in them. */
export const standingsOf = async (
  link: RedisLink,
  calls: readonly OpenCall[],
): Promise<ReadonlyMap<OpenCall, Standing>> => {
  const holds = await textsOf(
    link,
    calls.flatMap(({ namespace, id }) => [holdKey(namespace, id), holdKey(namespace, `${id}:d`)]),
  );
  const pods = calls.flatMap(({ namespace, pod }) => (pod === undefined ? [] : [beatKey(namespace, pod)]));
  const beats = await textsOf(link, [...new Set(pods)]);
  const standing = ({ namespace, id, pod, instance }: OpenCall): Standing => {
    const isHeld = [id, `${id}:d`].some((holdId) => holds.get(holdKey(namespace, holdId))?.includes("|"));
    if (isHeld) return "held";
    const beat = pod === undefined ? undefined : decodeBeat(beats.get(beatKey(namespace, pod)) ?? "");
    return beat?.instance === instance ? "alive" : "dead";
  };
  return new Map(calls.map((call) => [call, standing(call)]));
};

const textsOf = async (link: RedisLink, keys: readonly string[]): Promise<ReadonlyMap<string, string>> => {
  const found = new Map<string, string>();
  for (const part of batches(keys)) {
    const replies = await link.sendAll(part.map((key): RedisCommand => ["get", key]));
    for (const [i, text] of replies.entries()) if (typeof text === "string") found.set(part[i] ?? "", text);
  }
  return found;
};

/**
 * Adds to a counter, and to what has been added to it; nothing where somebody else has added since it was read. In units, never past 2^53 - 1.
 * KEYS[1] counter   KEYS[2] what has been added
 * ARGV[1] end of the keys (ms since the epoch)   ARGV[2..] three each: slot, units added to it as it was read, units to add
 */
const addScript = `
for i = 2, #ARGV, 3 do
  if (redis.call("HGET", KEYS[2], ARGV[i]) or "0") ~= ARGV[i + 1] then return 0 end
end
for i = 2, #ARGV, 3 do
  local units = (redis.call("HGET", KEYS[1], ARGV[i]) or 0) + ARGV[i + 2]
  redis.call("HSET", KEYS[1], ARGV[i], string.format("%.0f", math.min(units, 9007199254740991)))
  redis.call("HINCRBY", KEYS[2], ARGV[i], ARGV[i + 2])
end
redis.call("PEXPIREAT", KEYS[1], ARGV[1])
redis.call("PEXPIREAT", KEYS[2], ARGV[1])
return 1`;

/** Adds all of it or nothing; false: somebody else has added since it was read. Throws RedisUnavailable: then it may have been done. */
export const add = async (
  link: RedisLink,
  {
    key,
    window,
    seen,
    additions,
    nowMs,
  }: {
    readonly key: string;
    readonly window: WindowSpec;
    readonly seen: Seen;
    readonly additions: readonly Addition[];
    readonly nowMs: number;
  },
): Promise<boolean> => {
  const endsMs = spanOf(window, nowMs).endsMs + marginMs; // of what is charged now: no slot that counts ends later
  const words = additions.flatMap(({ slot, units }) => [slot, seen.added.get(slot) ?? 0, units].map(String));
  return (await link.send(["eval", addScript, "2", key, recoveredKey(key), String(endsMs), ...words])) === 1;
};

const batches = <Item>(items: readonly Item[]): (readonly Item[])[] =>
  Array.from({ length: Math.ceil(items.length / batch) }, (_, i) => items.slice(i * batch, (i + 1) * batch));
