import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import type { Log } from "../../src/base/log.ts";
import { Connection } from "../../src/sidecar/stores/redis/connection.ts";
import { evictionCheckMs } from "../../src/sidecar/stores/redis/eviction.ts";
import { openRedis, type RedisSettings, type RedisStores } from "../../src/sidecar/stores/redis/open.ts";
import { ScriptRunner } from "../../src/sidecar/stores/redis/script-runner.ts";
import { releaseCall } from "../../src/sidecar/stores/redis/scripts.ts";
import { until as untilWithin } from "../fixtures/calls.ts";
import { startProxy, startRedis, type TestProxy, type TestRedis } from "../fixtures/redis.ts";
import { claim, outcome, recoveryMsMax, request, slackMs, timeoutMs, until, untilAdmitted } from "./redis-outcomes.ts";

/** A changed policy is seen at the next look. */
const lookMsMax = evictionCheckMs + 1_000;

let redis: TestRedis;
let proxy: TestProxy | undefined;
let stores: RedisStores;
let lines: { msg: string; level: number }[];
const log = (): Log =>
  pino(
    { level: "info" },
    { write: (line: string) => void lines.push(JSON.parse(line) as { msg: string; level: number }) },
  );
const said = (message: string): number => lines.filter(({ msg }) => msg === message).length;

const open = async (change: Partial<RedisSettings> = {}): Promise<RedisStores> => {
  stores = openRedis({ url: redis.url, log: log(), clock: systemClock, commandTimeoutMs: timeoutMs, ...change });
  await stores.ready();
  return stores;
};

beforeEach(async () => {
  lines = [];
  proxy = undefined;
  redis = await startRedis();
});
afterEach(async () => {
  redis.resume();
  await stores.close();
  await proxy?.stop();
  await redis.stop();
});

describe("a Redis that refuses connections", () => {
  test("fails every call at once, opens the breaker after five, and is back within 5 s of its start", async () => {
    await redis.kill();
    const startMs = performance.now();
    await open();
    expect(performance.now() - startMs).toBeLessThan(1_500);
    for (let i = 0; i < 6; i++) {
      const { fault, tookMs } = await outcome(() => stores.quota.reserve(request()));
      expect(fault?.maybeDone).toBe(false);
      expect(tookMs).toBeLessThan(slackMs);
      expect(stores.state().quota.breaker).toBe(i < 4 ? "Closed" : "Open");
    }
    expect((await outcome(() => stores.cache.get("faults", "key"))).fault).toBeDefined();
    expect(stores.state().quota.up).toBe(false);
    await redis.start();
    expect(await untilAdmitted(stores)).toBeLessThan(recoveryMsMax);
    expect(stores.state().quota).toEqual({ up: true, breaker: "Closed", full: false });
    expect(lines.map(({ msg }) => msg).toSorted()).toEqual([
      "redis breaker closed",
      "redis breaker opened",
      "redis cannot be reached",
      "redis connected",
    ]);
  });

  test("that restarts empty is used again without its scripts", async () => {
    await open();
    await stores.quota.reserve(request());
    await redis.kill();
    await until("the loss is noticed", () => !stores.state().quota.up);
    await redis.start();
    expect(await untilAdmitted(stores)).toBeLessThan(recoveryMsMax);
    const counted = (): Promise<number> => stores.quota.peek("faults", claim.counter, claim.window).catch(() => 0);
    await until("what was admitted is counted", async () => (await counted()) > 0);
    expect(said("redis connection lost")).toBe(1);
  });
});

