/** What the login of one namespace can do to another's keys in a real Redis: nothing. */
import { createHash } from "node:crypto";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { aclSetUser } from "../../src/redis/acl.ts";
import { beatKey, cacheKey, counterKey, holdKey, holdsKey } from "../../src/redis/keys.ts";
import { withLogin } from "../../src/redis/url.ts";
import { openRedis, type RedisStores } from "../../src/sidecar/stores/redis/open.ts";
import { luaSources } from "../../src/sidecar/stores/redis/scripts.generated.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";

const window = { type: "Fixed", durationMs: 28 * 86_400_000 } as const;
const running = { type: "Concurrency" } as const;
const claims = [
  { counter: "b/budget/tokens/all", window, max: 1_000, amount: 400, enforced: true },
  { counter: "b/budget/running/all", window: running, max: 10, amount: 1, enforced: true },
];
const own = counterKey("a", "a/q/l/all", window);
const counter = counterKey("b", "b/budget/tokens/all", window);
const zset = counterKey("b", "b/budget/running/all", running);
const hold = holdKey("b", "hold");
const holds = holdsKey("b");
const cached = cacheKey("b", "answer");
const shaOf = (script: keyof typeof luaSources): string => createHash("sha1").update(luaSources[script]).digest("hex");
const reserveArgs = ["60000", "0", "0", "1", "fixed", String(window.durationMs), "9", "1", "0", "1"];

let redis: TestRedis;
let admin: Redis;
let attacker: Redis;
let neighbour: RedisStores;

const login = (namespace: string): string =>
  withLogin(redis.url, { username: `sg-${namespace}`, password: `password-of-${namespace}` });

/** Everything that is in Redis under B's prefix, byte by byte; times to live aside, which only pass. */
const everythingOfB = async (): Promise<Record<string, string>> => {
  const keys = (await admin.keys("sg:{b}:*")).toSorted();
  const dumps = await Promise.all(keys.map((key) => admin.dumpBuffer(key)));
  return Object.fromEntries(keys.map((key, i) => [key, dumps[i]?.toString("hex") ?? ""]));
};

beforeAll(async () => {
  redis = await startRedis({
    // DEBUG and MODULE are switched on so that the login refuses them, not the server.
    args: "--requirepass password-of-the-operator --enable-debug-command yes --enable-module-command yes".split(" "),
  });
  admin = new Redis(withLogin(redis.url, { username: "default", password: "password-of-the-operator" }));
  for (const namespace of ["a", "b"]) await admin.call("ACL", ...aclSetUser(namespace, [`password-of-${namespace}`]));
  neighbour = openRedis({ url: login("b"), log: silentLog(), clock: systemClock, commandTimeoutMs: 5_000 });
  await neighbour.ready();
  // All kinds of keys, and every script known to Redis: by its digest it is anybody's.
  await neighbour.quota.reserve({ namespace: "b", holdId: "hold", leaseMs: 3_600_000, claims });
  await neighbour.quota.reserve({ namespace: "b", holdId: "other", leaseMs: 3_600_000, claims });
  await neighbour.quota.settle({ namespace: "b", holdId: "other", amounts: [100, 0] });
  await neighbour.quota.release("b", "nobody");
  await neighbour.quota.renew("b", ["hold"], 3_600_000);
  await neighbour.quota.peek("b", "b/budget/tokens/all", window);
  await neighbour.cache.put("b", "answer", Buffer.from("sealed"), 3_600_000);
  await neighbour.beats.put({ namespace: "b", pod: "p", text: "{}", ttlMs: 3_600_000 });
  attacker = new Redis(login("a"), { maxRetriesPerRequest: 0, retryStrategy: () => null });
  attacker.on("error", () => undefined);
  await attacker.set(own, "1");
});
afterAll(async () => {
  attacker.disconnect();
  await neighbour.close();
  admin.disconnect();
  await redis.stop();
});

