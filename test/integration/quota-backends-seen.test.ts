// Quotas that count by Backend as people see them: in the status, by `quota check`, and after a reset of one backend.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { judge } from "../../src/cli/quota/check/judgement.ts";
import { readRedis } from "../../src/cli/quota/check/reading.ts";
import { RedisState } from "../../src/operator/state/redis-state.ts";
import { RedisLink } from "../../src/redis/link.ts";
import { readResources } from "../../src/resources/read.ts";
import {
  ask,
  called,
  common,
  keyOf,
  perHour,
  quota,
  running,
  startBackends,
  used,
} from "../fixtures/backend-quotas.ts";
import { until } from "../fixtures/calls.ts";
import { callBytes, expectSettled } from "../fixtures/fault-calls.ts";
import { openRaw } from "../fixtures/raw-http.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import type { TestGateway } from "../fixtures/sidecar.ts";

let redis: TestRedis;
let gateway: TestGateway;
beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(() => redis.command("FLUSHALL"));
afterEach(async () => {
  await expectSettled(gateway);
  await gateway.close();
});
afterAll(() => redis.stop());

const byBackend = (limit: number, annotations = ""): string =>
  quota("q", [perHour("rph", "Requests", limit), "{name: run, resource: Concurrency, limit: 2}"]).replace(
    "namespace: default}",
    `namespace: default, annotations: {${annotations}}}`,
  );

test("the status shows each backend, check finds counters and holds whole, and a reset is of the backend it names", async () => {
  gateway = await startBackends(byBackend(2) + common, { redisUrl: redis.url });
  for (let i = 0; i < 3; i++) await ask(gateway);
  gateway.provider.behaveFor(keyOf.b, "delay=400");
  const running = ask(gateway);
  await until("b is called", () => gateway.provider.openRequests === 1);

  const { quotas } = readResources([{ path: "q.yaml", text: byBackend(2) + common }]);
  const settings = { place: { url: redis.url }, log: silentLog(), clock: systemClock };
  const state = new RedisState({ ...settings, users: "Managed", passwordsOf: () => ["x"] });
  const link = new RedisLink({ ...settings, name: "t", timeoutMs: 5_000 });
  await Promise.all([state.ready(), link.ready()]);
  const [first] = quotas;
  if (!first) throw new Error("there is a quota");
  const rows = await state.usage("default", first);
  expect(rows.map((row) => [row.limit, row.subject, row.used, row.reserved, row.remaining]).toSorted()).toEqual([
    ["rph", "backend=test/a", "2", "0", "0"],
    ["rph", "backend=test/b", "1", "1", "0"],
    ["run", "backend=test/b", "1", "0", "1"], // of Concurrency all that runs is used
  ]);
  const results = judge(await readRedis(link, undefined), quotas);
  expect(results.filter(({ verdict }) => verdict !== "ok")).toEqual([]);
  await Promise.all([state.close(), link.close()]);
  expect((await running).status).toBe(200);

  expect((await ask(gateway)).status).toBe(429);
  const at = new Date(Date.now() - 1_000).toISOString();
  const reset = JSON.stringify([{ at, limit: "rph", subject: "backend=test/b", by: "ana", reason: "moved" }]);
  const url = gateway.provider.url;
  await gateway.close();
  gateway = await startBackends(byBackend(2, `sidegate.dev/reset: '${reset}'`) + common, { redisUrl: redis.url });
  expect(gateway.provider.url).not.toBe(url);
  expect([(await ask(gateway)).status, (await ask(gateway)).status, (await ask(gateway)).status]).toEqual([
    200, 200, 429,
  ]);
  expect(called(gateway)).toBe("bb");
});

describe.each([{ store: "memory" }, { store: "Redis" }])("in $store", ({ store }) => {
  test("clients that go away at any moment of a failover leave nothing held", { timeout: 30_000 }, async () => {
    gateway = await startBackends(byBackend(999) + common, store === "Redis" ? { redisUrl: redis.url } : {});
    for (let i = 0; i < 30; i++) {
      gateway.provider.behaveFor(keyOf.a, `status=503;delay=${(i * 7) % 20};retry-after=0`);
      gateway.provider.behaveFor(keyOf.b, `delay=${(i * 5) % 20}`);
      const client = await openRaw(gateway.url);
      client.write(callBytes({ streamed: i % 2 === 0 }));
      await sleep(i); // from before the first call to the middle of the second answer
      client.socket.destroy();
    }
    await expectSettled(gateway);
    for (const name of ["a", "b"]) {
      expect(await used(gateway, `q/run/backend=test/${name}`, running)).toBe(0);
      const calls = gateway.provider.requests.filter(
        ({ headers }) => headers.authorization === `Bearer ${keyOf[name as "a" | "b"]}`,
      );
      expect(await used(gateway, `q/rph/backend=test/${name}`)).toBe(calls.length);
    }
    expect(await used(gateway, "common/run/all", running)).toBe(0);
  });
});