describe("a frozen Redis", () => {
  test("never holds a call beyond its timeout, is left alone, and is back within 5 s of going on", async () => {
    await open();
    await stores.quota.reserve(request());
    redis.pause();
    // what is late together is one failure: a single pause must not open the breaker however many calls it met
    for (let round = 1; round <= 5; round++) {
      expect(said("redis breaker opened")).toBe(0);
      const slow = await Promise.all(Array.from({ length: 8 }, () => outcome(() => stores.quota.reserve(request()))));
      for (const { fault, tookMs } of slow) {
        expect(fault?.maybeDone).toBe(true);
        expect(tookMs).toBeLessThan(timeoutMs + slackMs);
      }
    }
    const fast = await Promise.all(Array.from({ length: 200 }, () => outcome(() => stores.quota.reserve(request()))));
    for (const { fault, tookMs } of fast) {
      expect(fault?.maybeDone).toBe(false);
      expect(tookMs).toBeLessThan(slackMs);
    }
    await sleep(4_000);
    expect(said("redis breaker opened")).toBe(1);
    redis.resume();
    expect(await untilAdmitted(stores)).toBeLessThan(recoveryMsMax);
    // The forty may have run; whether they did or not, nothing of them is left.
    await until("what nobody owns is released", () => stores.quota.orphans === 0);
    expect(await stores.quota.peek("faults", claim.counter, claim.window)).toBe(2);
    expect(await stores.quota.liveHolds("faults")).toBe(2);
  });

  test("that stood still for longer than a lease keeps nothing of what it reserves when it goes on", async () => {
    await open();
    await stores.quota.reserve(request());
    const leaseMs = 6_000;
    redis.pause();
    const late: Promise<unknown>[] = [];
    // 30 ms apart each is late by itself: the breaker opens before anything of it can be given back
    for (let i = 0; i < 8; i++) {
      late.push(outcome(() => stores.quota.reserve({ ...request(), leaseMs })));
      await sleep(30);
    }
    await Promise.all(late);
    expect(stores.state().quota.breaker).toBe("Open");
    await sleep(leaseMs);
    redis.resume();
    expect(await untilAdmitted(stores)).toBeLessThan(recoveryMsMax);
    await until("what nobody owns is released", () => stores.quota.orphans === 0);
    expect(await stores.quota.peek("faults", claim.counter, claim.window)).toBe(2);
    expect(await stores.quota.liveHolds("faults")).toBe(2);
  }, 30_000);

  test("does not keep a start waiting, nor an end", async () => {
    redis.pause();
    const startMs = performance.now();
    await open({ connectTimeoutMs: 300 });
    expect(performance.now() - startMs).toBeLessThan(300 + slackMs);
    expect((await outcome(() => stores.quota.reserve(request()))).fault?.maybeDone).toBe(false);
    redis.resume();
    expect(await untilAdmitted(stores)).toBeLessThan(recoveryMsMax);
    redis.pause();
    const hanging = outcome(() => stores.quota.reserve(request()));
    const closingMs = performance.now();
    await stores.close();
    expect(performance.now() - closingMs).toBeLessThan(4 * timeoutMs + slackMs);
    expect((await hanging).fault).toBeDefined();
  });
});

