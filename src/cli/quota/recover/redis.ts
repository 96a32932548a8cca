/** What a recovery reads of a live Redis and adds to it, by commands that a namespace's sidecars may use. */
import { spanOf, type WindowSpec } from "../../../base/window.ts";
import { decodeBeat } from "../../../redis/heartbeat.ts";
import { beatKey, holdKey, recoveredKey } from "../../../redis/keys.ts";
import { type RedisCommand, type RedisLink, RedisUnavailable } from "../../../redis/link.ts";
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

/** Throws RedisUnavailable (NOPERM) for a login that may add to none of these. Changes nothing. */
export const mayAdd = async (link: RedisLink, keys: Iterable<string>): Promise<void> => {
  const byNamespace = new Map([...keys].map((key) => [key.slice(0, key.indexOf("}")), key]));
  let refused: unknown;
  for (const key of byNamespace.values()) {
    try {
      await link.send(["eval", "return 1", "2", key, recoveredKey(key)]);
      return;
    } catch (fault) {
      if (!isRefused(fault)) throw fault;
      refused = fault;
    }
  }
  if (refused !== undefined) throw refused;
};

/** The login may not do this, with this key at least. */
export const isRefused = (fault: unknown): boolean => fault instanceof RedisUnavailable && fault.word === "NOPERM";

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

/**
 * Reads counters. What was added is read first: an addition that comes between is seen in the counter, and refused by `add`. Those that this
 * login may not read are left out; throws RedisUnavailable (NOPERM) where it may read none.
 */
export const readCounters = async (link: RedisLink, keys: readonly string[]): Promise<ReadonlyMap<string, Seen>> => {
  const found = new Map<string, Seen>();
  const commandsOf = (key: string): RedisCommand[] => [
    ["hgetall", recoveredKey(key)],
    ["hgetall", key],
  ];
  const { replies, refused } = await repliesOf(link, keys, commandsOf);
  for (const [key, [added, slots]] of replies)
    found.set(key, { added: slotsOf(key, added), slots: slotsOf(key, slots) });
  if (found.size === 0 && refused !== undefined) throw refused;
  return found;
};

interface Replies {
  readonly replies: ReadonlyMap<string, readonly unknown[]>;
  /** The last refusal; those keys have no replies. */
  readonly refused: unknown;
}

/** Many at a time; one at a time where one of them is refused. */
const repliesOf = async (
  link: RedisLink,
  keys: readonly string[],
  commandsOf: (key: string) => readonly RedisCommand[],
): Promise<Replies> => {
  const replies = new Map<string, readonly unknown[]>();
  let refused: unknown;
  const ask = async (some: readonly string[]): Promise<void> => {
    const all = await link.sendAll(some.flatMap(commandsOf));
    const each = all.length / some.length;
    for (const [i, key] of some.entries()) replies.set(key, all.slice(i * each, (i + 1) * each));
  };
  for (const part of batches(keys)) {
    try {
      await ask(part);
    } catch (fault) {
      if (!isRefused(fault)) throw fault;
      for (const key of part)
        await ask([key]).catch((why: unknown) => {
          if (!isRefused(why)) throw why;
          refused = why;
        });
    }
  }
  return { replies, refused };
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

/** The sidecar processes whose heartbeat stands there. */
export const beatingOf = async (
  link: RedisLink,
  instances: ReadonlyMap<string, { readonly namespace: string; readonly pod: string | undefined }>,
): Promise<ReadonlySet<string>> => {
  const keyed = [...instances].flatMap(([instance, { namespace, pod }]) =>
    pod === undefined ? [] : [{ instance, key: beatKey(namespace, pod) }],
  );
  const texts = await textsOf(link, [...new Set(keyed.map(({ key }) => key))]);
  const isThere = ({ instance, key }: { instance: string; key: string }): boolean =>
    decodeBeat(texts.get(key) ?? "")?.instance === instance;
  return new Set(keyed.filter(isThere).map(({ instance }) => instance));
};

const textsOf = async (link: RedisLink, keys: readonly string[]): Promise<ReadonlyMap<string, string>> => {
  const { replies } = await repliesOf(link, keys, (key) => [["get", key]]);
  return new Map([...replies].flatMap(([key, [text]]) => (typeof text === "string" ? [[key, text] as const] : [])));
};

/**
 * Adds to a counter, and to what has been added to it; nothing where somebody else has added since it was read (0), or the end that was reckoned
 * for the keys may be too early by now (-1). In units, never past 2^53 - 1. Whatever may fail does so before the first unit is written: both
 * keys are read (a wrong type) and given their end (a command that is not permitted; no effect where there is no key), then written whole.
 * KEYS[1] counter   KEYS[2] what has been added
 * ARGV[1] end of the keys (ms since the epoch)   ARGV[2] to be done before (ms since the epoch)
 * ARGV[3..] three each: slot, units added to it as it was read, units to add
 */
const addScript = `
local max = 9007199254740991
local time = redis.call("TIME")
if time[1] * 1000 + math.floor(time[2] / 1000) >= tonumber(ARGV[2]) then return -1 end
local counted, added = {}, {}
for i = 3, #ARGV, 3 do
  local before = redis.call("HGET", KEYS[2], ARGV[i]) or "0"
  if before ~= ARGV[i + 1] then return 0 end
  local units = tonumber(redis.call("HGET", KEYS[1], ARGV[i]) or "0")
  local more = math.min(tonumber(ARGV[i + 2]), max - units, max - tonumber(before))
  counted[#counted + 1] = ARGV[i]
  counted[#counted + 1] = string.format("%.0f", units + more)
  added[#added + 1] = ARGV[i]
  added[#added + 1] = string.format("%.0f", before + more)
end
for _, key in ipairs(KEYS) do redis.call("PEXPIREAT", key, ARGV[1]) end
redis.call("HSET", KEYS[2], unpack(added))
redis.call("PEXPIREAT", KEYS[2], ARGV[1])
redis.call("HSET", KEYS[1], unpack(counted))
redis.call("PEXPIREAT", KEYS[1], ARGV[1])
return 1`;

/** How long the command may be under way, ms: of a Sliding window newer slots may have been charged by then, which end later. */
const underWayMs = 30_000;

/** Adds all of it or nothing; `overtaken`: somebody else has added since it was read; `ended`: the window is over. Throws RedisUnavailable: then it may have been done. */
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
): Promise<"added" | "overtaken" | "ended"> => {
  // Never earlier than a sidecar has set it: that would cut short what it charged.
  const isSliding = window.type === "Sliding";
  const { endsMs } = spanOf(window, isSliding ? nowMs + underWayMs : nowMs);
  const beforeMs = isSliding ? nowMs + underWayMs : endsMs;
  const words = additions.flatMap(({ slot, units }) => [slot, seen.added.get(slot) ?? 0, units].map(String));
  const [keys, times] = [[key, recoveredKey(key)], [endsMs + marginMs, beforeMs].map(String)];
  const reply = await link.send(["eval", addScript, "2", ...keys, ...times, ...words]);
  if (reply === 1) return "added";
  return reply === 0 ? "overtaken" : "ended";
};

const batches = <Item>(items: readonly Item[]): (readonly Item[])[] =>
  Array.from({ length: Math.ceil(items.length / batch) }, (_, i) => items.slice(i * batch, (i + 1) * batch));
