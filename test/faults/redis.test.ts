import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { Connection } from "../../src/sidecar/stores/redis/connection.ts";
import { ScriptRunner } from "../../src/sidecar/stores/redis/script-runner.ts";
import { releaseCall } from "../../src/sidecar/stores/redis/scripts.ts";
import { claim, outcome, recoveryMsMax, request, slackMs, timeoutMs, until, untilAdmitted } from "./redis-outcomes.ts";
import { useRedis } from "./redis-scene.ts";

const scene = useRedis();

describe("a Redis that refuses connections", () => {
  test("fails every call at once, opens the breaker after five, and is back within 5 s of its start", async () => {
    await scene.redis.kill();
    const startMs = performance.now();
    await scene.open();
    expect(performance.now() - startMs).toBeLessThan(1_500);
    for (let i = 0; i < 6; i++) {
      const { fault, tookMs } = await outcome(() => scene.stores.quota.reserve(request()));
      expect(fault?.maybeDone).toBe(false);
      expect(tookMs).toBeLessThan(slackMs);
      expect(scene.stores.state().quota.breaker).toBe(i < 4 ? "Closed" : "Open");
    }
    expect((await outcome(() => scene.stores.cache.get("faults", "key"))).fault).toBeDefined();
    expect(scene.stores.state().quota.up).toBe(false);
    await scene.redis.start();
    expect(await untilAdmitted(scene.stores)).toBeLessThan(recoveryMsMax);
    expect(scene.stores.state().quota).toEqual({ up: true, breaker: "Closed", full: false });
    expect(scene.lines.map(({ msg }) => msg).toSorted()).toEqual([
      "redis breaker closed",
      "redis breaker opened",
      "redis cannot be reached",
      "redis connected",
    ]);
  });

  test("that restarts empty is used again without its scripts", async () => {
    await scene.open();
    await scene.stores.quota.reserve(request());
    await scene.redis.kill();
    await until("the loss is noticed", () => !scene.stores.state().quota.up);
    await scene.redis.start();
    expect(await untilAdmitted(scene.stores)).toBeLessThan(recoveryMsMax);
    const counted = (): Promise<number> =>
      scene.stores.quota.peek("faults", claim.counter, claim.window).catch(() => 0);
    await until("what was admitted is counted", async () => (await counted()) > 0);
    expect(scene.said("redis connection lost")).toBe(1);
  });
});

describe("a frozen Redis", () => {
  test("never holds a call beyond its timeout, is left alone, and is back within 5 s of going on", async () => {
    await scene.open();
    await scene.stores.quota.reserve(request());
    scene.redis.pause();
    // what is late together is one failure: a single pause must not open the breaker however many calls it met
    for (let round = 1; round <= 5; round++) {
      expect(scene.said("redis breaker opened")).toBe(0);
      const slow = await Promise.all(
        Array.from({ length: 8 }, () => outcome(() => scene.stores.quota.reserve(request()))),
      );
      for (const { fault, tookMs } of slow) {
        expect(fault?.maybeDone).toBe(true);
        expect(tookMs).toBeLessThan(timeoutMs + slackMs);
      }
    }
    const fast = await Promise.all(
      Array.from({ length: 200 }, () => outcome(() => scene.stores.quota.reserve(request()))),
    );
    for (const { fault, tookMs } of fast) {
      expect(fault?.maybeDone).toBe(false);
      expect(tookMs).toBeLessThan(slackMs);
    }
    await sleep(4_000);
    expect(scene.said("redis breaker opened")).toBe(1);
    scene.redis.resume();
    expect(await untilAdmitted(scene.stores)).toBeLessThan(recoveryMsMax);
    // The forty may have run; whether they did or not, nothing of them is left.
    await until("what nobody owns is released", () => scene.stores.quota.orphans === 0);
    expect(await scene.stores.quota.peek("faults", claim.counter, claim.window)).toBe(2);
    expect(await scene.stores.quota.liveHolds("faults")).toBe(2);
  });

  test("that stood still for longer than a lease keeps nothing of what it reserves when it goes on", async () => {
    await scene.open();
    await scene.stores.quota.reserve(request());
    const leaseMs = 6_000;
    scene.redis.pause();
    const late: Promise<unknown>[] = [];
    // 30 ms apart each is late by itself: the breaker opens before anything of it can be given back
    for (let i = 0; i < 8; i++) {
      late.push(outcome(() => scene.stores.quota.reserve({ ...request(), leaseMs })));
      await sleep(30);
    }
    await Promise.all(late);
    expect(scene.stores.state().quota.breaker).toBe("Open");
    await sleep(leaseMs);
    scene.redis.resume();
    expect(await untilAdmitted(scene.stores)).toBeLessThan(recoveryMsMax);
    await until("what nobody owns is released", () => scene.stores.quota.orphans === 0);
    expect(await scene.stores.quota.peek("faults", claim.counter, claim.window)).toBe(2);
    expect(await scene.stores.quota.liveHolds("faults")).toBe(2);
  }, 30_000);

  test("does not keep a start waiting, nor an end", async () => {
    scene.redis.pause();
    const startMs = performance.now();
    await scene.open({ connectTimeoutMs: 300 });
    expect(performance.now() - startMs).toBeLessThan(300 + slackMs);
    expect((await outcome(() => scene.stores.quota.reserve(request()))).fault?.maybeDone).toBe(false);
    scene.redis.resume();
    expect(await untilAdmitted(scene.stores)).toBeLessThan(recoveryMsMax);
    scene.redis.pause();
    const hanging = outcome(() => scene.stores.quota.reserve(request()));
    const closingMs = performance.now();
    await scene.stores.close();
    expect(performance.now() - closingMs).toBeLessThan(4 * timeoutMs + slackMs);
    expect((await hanging).fault).toBeDefined();
  });
});