describe("a Redis behind a bad network", () => {
  test("that is 200 ms slow delays nobody by more than the timeout and leaves no hold", async () => {
    proxy = await startProxy(redis.port);
    await open({ url: proxy.url });
    await stores.quota.reserve(request());
    proxy.delayMs = 200;
    for (let i = 0; i < 8; i++) {
      const { fault, tookMs } = await outcome(() => stores.quota.reserve(request()));
      expect(fault).toBeDefined();
      expect(tookMs).toBeLessThan(timeoutMs + slackMs);
    }
    proxy.delayMs = 0;
    expect(await untilAdmitted(stores)).toBeLessThan(recoveryMsMax);
    await until("what nobody owns is released", () => stores.quota.orphans === 0);
    expect(await stores.quota.peek("faults", claim.counter, claim.window)).toBe(2);
    expect(await stores.quota.liveHolds("faults")).toBe(2);
  });

  test("that cuts in the middle of a reply fails the calls under way, and only these", async () => {
    proxy = await startProxy(redis.port);
    await open({ url: proxy.url });
    await stores.quota.reserve(request());
    proxy.cutNextReply();
    const cut = await Promise.all(Array.from({ length: 5 }, () => outcome(() => stores.quota.reserve(request()))));
    for (const { fault, tookMs } of cut) {
      expect(fault?.maybeDone).toBe(true);
      expect(tookMs).toBeLessThan(timeoutMs + slackMs);
    }
    expect(await untilAdmitted(stores)).toBeLessThan(recoveryMsMax);
    await until("what nobody owns is released", () => stores.quota.orphans === 0);
    expect(await stores.quota.peek("faults", claim.counter, claim.window)).toBe(2);
  });

  test("that cuts the answer to who asks again for a hold that runs leaves the hold alone", async () => {
    proxy = await startProxy(redis.port);
    await open({ url: proxy.url });
    const runs = request();
    await stores.quota.reserve(runs);
    proxy.cutNextReply();
    expect((await outcome(() => stores.quota.legs.reserve(runs, "Namespace"))).fault?.maybeDone).toBe(true);
    expect(stores.quota.orphans).toBe(0);
    expect(await untilAdmitted(stores)).toBeLessThan(recoveryMsMax);
    await sleep(400); // what is nobody's is given back after 250 ms
    expect(await stores.quota.peek("faults", claim.counter, claim.window)).toBe(2);
    expect((await stores.quota.legs.reserve(runs, "Namespace")).admitted).toBe(true);
    expect(await stores.quota.settle({ namespace: "faults", holdId: runs.holdId, amounts: [1] })).toBe(true);
  });

  test("that delivers a reserve after its hold was given up does not bring it into force", async () => {
    await open();
    const asked = request();
    const connection = new Connection({ place: { url: redis.url }, log: log(), clock: systemClock, purpose: "test" });
    await connection.ready();
    const call = releaseCall({ namespace: asked.namespace, holdId: asked.holdId, lateMs: 1_000 });
    expect(await new ScriptRunner(connection).run(call)).toBe(0);
    await connection.close();
    expect((await outcome(() => stores.quota.reserve(asked))).fault?.maybeDone).toBe(false);
    expect(await stores.quota.peek("faults", claim.counter, claim.window)).toBe(0);
  });

  test.each([
    { name: "another type", reply: ":1\r\n" },
    { name: "nothing", reply: "*-1\r\n" },
    { name: "too few values", reply: "*2\r\n:1\r\n:0\r\n" },
    { name: "an unknown error", reply: "-ERR Error running script\r\n" },
    { name: "no protocol at all", reply: "HTTP/1.1 400 Bad Request\r\n\r\n" },
  ])("that answers $name is unavailable, not trusted", async ({ reply }) => {
    proxy = await startProxy(redis.port);
    await open({ url: proxy.url });
    await stores.quota.reserve(request());
    proxy.answer = Buffer.from(reply);
    const { fault, tookMs } = await outcome(() => stores.quota.reserve(request()));
    expect(fault?.maybeDone).toBe(true);
    expect(tookMs).toBeLessThan(timeoutMs + slackMs);
    proxy.answer = undefined;
    expect(await untilAdmitted(stores)).toBeLessThan(recoveryMsMax);
  });
});

