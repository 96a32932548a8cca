/** The operator and a sidecar on one real Redis: users, what they may do, usage as callers are told it, and what the operator finds wrong. */
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { RedisState, type RedisStateSettings } from "../../src/operator/state/redis-state.ts";
import { operatorAclRule } from "../../src/redis/acl.ts";
import { withLogin } from "../../src/redis/url.ts";
import { readResources } from "../../src/resources/read.ts";
import { openRedis, type RedisStores } from "../../src/sidecar/stores/redis/open.ts";
import { chat, send, until } from "../fixtures/calls.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import { openRoute, quotaYaml, startTestGateway } from "../fixtures/sidecar.ts";

let redis: TestRedis;
const ends: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  redis = await startRedis();
  ends.push(() => redis.stop());
});
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const openState = async (change: Partial<RedisStateSettings> = {}): Promise<RedisState> => {
  const state = new RedisState({
    place: { url: redis.url },
    users: "Managed",
    passwordsOf: () => ["password"],
    log: silentLog(),
    clock: systemClock,
    ...change,
  });
  ends.push(() => state.close());
  await state.ready();
  return state;
};
const openAs = async (namespace: string, password = "password"): Promise<RedisStores> => {
  const url = withLogin(redis.url, { username: `sg-${namespace}`, password });
  const stores = openRedis({ url, log: silentLog(), clock: systemClock, commandTimeoutMs: 1_000 });
  ends.push(() => stores.close());
  await stores.ready();
  return stores;
};

let serial = 0;
const windows = [
  { type: "Sliding", durationMs: 60_000 },
  { type: "Fixed", durationMs: 60_000 },
  { type: "Calendar", boundariesMs: [0, 4e12] },
  { type: "Concurrency" },
] as const;
const request = (namespace: string) => ({
  namespace,
  holdId: `hold-${++serial}`,
  leaseMs: 60_000,
  claims: windows.map((window) => ({ counter: `n/q/l/${window.type}`, window, max: 100, amount: 3, enforced: true })),
});