describe("a Redis behind a bad network", () => {
  test("that is 200 ms slow delays nobody by more than the timeout and leaves no hold", async () => {
    const proxy = await scene.behindProxy();
    await scene.open({ url: proxy.url });
    await scene.stores.quota.reserve(request());
    proxy.delayMs = 200;
    for (let i = 0; i < 8; i++) {
      const { fault, tookMs } = await outcome(() => scene.stores.quota.reserve(request()));
      expect(fault).toBeDefined();
      expect(tookMs).toBeLessThan(timeoutMs + slackMs);
    }
    proxy.delayMs = 0;
    expect(await untilAdmitted(scene.stores)).toBeLessThan(recoveryMsMax);
    await until("what nobody owns is released", () => scene.stores.quota.orphans === 0);
    expect(await scene.stores.quota.peek("faults", claim.counter, claim.window)).toBe(2);
    expect(await scene.stores.quota.liveHolds("faults")).toBe(2);
  });

  test("that cuts in the middle of a reply fails the calls under way, and only these", async () => {
    const proxy = await scene.behindProxy();
    await scene.open({ url: proxy.url });
    await scene.stores.quota.reserve(request());
    proxy.cutNextReply();
    const cut = await Promise.all(
      Array.from({ length: 5 }, () => outcome(() => scene.stores.quota.reserve(request()))),
    );
    for (const { fault, tookMs } of cut) {
      expect(fault?.maybeDone).toBe(true);
      expect(tookMs).toBeLessThan(timeoutMs + slackMs);
    }
    expect(await untilAdmitted(scene.stores)).toBeLessThan(recoveryMsMax);
    await until("what nobody owns is released", () => scene.stores.quota.orphans === 0);
    expect(await scene.stores.quota.peek("faults", claim.counter, claim.window)).toBe(2);
  });

  test("that cuts the answer to who asks again for a hold that runs leaves the hold alone", async () => {
    const proxy = await scene.behindProxy();
    await scene.open({ url: proxy.url });
    const runs = request();
    await scene.stores.quota.reserve(runs);
    proxy.cutNextReply();
    expect((await outcome(() => scene.stores.quota.legs.reserve(runs, "Namespace"))).fault?.maybeDone).toBe(true);
    expect(scene.stores.quota.orphans).toBe(0);
    expect(await untilAdmitted(scene.stores)).toBeLessThan(recoveryMsMax);
    await sleep(400); // what is nobody's is given back after 250 ms
    expect(await scene.stores.quota.peek("faults", claim.counter, claim.window)).toBe(2);
    expect((await scene.stores.quota.legs.reserve(runs, "Namespace")).admitted).toBe(true);
    expect(await scene.stores.quota.settle({ namespace: "faults", holdId: runs.holdId, amounts: [1] })).toBe(true);
  });

  test("that delivers a reserve after its hold was given up does not bring it into force", async () => {
    await scene.open();
    const asked = request();
    const connection = new Connection({
      place: { url: scene.redis.url },
      log: scene.log(),
      clock: systemClock,
      purpose: "test",
    });
    await connection.ready();
    const call = releaseCall({ namespace: asked.namespace, holdId: asked.holdId, lateMs: 1_000 });
    expect(await new ScriptRunner(connection).run(call)).toBe(0);
    await connection.close();
    expect((await outcome(() => scene.stores.quota.reserve(asked))).fault?.maybeDone).toBe(false);
    expect(await scene.stores.quota.peek("faults", claim.counter, claim.window)).toBe(0);
  });

  test.each([
    { name: "another type", reply: ":1\r\n" },
    { name: "nothing", reply: "*-1\r\n" },
    { name: "too few values", reply: "*2\r\n:1\r\n:0\r\n" },
    { name: "an unknown error", reply: "-ERR Error running script\r\n" },
    { name: "no protocol at all", reply: "HTTP/1.1 400 Bad Request\r\n\r\n" },
  ])("that answers $name is unavailable, not trusted", async ({ reply }) => {
    const proxy = await scene.behindProxy();
    await scene.open({ url: proxy.url });
    await scene.stores.quota.reserve(request());
    proxy.answer = Buffer.from(reply);
    const { fault, tookMs } = await outcome(() => scene.stores.quota.reserve(request()));
    expect(fault?.maybeDone).toBe(true);
    expect(tookMs).toBeLessThan(timeoutMs + slackMs);
    proxy.answer = undefined;
    expect(await untilAdmitted(scene.stores)).toBeLessThan(recoveryMsMax);
  });
});