describe("a Redis that refuses commands", () => {
  test("for want of memory takes no hold, but settles and releases those it has", async () => {
    await open();
    const [settled, released] = [request(), request()];
    await stores.quota.reserve(settled);
    await stores.quota.reserve(released);
    await redis.command("CONFIG SET maxmemory 1");
    for (let i = 0; i < 10; i++) {
      expect((await outcome(() => stores.quota.reserve(request()))).fault?.maybeDone).toBe(false);
    }
    expect(stores.state().quota).toEqual({ up: true, breaker: "Closed", full: true });
    await stores.cache.put("faults", "key", Buffer.from("value"), 1_000);
    expect(await stores.cache.get("faults", "key")).toBeUndefined();
    expect(await stores.quota.renew("faults", [settled.holdId, "gone"], 60_000)).toEqual(["gone"]);
    expect(await stores.quota.settle({ namespace: "faults", holdId: settled.holdId, amounts: [5] })).toBe(true);
    expect(await stores.quota.release("faults", released.holdId)).toBe(true);
    expect(await stores.quota.peek("faults", claim.counter, claim.window)).toBe(5);
    await redis.command("CONFIG SET maxmemory 0");
    await stores.quota.reserve(request());
    expect(stores.state().quota.full).toBe(false);
    expect([said("redis is full: it refuses what needs memory"), said("redis has room again")]).toEqual([1, 1]);
  });

  test("that has forgotten its scripts is told them again, by every caller at once", async () => {
    await open();
    const before = request();
    await stores.quota.reserve(before);
    expect(await redis.command("SCRIPT FLUSH")).toBe("+OK");
    const results = await Promise.all(Array.from({ length: 20 }, () => stores.quota.reserve(request())));
    expect(results.every((result) => result.admitted)).toBe(true);
    await redis.command("SCRIPT FLUSH");
    expect(await stores.quota.settle({ namespace: "faults", holdId: before.holdId, amounts: [1] })).toBe(true);
    expect(stores.state().quota.breaker).toBe("Closed");
  });

  test("that has forgotten its scripts and is slow keeps nobody waiting for twice the timeout", async () => {
    const timeoutMs = 400;
    proxy = await startProxy(redis.port);
    await open({ url: proxy.url, commandTimeoutMs: timeoutMs });
    await stores.quota.reserve(request());
    await redis.command("SCRIPT FLUSH");
    proxy.delayMs = 300;
    const { fault, tookMs } = await outcome(() => stores.quota.reserve(request()));
    expect(fault?.maybeDone).toBe(true);
    expect(tookMs).toBeLessThan(timeoutMs + slackMs);
  });

  test("as a replica that takes no writes holds nothing and is asked for its master again", async () => {
    await open();
    await stores.quota.reserve(request());
    await redis.command("REPLICAOF 127.0.0.1 1");
    for (let i = 0; i < 5; i++)
      expect((await outcome(() => stores.quota.reserve(request()))).fault?.maybeDone).toBe(false);
    await redis.command("REPLICAOF NO ONE");
    expect(await untilAdmitted(stores)).toBeLessThan(recoveryMsMax);
    expect(said("redis breaker opened")).toBeLessThanOrEqual(1);
  });

  test("that may evict counters enforces no quota, but keeps serving as a cache", async () => {
    await redis.command("CONFIG SET maxmemory-policy allkeys-lru");
    await open();
    const { fault } = await outcome(() => stores.quota.reserve(request()));
    expect(fault?.message).toContain("allkeys-lru");
    expect(fault?.maybeDone).toBe(false);
    expect(said("redis evicts keys: quotas are not enforced by it until it is noeviction")).toBe(1);
    await stores.cache.put("faults", "key", Buffer.from("value"), 1_000);
    expect((await stores.cache.get("faults", "key"))?.toString()).toBe("value");
  });

  test("that is told to evict, or not to, while it is in use is believed within seconds", async () => {
    await open();
    await stores.quota.reserve(request());
    await redis.command("CONFIG SET maxmemory-policy allkeys-lru");
    const isRefused = async () => (await outcome(() => stores.quota.reserve(request()))).fault !== undefined;
    await untilWithin("its word is heard", isRefused, lookMsMax);
    expect(said("redis evicts keys: quotas are not enforced by it until it is noeviction")).toBe(1);
    await redis.command("CONFIG SET maxmemory-policy noeviction");
    await untilWithin("it is used again", async () => !(await isRefused()), lookMsMax);
    expect(said("redis evicts no keys any more: quotas are enforced by it again")).toBe(1);
    expect(stores.state().quota.breaker).toBe("Closed");
  }, 15_000);

  test("to a user who may not see its settings warns once and works with that user's keys alone", async () => {
    const may =
      "+evalsha +eval +get +set +del +hget +hset +hgetall +hincrby +hdel +pexpire +pexpireat +zadd +zrem +zincrby +zscore";
    const alsoMay = "+zrangebyscore +zremrangebyscore +zcount +time +ping +hello";
    await redis.command(`ACL SETUSER team on >secret ~sg:{faults}:* ${may} ${alsoMay}`);
    await open({ url: redis.url.replace("redis://", "redis://team:secret@") });
    expect(
      (
        await stores.quota.reserve(
          request({ claims: [claim, { ...claim, counter: "c", window: { type: "Concurrency" } }] }),
        )
      ).admitted,
    ).toBe(true);
    expect(said("redis does not tell its maxmemory-policy: make sure that it is noeviction")).toBe(1);
    const foreign = await outcome(() => stores.quota.reserve({ ...request(), namespace: "other" }));
    expect(foreign.fault?.maybeDone).toBe(false);
  });
});
