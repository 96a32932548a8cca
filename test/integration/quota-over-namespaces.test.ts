/** Quotas over namespaces in a real Redis and on a real Cluster: one counter for all, each namespace by its own login. */
import { createHash } from "node:crypto";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { RedisState } from "../../src/operator/state/redis-state.ts";
import { aclSetUser } from "../../src/redis/acl.ts";
import {
  clusterHoldKey,
  clusterHoldsKey,
  clusterMarkKey,
  clusterNamespace,
  counterKey,
  holdKey,
  holdsKey,
} from "../../src/redis/keys.ts";
import { withLogin } from "../../src/redis/url.ts";
import type { Claim } from "../../src/sidecar/ports/quota-store.ts";
import { openRedis, type RedisStores } from "../../src/sidecar/stores/redis/open.ts";
import { luaSources } from "../../src/sidecar/stores/redis/scripts.generated.ts";
import { quotaWith } from "../contract/shared-state.contract.ts";
import { until } from "../fixtures/calls.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import { startRedisCluster } from "../fixtures/redis-cluster.ts";

const window = { type: "Fixed", durationMs: 28 * 86_400_000 } as const;
const org = { namespace: "ops", name: "org" };
const other = { namespace: "ops", name: "other" };
const over = (quota: string, amount: number, subject = "all"): Claim => ({
  counter: `ops/${quota}/limit/${subject}`,
  scope: "Cluster",
  ...{ window, max: 100, amount, enforced: true },
});

describe.each([
  { name: "one server", start: startRedis },
  { name: "a Cluster of six nodes", start: startRedisCluster },
])("on $name", ({ start }) => {
  const ends: (() => Promise<unknown>)[] = [];
  let state: RedisState;
  const sidecars = new Map<string, RedisStores>();
  const sidecar = (namespace: string): RedisStores => {
    const stores = sidecars.get(namespace);
    if (!stores) throw new Error(`no sidecar in ${namespace}`);
    return stores;
  };
  const reserve = (namespace: string, holdId: string, claims: readonly Claim[]) =>
    sidecar(namespace).quota.reserve({ namespace, holdId, leaseMs: 60_000, claims });

  beforeAll(async () => {
    const redis = await start();
    ends.push(() => redis.stop());
    const { url } = redis;
    const passwordsOf = (namespace: string): string[] => [`password-of-${namespace}`];
    state = new RedisState({ place: { url }, users: "Managed", passwordsOf, log: silentLog(), clock: systemClock });
    ends.push(() => state.close());
    await state.ready();
    await state.ensureUser("a", [org]);
    await state.ensureUser("b", [org, other]);
    await state.ensureUser("c");
    for (const namespace of ["a", "b", "c"]) {
      const login = { username: `sg-${namespace}`, password: `password-of-${namespace}` };
      const at = withLogin(url, login);
      const stores = openRedis({ url: at, log: silentLog(), clock: systemClock, commandTimeoutMs: 5_000 });
      ends.push(() => stores.close());
      sidecars.set(namespace, stores);
      await stores.ready();
      await until("its nodes are known", () =>
        stores.quota.liveHolds(namespace).then(
          () => true,
          () => false,
        ),
      );
    }
  }, 60_000);
  afterAll(async () => {
    for (const end of ends.toReversed()) await end();
  });

  test("what namespaces spend adds up, and the operator sees what is used and what is held", async () => {
    const own = { ...over("own", 3), counter: "a/own/limit/all", scope: undefined };
    const { scope: _, ...ownClaim } = own;
    expect(await reserve("a", "h1", [ownClaim, over("org", 40)])).toMatchObject({ admitted: true });
    expect(await reserve("b", "h1", [over("org", 50)])).toMatchObject({ admitted: true });
    const refused = await reserve("a", "h2", [ownClaim, over("org", 20)]);
    expect(refused).toMatchObject({ admitted: false });
    expect(refused.claims[1]).toMatchObject({ used: 90, exceeded: true });
    expect(await sidecar("a").quota.peek("a", ownClaim.counter, window)).toBe(3);

    const limit = { resource: "Requests", limit: 100, window: { type: "Fixed", duration: "672h" } } as const;
    const spec = quotaWith("org", [], limit);
    const quota = { ...spec, metadata: { ...spec.metadata, namespace: "ops" } };
    expect(await state.usage("ops", quota, ["a", "b"])).toMatchObject([
      { subject: "", used: "0", reserved: "90", remaining: "10" },
    ]);
    expect(await sidecar("b").quota.settle({ namespace: "b", holdId: "h1", amounts: [7] })).toBe(true);
    expect(await state.usage("ops", quota, ["a", "b"])).toMatchObject([{ used: "7", reserved: "40", remaining: "53" }]);
    // The quota of the same name that counts in its namespace alone is another one.
    expect(await state.usage("ops", quota)).toMatchObject([{ used: "0", reserved: "0", remaining: "100" }]);
    expect(await sidecar("a").quota.release("a", "h1")).toBe(true);
    expect(await state.usage("ops", quota, ["a", "b"])).toMatchObject([{ used: "7", reserved: "0", remaining: "93" }]);
  });

  test("subjects of all namespaces are found", async () => {
    await reserve("a", "s1", [over("org", 5, "ns=a")]);
    await reserve("b", "s1", [over("org", 6, "ns=b")]);
    const limit = { resource: "Requests", limit: 100, window: { type: "Fixed", duration: "672h" } } as const;
    const spec = quotaWith("org", ["Namespace"], limit);
    const rows = await state.usage("ops", { ...spec, metadata: { ...spec.metadata, namespace: "ops" } }, ["a", "b"]);
    expect(rows.map(({ subject, reserved }) => `${subject} ${reserved}`)).toEqual(
      expect.arrayContaining(["ns=a 5", "ns=b 6"]),
    );
  });

  test("a login reaches the counters of quotas that count for it, and no others", async () => {
    expect(await reserve("b", "o1", [over("other", 1)])).toMatchObject({ admitted: true });
    await expect(reserve("a", "o1", [over("other", 1)])).rejects.toThrow("NOPERM");
    await expect(reserve("c", "o1", [over("org", 1)])).rejects.toThrow("NOPERM");
  });

  test("a quota that comes to count for a namespace is reached at once", async () => {
    await state.ensureUser("c", [other]);
    // The refusals above may have opened its breaker.
    await until("it is admitted", () =>
      reserve("c", "o2", [over("other", 1)]).then(
        ({ admitted }) => admitted,
        () => false,
      ),
    );
    await expect(reserve("c", "o3", [over("org", 1)])).rejects.toThrow("NOPERM");
  });
});