describe("a namespace's user", () => {
  test("may do all that a sidecar does, and touches no other namespace", async () => {
    const state = await openState();
    await state.ensureUser("team");
    const { quota, cache, beats } = await openAs("team");
    const [first, second, late] = [request("team"), request("team"), request("team")];
    expect((await quota.reserve(first)).admitted).toBe(true);
    expect((await quota.reserve(second)).admitted).toBe(true);
    expect(await quota.renew("team", [first.holdId], 60_000)).toEqual([]);
    expect(await quota.settle({ namespace: "team", holdId: first.holdId, amounts: [1, 1, 1, 1] })).toBe(true);
    expect(await quota.release("team", second.holdId)).toBe(true);
    for (const window of windows) await quota.peek("team", `n/q/l/${window.type}`, window);
    expect(await quota.liveHolds("team")).toBe(0);
    await cache.put("team", "key", Buffer.from("value"), 60_000);
    expect((await cache.get("team", "key"))?.toString()).toBe("value");
    await beats.put({ namespace: "team", pod: "p", text: "{}", ttlMs: 1_000 });
    await beats.remove("team", "p");
    await redis.command("SCRIPT FLUSH");
    expect((await quota.reserve(late)).admitted).toBe(true);

    for (const foreign of ["other", "team-b", "_cluster"]) {
      const intruder = await openAs("team");
      await expect(intruder.quota.reserve(request(foreign))).rejects.toThrow("NOPERM");
      await expect(intruder.cache.get(foreign, "key")).rejects.toThrow("NOPERM");
      await expect(intruder.beats.put({ namespace: foreign, pod: "p", text: "{}", ttlMs: 1_000 })).rejects.toThrow(
        "NOPERM",
      );
    }
  });

  test("may run nothing else", async () => {
    await (await openState()).ensureUser("team");
    const client = new Redis(redis.port, "127.0.0.1", { username: "sg-team", password: "password" });
    ends.push(async () => client.disconnect());
    const refused = [
      "keys *",
      "scan 0",
      "flushall",
      "config get *",
      "acl list",
      "acl whoami",
      "client list",
      "subscribe x",
    ];
    refused.push("publish x y", "script flush", "monitor", "save", "shutdown nosave", "function list");
    for (const line of refused) {
      const [name = "", ...args] = line.split(" ");
      await expect(client.call(name, ...args), line).rejects.toThrow("NOPERM");
    }
    await expect(client.eval('return redis.call("GET", "sg:{other}:holds")', 0)).rejects.toThrow(
      /can.t access at least one of the keys/,
    );
  });

  test("has every password of a rotation, and no other", async () => {
    let passwords = ["old"];
    const state = await openState({ passwordsOf: () => passwords });
    await state.ensureUser("team");
    const before = await openAs("team", "old");
    passwords = ["new", "old"];
    await state.ensureUser("team");
    expect((await before.quota.reserve(request("team"))).admitted).toBe(true);
    for (const password of passwords) expect((await openAs("team", password)).state().quota.up).toBe(true);
    passwords = ["new"];
    await state.ensureUser("team");
    expect((await openAs("team", "old")).state().quota.up).toBe(false);
    // who is logged in stays
    expect((await before.quota.reserve(request("team"))).admitted).toBe(true);
  });

  test("is made once a minute at most, and again after Redis has forgotten it", async () => {
    const state = await openState();
    let connections = 0;
    state.onConnected(() => {
      connections++;
      void state.ensureUser("team");
    });
    for (let i = 0; i < 10; i++) await state.ensureUser("team");
    expect(await redis.command("INFO commandstats")).toMatch(/acl\|setuser:calls=1,/);
    const sidecar = await openAs("team");
    await redis.kill();
    await redis.start();
    await until("the user is there again", async () => connections === 1 && sidecar.state().quota.up, 10_000);
    await until("quotas are kept", async () => {
      const result = await sidecar.quota.reserve(request("team")).catch(() => undefined);
      return result?.admitted === true;
    });
  });

  test("is left alone where users are given", async () => {
    const state = await openState({ users: "Given" });
    await state.ensureUser("team");
    await redis.command("ACL SETUSER sg-team on");
    await state.removeUser("team");
    expect(await redis.command("ACL GETUSER sg-team")).toMatch(/^\*1/); // its fields: neither made anew nor removed
    expect(await redis.command("INFO commandstats")).not.toContain("acl|deluser");
  });
});

describe("usage", () => {
  const limits = [
    "{name: rpm, resource: Requests, limit: 10, burst: 2, window: {type: Sliding, duration: 1m}}",
    "{name: day, resource: TotalTokens, limit: 100000, window: {type: Calendar, period: Day, timeZone: Europe/Warsaw}}",
    "{name: inflight, resource: Concurrency, limit: 5}",
  ];
  test.each([
    { name: "one shared counter", extra: "per: []", subject: "" },
    {
      name: "a counter for each model",
      extra: "per: [ServiceAccount, Model]",
      subject: "sa=default/default:model=gpt-4o",
    },
  ])("of $name is what the response headers say", async ({ extra, subject }) => {
    const state = await openState();
    const gateway = await startTestGateway({
      redisUrl: redis.url,
      yaml: (url) => openRoute(url, { quotas: quotaYaml(limits, { extra }) }),
    });
    ends.push(() => gateway.close());
    for (let i = 0; i < 3; i++) await send(`${gateway.url}/v1/chat/completions`, { body: chat("hi") });
    await until("all is settled", async () => (await gateway.stores.quota.liveHolds("default")) === 0);
    const { quotas } = readResources([{ path: "q.yaml", text: quotaYaml(limits, { extra }) }]);
    const [quota] = quotas;
    if (!quota) throw new Error("no quota");

    const idle = await state.usage("default", quota);
    expect(idle.map(({ limit }) => limit)).toEqual(subject === "" ? ["rpm", "day", "inflight"] : ["rpm", "day"]);
    expect(idle[0]).toMatchObject({ subject, used: "3", reserved: "0", remaining: "9" });

    const slow = send(`${gateway.url}/v1/chat/completions`, { body: chat("slow", { user: "fake:delay=400" }) });
    await until("it is at the provider", () => gateway.provider.openRequests === 1);
    const rows = await state.usage("default", quota);
    const told = await slow;
    const header = (name: string) => {
      const [, r, t] = new RegExp(`"q/${name}";r=(\\d+);t=(\\d+)`).exec(told.headers.get("ratelimit") ?? "") ?? [];
      return { remaining: r, seconds: Number(t) };
    };
    const [rpm, day, inflight] = rows;
    expect(rpm).toMatchObject({ used: "3", reserved: "1", remaining: header("rpm").remaining });
    expect(day?.remaining).toBe(header("day").remaining);
    expect(Number(day?.reserved)).toBeGreaterThan(0);
    expect(inflight).toMatchObject({ used: "1", reserved: "0", remaining: "4" });
    for (const row of [rpm, day]) {
      const seconds = (Date.parse(row?.resetsAt ?? "") - Date.parse(row?.observedAt ?? "")) / 1000;
      expect(Math.abs(seconds - header(row?.limit ?? "").seconds)).toBeLessThan(2);
    }
  });
});

