// Redis goes away between a backend that fails and the next one: each failurePolicy decides, and afterwards the counters are the truth.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ask, called, hour, keyOf, perHour, quota, startBackends, used } from "../fixtures/backend-quotas.ts";
import { until } from "../fixtures/calls.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import type { TestGateway } from "../fixtures/sidecar.ts";

const recoveryMsMax = 8_000;
let redis: TestRedis;
let gateway: TestGateway;
beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(() => redis.command("FLUSHALL"));
afterEach(async () => {
  redis.resume();
  await until("nothing waits", () => gateway.sidecar.shares.ledgerSize === 0, recoveryMsMax);
  expect(gateway.sidecar.leases.size).toBe(0);
  await gateway.close();
});
afterAll(() => redis.stop());

const start = async (policy: string): Promise<void> => {
  const limits = [perHour("rph", "Requests", 40), "{name: run, resource: Concurrency, limit: 5}"];
  const all = quota("q", limits, `failurePolicy: ${policy}\n  per: [Backend]`);
  gateway = await startBackends(all + quota("common", limits, `failurePolicy: ${policy}`), { redisUrl: redis.url });
};
/** A call whose first backend fails while Redis is not there. */
const failWhileAway = async () => {
  gateway.provider.behaveFor(keyOf.a, "status=503;delay=200;retry-after=0");
  const before = called(gateway).length;
  const answering = ask(gateway);
  await until("a is called", () => called(gateway).length > before);
  redis.pause();
  return answering;
};
const isUsed = async (counter: string, units: number): Promise<void> => {
  let seen = -1;
  const isSo = async (): Promise<boolean> => {
    seen = await used(gateway, counter, hour).catch(() => -1);
    return seen === units;
  };
  await until(counter, isSo, recoveryMsMax).catch(() => expect(seen, counter).toBe(units));
};

describe("the store is away when the next backend is to be asked:", () => {
  test("Deny refuses, and only what the first backend had is charged", async () => {
    await start("Deny");
    const answer = await failWhileAway();
    expect([answer.status, answer.json.error?.code, called(gateway)]).toEqual([503, "quota_store_unavailable", "a"]);
    redis.resume();
    await isUsed("q/rph/backend=test/a", 1);
    await isUsed("q/rph/backend=test/b", 0);
    await isUsed("common/rph/all", 1);
  });

  test("Allow goes on, uncounted from there", async () => {
    await start("Allow");
    expect((await failWhileAway()).status).toBe(200);
    expect(called(gateway)).toBe("ab");
    redis.resume();
    await isUsed("q/rph/backend=test/a", 1);
    await isUsed("q/rph/backend=test/b", 0);
    await isUsed("common/rph/all", 1);
    expect(await gateway.sidecar.metrics.registry.metrics()).toContain('unenforced_total{decision="allowed"} 1');
  });

  test("LocalShare goes on within this sidecar's share of the next backend, and charges it afterwards", async () => {
    await start("LocalShare");
    gateway.provider.behaveFor(keyOf.a, "status=503;retry-after=0");
    for (let i = 0; i < 3; i++) expect((await ask(gateway)).headers.get("x-sidegate-backend")).toBe("b");
    await isUsed("q/rph/backend=test/b", 3);
    for (let i = 0; i < 6; i++) await gateway.sidecar.shares.refresh();
    expect((await failWhileAway()).headers.get("x-sidegate-backend")).toBe("b");
    redis.resume();
    for (const name of ["q/rph/backend=test/a", "q/rph/backend=test/b", "common/rph/all"]) await isUsed(name, 4);
  });

  test("LocalShare passes over a backend that this sidecar has no share of", async () => {
    await start("LocalShare");
    await ask(gateway);
    for (let i = 0; i < 6; i++) await gateway.sidecar.shares.refresh();
    const answer = await failWhileAway();
    expect([answer.status, answer.json.error?.code, called(gateway)]).toEqual([500, "upstream_error", "aa"]);
    redis.resume();
    await isUsed("q/rph/backend=test/a", 2);
    await isUsed("q/rph/backend=test/b", 0);
  });
});

test("the store is back when the next backend is asked: what was admitted by share is charged, and the rest is held there", async () => {
  await start("LocalShare");
  for (let i = 0; i < 3; i++) await ask(gateway);
  for (let i = 0; i < 6; i++) await gateway.sidecar.shares.refresh();
  redis.pause();
  gateway.provider.behaveFor(keyOf.a, "status=503;delay=600;retry-after=0");
  const answering = ask(gateway);
  await until("a is called", () => called(gateway).length > 3);
  redis.resume();
  expect((await answering).headers.get("x-sidegate-backend")).toBe("b");
  await isUsed("q/rph/backend=test/a", 4);
  await isUsed("q/rph/backend=test/b", 1);
  await isUsed("common/rph/all", 4);
});