/** What is tried, word by word. Every one must be refused as not permitted, or name no key of B's in its answer. */
const attempts: readonly (readonly [what: string, ...command: string[]])[] = [
  ["reads a cached answer", "GET", cached],
  ["reads a hold", "GET", hold],
  ["reads a counter", "HGETALL", counter],
  ["reads a field of a counter", "HGET", counter, "0"],
  ["reads who runs", "ZRANGEBYSCORE", zset, "-inf", "+inf"],
  ["reads the score of a hold", "ZSCORE", holds, hold],
  ["counts live holds", "ZCOUNT", holds, "-inf", "+inf"],
  ["writes a counter", "HSET", counter, "0", "0"],
  ["adds to a counter", "HINCRBY", counter, "0", "-400"],
  ["deletes a counter", "DEL", counter],
  ["deletes its own and another's key at once", "DEL", own, counter],
  ["takes a hold away", "ZREM", holds, hold],
  ["gives concurrency back", "ZINCRBY", zset, "1", "used"],
  ["lets a hold end", "PEXPIRE", hold, "1"],
  ["forges a heartbeat", "SET", beatKey("b", "p"), "{}"],
  ["forges a cached answer", "SET", cached, "forged"],
  ["EVAL with another's key", "EVAL", "return redis.call('HGETALL', KEYS[1])", "1", counter],
  ["EVAL with the key hidden in its text", "EVAL", `return redis.call('HGETALL', '${counter}')`, "0"],
  [
    "EVAL with a key put together in the script",
    "EVAL",
    `return redis.call('GET', 'sg:{' .. 'b' .. '}:cache:answer')`,
    "0",
  ],
  ["EVAL that writes through a hidden key", "EVAL", `return redis.call('HSET', '${counter}', '0', '0')`, "1", own],
  ["EVAL that looks for keys", "EVAL", "return redis.call('KEYS', '*')", "0"],
  ["EVAL that scans", "EVAL", "return redis.call('SCAN', '0')", "0"],
  ["EVAL_RO", "EVAL_RO", "return redis.call('GET', KEYS[1])", "1", cached],
  ["another's peek by its digest", "EVALSHA", shaOf("peek"), "1", counter, "fixed", String(window.durationMs)],
  ["another's settle by its digest", "EVALSHA", shaOf("settle"), "2", hold, holds, "0", "0"],
  ["another's release by its digest", "EVALSHA", shaOf("release"), "2", hold, holds, "0"],
  ["another's renew by its digest", "EVALSHA", shaOf("renew"), "2", holds, hold, "3600000"],
  [
    "a reserve of its own with another's counter",
    "EVALSHA",
    shaOf("reserve"),
    "3",
    holdKey("a", "h"),
    holdsKey("a"),
    counter,
    ...reserveArgs,
  ],
  ["KEYS", "KEYS", "*"],
  ["SCAN", "SCAN", "0"],
  ["RANDOMKEY", "RANDOMKEY"],
  ["DBSIZE", "DBSIZE"],
  ["EXISTS", "EXISTS", counter],
  ["TYPE", "TYPE", counter],
  ["TTL", "PTTL", counter],
  ["DUMP", "DUMP", counter],
  ["RESTORE", "RESTORE", counter, "0", "x", "REPLACE"],
  ["COPY", "COPY", counter, own],
  ["RENAME", "RENAME", counter, own],
  ["MOVE", "MOVE", counter, "1"],
  ["OBJECT", "OBJECT", "ENCODING", counter],
  ["MEMORY USAGE", "MEMORY", "USAGE", counter],
  ["SORT", "SORT", zset, "BY", "nosort", "STORE", own],
  ["SORT that gets by pattern", "SORT", own, "BY", "nosort", "GET", "sg:{b}:*"],
  ["MIGRATE", "MIGRATE", "127.0.0.1", "1", counter, "0", "100"],
  ["WATCH", "WATCH", counter],
  ["MULTI", "MULTI"],
  ["DEBUG", "DEBUG", "OBJECT", counter],
  ["CONFIG GET", "CONFIG", "GET", "*"],
  ["CONFIG SET", "CONFIG", "SET", "maxmemory-policy", "allkeys-lru"],
  ["ACL LIST", "ACL", "LIST"],
  ["ACL GETUSER", "ACL", "GETUSER", "sg-b"],
  ["ACL SETUSER", "ACL", "SETUSER", "sg-a", "allkeys", "+@all"],
  ["FLUSHALL", "FLUSHALL"],
  ["FLUSHDB", "FLUSHDB"],
  ["SWAPDB", "SWAPDB", "0", "1"],
  ["SCRIPT FLUSH", "SCRIPT", "FLUSH"],
  ["SCRIPT KILL", "SCRIPT", "KILL"],
  ["FUNCTION DUMP", "FUNCTION", "DUMP"],
  ["SUBSCRIBE", "SUBSCRIBE", "__keyevent@0__:set"],
  ["PSUBSCRIBE", "PSUBSCRIBE", "*"],
  ["PUBLISH", "PUBLISH", "x", "y"],
  ["MONITOR", "MONITOR"],
  ["CLIENT LIST", "CLIENT", "LIST"],
  ["CLIENT KILL", "CLIENT", "KILL", "TYPE", "normal"],
  ["CLIENT PAUSE", "CLIENT", "PAUSE", "1000"],
  ["CLIENT TRACKING", "CLIENT", "TRACKING", "ON", "BCAST"],
  ["SLOWLOG", "SLOWLOG", "GET"],
  ["REPLICAOF", "REPLICAOF", "127.0.0.1", "1"],
  ["PSYNC", "PSYNC", "?", "-1"],
  ["SHUTDOWN", "SHUTDOWN", "NOSAVE"],
  ["SAVE", "SAVE"],
  ["MODULE LOAD", "MODULE", "LOAD", "/x.so"],
];

describe("a login of namespace A", () => {
  test.each(attempts)("is not permitted: %s", async (_, command = "", ...args) => {
    const before = await everythingOfB();
    const outcome = await attacker.call(command, ...args).then(
      (reply) => `answered ${JSON.stringify(reply)}`,
      (fault: Error) => fault.message,
    );
    expect(outcome).toMatch(/NOPERM|^ERR The user executing the script can't (run|access)/);
    expect(await everythingOfB()).toEqual(before);
  });

  test("cannot become another user", async () => {
    for (const [user, password] of [
      ["default", ""],
      ["default", "password-of-a"],
      ["sg-b", "password-of-a"],
      ["sg-b", ""],
    ] as const)
      await expect(attacker.call("AUTH", user, password)).rejects.toThrow(/WRONGPASS/);
  });

  test("still does all that its own sidecar needs, and the neighbour's goes on", async () => {
    const stores = openRedis({ url: login("a"), log: silentLog(), clock: systemClock, commandTimeoutMs: 5_000 });
    try {
      await stores.ready();
      const claim = { counter: "a/q/l/some", window, max: 5, amount: 5, enforced: true };
      const reserved = await stores.quota.reserve({ namespace: "a", holdId: "h", leaseMs: 60_000, claims: [claim] });
      expect(reserved.admitted).toBe(true);
      expect(await stores.quota.settle({ namespace: "a", holdId: "h", amounts: [2] })).toBe(true);
      expect(await stores.quota.peek("a", claim.counter, window)).toBe(2);
      expect(await neighbour.quota.peek("b", "b/budget/tokens/all", window)).toBe(500);
      expect(await neighbour.quota.liveHolds("b")).toBe(1);
    } finally {
      await stores.close();
    }
  });
});