describe("what is wrong with a Redis is said with its remedy", () => {
  test.each([
    { name: "that evicts", command: "CONFIG SET maxmemory-policy allkeys-lru", says: "set it to noeviction" },
    { name: "that is a replica", command: "REPLICAOF 127.0.0.1 1", says: "takes no writes" },
  ])("$name", async ({ command, says }) => {
    const state = await openState();
    expect(await state.fault()).toBeUndefined();
    await redis.command(command);
    expect(await state.fault()).toContain(says);
  });

  test("a login that is refused", async () => {
    const state = await openState({ place: { url: withLogin(redis.url, { username: "who", password: "geheim" }) } });
    expect(await state.fault()).toMatch(/refuses the operator's login \(WRONGPASS\).*SIDEGATE_REDIS_URL/);
  });

  test("the rule of the docs is enough for the operator, and less is not", async () => {
    await redis.command(`ACL SETUSER operator on >pw ${operatorAclRule}`);
    const place = { url: withLogin(redis.url, { username: "operator", password: "pw" }) };
    const state = await openState({ place });
    expect(await state.fault()).toBeUndefined();
    await state.ensureUser("team");
    const sidecar = await openAs("team");
    await sidecar.beats.put({ namespace: "team", pod: "p", text: "{}", ttlMs: 1_000 });
    await sidecar.quota.reserve(request("team"));
    expect([...(await state.heartbeats("team", ["p"]))]).toEqual([]);
    const { quotas } = readResources([
      { path: "q.yaml", text: quotaYaml(["{name: l, resource: Concurrency, limit: 5}"], { extra: "per: [Pod]" }) },
    ]);
    if (quotas[0]) await state.usage("default", quotas[0]);
    await state.ensureUser("other");
    expect(await state.removeAllUsers()).toBe(2);
    expect(await redis.command("ACL GETUSER sg-team")).not.toMatch(/^\*1/);
    expect(await redis.command("ACL GETUSER operator")).toMatch(/^\*1/);
    await state.removeUser("team");

    await redis.command("ACL SETUSER operator -acl|setuser");
    expect(await state.fault()).toMatch(/may not run acl\|setuser/);
    await expect(state.ensureUser("team")).rejects.toThrow("NOPERM");
    expect(await (await openState({ place, users: "Given" })).fault()).toBeUndefined();
    await redis.command("ACL SETUSER operator -info");
    expect(await state.fault()).toMatch(/lacks a right; it needs .*\+info/);
  });

  test("a Redis that does not answer, within its time-out", async () => {
    const state = await openState();
    redis.pause();
    const startMs = performance.now();
    expect(await state.fault()).toMatch(/did not answer within 500 ms/);
    expect(performance.now() - startMs).toBeLessThan(1_000);
    redis.resume();
    await until("it is back", async () => (await state.fault()) === undefined, 10_000);
  });
});