describe("a login of namespace A", () => {
  let redis: TestRedis;
  let admin: Redis;
  let attacker: Redis;
  const shaOf = (script: keyof typeof luaSources): string =>
    createHash("sha1").update(luaSources[script]).digest("hex");
  const claimed = counterKey(clusterNamespace, "ops/other/limit/all", window);
  const hold = clusterHoldKey("b", "h");
  const holds = clusterHoldsKey("b");
  const allowed = counterKey(clusterNamespace, "ops/org/limit/all", window);
  const reserveArgs = ["60000", "0", "0", "1", "fixed", String(window.durationMs), "9", "1", "0", "1"];

  beforeAll(async () => {
    redis = await startRedis({ args: ["--requirepass", "secret"] });
    admin = new Redis(withLogin(redis.url, { username: "default", password: "secret" }));
    await admin.call("ACL", ...aclSetUser("a", ["password"], [org]));
    attacker = new Redis(withLogin(redis.url, { username: "sg-a", password: "password" }), {
      retryStrategy: () => null,
    });
    attacker.on("error", () => undefined);
    for (const text of Object.values(luaSources)) await admin.call("SCRIPT", "LOAD", text);
    await admin.hset(claimed, "1", "50");
    await admin.hset(allowed, "1", "50");
    await admin.set(hold, `0 1 1 0 0|fixed ${claimed} 1 50`);
    await admin.zadd(holds, String(Date.now() + 1e6), hold);
    await admin.set(holdKey(clusterNamespace, "any"), "x");
    await admin.set(holdsKey(clusterNamespace), "x");
  });
  afterAll(async () => {
    attacker.disconnect();
    admin.disconnect();
    await redis.stop();
  });

  test.each<readonly [string, ...string[]]>([
    ["settles another namespace's hold", "EVALSHA", shaOf("settle"), "2", hold, holds, "0"],
    ["releases another namespace's hold", "EVALSHA", shaOf("release"), "2", hold, holds, "0"],
    ["renews another namespace's hold", "EVALSHA", shaOf("renew"), "2", holds, hold, "1"],
    ["settles it with its own index", "EVALSHA", shaOf("settle"), "2", hold, clusterHoldsKey("a"), "0"],
    ["reads another namespace's hold", "GET", hold],
    ["writes another namespace's hold", "SET", hold, "x"],
    ["deletes another namespace's hold", "DEL", hold],
    ["lets it end", "PEXPIRE", hold, "1"],
    ["reads who holds", "ZRANGEBYSCORE", holds, "-inf", "+inf"],
    ["takes a hold out of the index", "ZREM", holds, hold],
    ["counts another's live holds", "EVALSHA", shaOf("peek"), "1", holds, "holds", "0"],
    ["reads a counter of a quota that is not its", "HGETALL", claimed],
    ["lowers a counter of a quota that is not its", "HSET", claimed, "1", "0"],
    ["adds to it", "HINCRBY", claimed, "1", "-50"],
    ["deletes it", "DEL", claimed],
    ["peeks at it", "EVALSHA", shaOf("peek"), "1", claimed, "fixed", String(window.durationMs)],
    [
      "reserves on it under its own hold",
      ...["EVALSHA", shaOf("reserve"), "3", clusterHoldKey("a", "h"), clusterHoldsKey("a"), claimed, ...reserveArgs],
    ],
    ["hides it in a script", "EVAL", `return redis.call('HSET', '${claimed}', '1', '0')`, "1", allowed],
    ["hides the hold in a script", "EVAL", `return redis.call('DEL', '${hold}')`, "0"],
    ["makes a hold that looks like another's", "SET", clusterHoldKey("ab", "h"), "x"],
    ["takes a name that its own begins", "GET", clusterHoldKey("b:a", "h")],
    ["sets another sidecar's mark back", "SET", clusterMarkKey("b", "i"), "0"],
    ["reads keys of no quota", "GET", holdKey(clusterNamespace, "any")],
    ["reads the index of no namespace", "GET", holdsKey(clusterNamespace)],
    [
      "makes a counter of a quota that begins like its",
      "HSET",
      counterKey(clusterNamespace, "ops/org2/l/all", window),
      "1",
      "1",
    ],
    ["makes one of another namespace's quota", "HSET", counterKey(clusterNamespace, "b/org/l/all", window), "1", "1"],
    ["scans", "SCAN", "0", "MATCH", "sg:{_cluster}:*"],
  ])("is not permitted: %s", async (_, command = "", ...args) => {
    const state = async () => [await admin.get(hold), await admin.hgetall(claimed), await admin.zcard(holds)];
    const before = await state();
    const outcome = await attacker.call(command, ...args).then(
      (reply) => `answered ${JSON.stringify(reply)}`,
      (fault: Error) => fault.message,
    );
    expect(outcome).toMatch(/NOPERM|^ERR The user executing the script can't (run|access)/);
    expect(await state()).toEqual(before);
  });

  test("may count on the quotas that count for it: what it shares it can also spend or forge", async () => {
    expect(await attacker.hget(allowed, "1")).toBe("50");
    expect(await attacker.set(clusterHoldKey("a", "h"), "x")).toBe("OK");
    expect(await attacker.set(clusterMarkKey("a", "i"), "1", "PX", 1_000)).toBe("OK");
  });

  test("forges a hold of its own that names another's counter, and reaches it no more than before", async () => {
    const forged = holdKey("a", "forged");
    await attacker.set(forged, `0 1 1 0 0|fixed ${claimed} 1 50`);
    await expect(attacker.call("EVALSHA", shaOf("settle"), "2", forged, holdsKey("a"), "0")).rejects.toThrow(
      /can't access/,
    );
    expect(await admin.hget(claimed, "1")).toBe("50");
  });
});
