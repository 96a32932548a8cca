import { describe, expect, test } from "vitest";
import { evictionCheckMs } from "../../src/sidecar/stores/redis/eviction.ts";
import { until } from "../fixtures/calls.ts";
import { claim, outcome, recoveryMsMax, request, slackMs, untilAdmitted } from "./redis-outcomes.ts";
import { useRedis } from "./redis-scene.ts";

/** A changed policy is seen at the next look. */
const lookMsMax = evictionCheckMs + 1_000;
const scene = useRedis();

describe("a Redis that refuses commands", () => {
  test("for want of memory takes no hold, but settles and releases those it has", async () => {
    await scene.open();
    const [settled, released] = [request(), request()];
    await scene.stores.quota.reserve(settled);
    await scene.stores.quota.reserve(released);
    await scene.redis.command("CONFIG SET maxmemory 1");
    for (let i = 0; i < 10; i++) {
      expect((await outcome(() => scene.stores.quota.reserve(request()))).fault?.maybeDone).toBe(false);
    }
    expect(scene.stores.state().quota).toEqual({ up: true, breaker: "Closed", full: true });
    await scene.stores.cache.put("faults", "key", Buffer.from("value"), 1_000);
    expect(await scene.stores.cache.get("faults", "key")).toBeUndefined();
    expect(await scene.stores.quota.renew("faults", [settled.holdId, "gone"], 60_000)).toEqual(["gone"]);
    expect(await scene.stores.quota.settle({ namespace: "faults", holdId: settled.holdId, amounts: [5] })).toBe(true);
    expect(await scene.stores.quota.release("faults", released.holdId)).toBe(true);
    expect(await scene.stores.quota.peek("faults", claim.counter, claim.window)).toBe(5);
    await scene.redis.command("CONFIG SET maxmemory 0");
    await scene.stores.quota.reserve(request());
    expect(scene.stores.state().quota.full).toBe(false);
    expect([scene.said("redis is full: it refuses what needs memory"), scene.said("redis has room again")]).toEqual([
      1, 1,
    ]);
  });

  test("that has forgotten its scripts is told them again, by every caller at once", async () => {
    await scene.open();
    const before = request();
    await scene.stores.quota.reserve(before);
    expect(await scene.redis.command("SCRIPT FLUSH")).toBe("+OK");
    const results = await Promise.all(Array.from({ length: 20 }, () => scene.stores.quota.reserve(request())));
    expect(results.every((result) => result.admitted)).toBe(true);
    await scene.redis.command("SCRIPT FLUSH");
    expect(await scene.stores.quota.settle({ namespace: "faults", holdId: before.holdId, amounts: [1] })).toBe(true);
    expect(scene.stores.state().quota.breaker).toBe("Closed");
  });

  test("that has forgotten its scripts and is slow keeps nobody waiting for twice the timeout", async () => {
    const timeoutMs = 400;
    const proxy = await scene.behindProxy();
    await scene.open({ url: proxy.url, commandTimeoutMs: timeoutMs });
    await scene.stores.quota.reserve(request());
    await scene.redis.command("SCRIPT FLUSH");
    proxy.delayMs = 300;
    const { fault, tookMs } = await outcome(() => scene.stores.quota.reserve(request()));
    expect(fault?.maybeDone).toBe(true);
    expect(tookMs).toBeLessThan(timeoutMs + slackMs);
  });

  test("as a replica that takes no writes holds nothing and is asked for its master again", async () => {
    await scene.open();
    await scene.stores.quota.reserve(request());
    await scene.redis.command("REPLICAOF 127.0.0.1 1");
    for (let i = 0; i < 5; i++)
      expect((await outcome(() => scene.stores.quota.reserve(request()))).fault?.maybeDone).toBe(false);
    await scene.redis.command("REPLICAOF NO ONE");
    expect(await untilAdmitted(scene.stores)).toBeLessThan(recoveryMsMax);
    expect(scene.said("redis breaker opened")).toBeLessThanOrEqual(1);
  });

  test("that may evict counters enforces no quota, but keeps serving as a cache", async () => {
    await scene.redis.command("CONFIG SET maxmemory-policy allkeys-lru");
    await scene.open();
    const { fault } = await outcome(() => scene.stores.quota.reserve(request()));
    expect(fault?.message).toContain("allkeys-lru");
    expect(fault?.maybeDone).toBe(false);
    expect(scene.said("redis evicts keys: quotas are not enforced by it until it is noeviction")).toBe(1);
    await scene.stores.cache.put("faults", "key", Buffer.from("value"), 1_000);
    expect((await scene.stores.cache.get("faults", "key"))?.toString()).toBe("value");
  });

  test("that is told to evict, or not to, while it is in use is believed within seconds", async () => {
    await scene.open();
    await scene.stores.quota.reserve(request());
    await scene.redis.command("CONFIG SET maxmemory-policy allkeys-lru");
    const isRefused = async () => (await outcome(() => scene.stores.quota.reserve(request()))).fault !== undefined;
    await until("its word is heard", isRefused, lookMsMax);
    expect(scene.said("redis evicts keys: quotas are not enforced by it until it is noeviction")).toBe(1);
    await scene.redis.command("CONFIG SET maxmemory-policy noeviction");
    await until("it is used again", async () => !(await isRefused()), lookMsMax);
    expect(scene.said("redis evicts no keys any more: quotas are enforced by it again")).toBe(1);
    expect(scene.stores.state().quota.breaker).toBe("Closed");
  }, 15_000);

  test("to a user who may not see its settings warns once and works with that user's keys alone", async () => {
    const may =
      "+evalsha +eval +get +set +del +hget +hset +hgetall +hincrby +hdel +pexpire +pexpireat +zadd +zrem +zincrby +zscore";
    const alsoMay = "+zrangebyscore +zremrangebyscore +zcount +time +ping +hello";
    await scene.redis.command(`ACL SETUSER team on >secret ~sg:{faults}:* ${may} ${alsoMay}`);
    await scene.open({ url: scene.redis.url.replace("redis://", "redis://team:secret@") });
    expect(
      (
        await scene.stores.quota.reserve(
          request({ claims: [claim, { ...claim, counter: "c", window: { type: "Concurrency" } }] }),
        )
      ).admitted,
    ).toBe(true);
    expect(scene.said("redis does not tell its maxmemory-policy: make sure that it is noeviction")).toBe(1);
    const foreign = await outcome(() => scene.stores.quota.reserve({ ...request(), namespace: "other" }));
    expect(foreign.fault?.maybeDone).toBe(false);
  });
});
