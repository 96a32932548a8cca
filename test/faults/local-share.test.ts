// Several sidecars under LocalShare lose their Redis: together they stay within the limit, and what they admitted is charged once.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { WindowSpec } from "../../src/base/window.ts";
import { shortTimeouts } from "../fixtures/bad-input.ts";
import { until } from "../fixtures/calls.ts";
import { ask, callBytes, expectFault } from "../fixtures/fault-calls.ts";
import { openRaw } from "../fixtures/raw-http.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import { openRoute, quotaYaml, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

const recoveryMsMax = 8_000;
const limit = 40;
const month: WindowSpec = { type: "Fixed", durationMs: 744 * 3_600_000 };
const requests = `{name: l, resource: Requests, limit: ${limit}, window: {type: Fixed, duration: 744h}}`;
const share = "failurePolicy: LocalShare";

let redis: TestRedis;
let gateways: TestGateway[] = [];
beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(() => redis.command("FLUSHALL"));
afterEach(async () => {
  redis.resume();
  await Promise.all(gateways.map((gateway) => gateway.close()));
  gateways = [];
});
afterAll(() => redis.stop());

const start = async (quotas: string, rule = shortTimeouts): Promise<TestGateway> => {
  const gateway = await startTestGateway({ redisUrl: redis.url, yaml: (url) => openRoute(url, { rule, quotas }) });
  gateways.push(gateway);
  return gateway;
};
const served = async (gateway: TestGateway, times: number): Promise<number> => {
  let count = 0;
  for (let i = 0; i < times; i++) if ((await ask(gateway, { streamed: i % 2 === 0 })).status === 200) count++;
  return count;
};
const refreshAll = async (): Promise<void> => {
  for (const { sidecar } of gateways) await sidecar.shares.refresh();
};
const usedOn = (gateway: TestGateway, counter = "default/q/l/all", window: WindowSpec = month): Promise<number> =>
  gateway.stores.quota.peek("default", counter, window).catch(() => -1);
const isUsed = (gateway: TestGateway, units: number): Promise<void> =>
  until(`${units} are used`, async () => (await usedOn(gateway)) === units, recoveryMsMax);

test("three sidecars share what is left by their use; who never used it gets nothing; afterwards Redis knows all of it", async () => {
  const quotas = quotaYaml([requests], { extra: share });
  const [busy, quiet, idle] = [await start(quotas), await start(quotas), await start(quotas)];
  for (let round = 0; round < 4; round++) {
    await served(busy, 3);
    await served(quiet, 1);
  }
  await isUsed(busy, 16);
  for (let i = 0; i < 6; i++) await refreshAll(); // shares settle down to 3 : 1
  redis.pause();
  const [byBusy, byQuiet, byIdle] = await Promise.all([busy, quiet, idle].map((each) => served(each, limit)));
  expect(byIdle).toBe(0);
  expect((byBusy ?? 0) + (byQuiet ?? 0)).toBeLessThanOrEqual(limit - 16);
  expect(byBusy).toBeGreaterThanOrEqual(14);
  expect(byQuiet).toBeGreaterThanOrEqual(3);
  redis.resume();
  await isUsed(busy, 16 + (byBusy ?? 0) + (byQuiet ?? 0));
  const rest = await served(idle, limit);
  expect(16 + (byBusy ?? 0) + (byQuiet ?? 0) + rest).toBe(limit); // not one more, and not one less
  expect(gateways.map(({ sidecar }) => sidecar.shares.ledgerSize)).toEqual([0, 0, 0]);
});

test("a call that runs when Redis is back is held there from then on, and settled once", async () => {
  const running: WindowSpec = { type: "Concurrency" };
  const limits = [requests, "{name: running, resource: Concurrency, limit: 3}"];
  const gateway = await start(quotaYaml(limits, { extra: share }), "timeouts: {total: 20s}");
  const busy = await openRaw(gateway.url);
  busy.write(callBytes({ streamed: true, fake: "hang=headers" }));
  await until("it runs", () => gateway.provider.openRequests === 1);
  await gateway.sidecar.shares.refresh();
  redis.pause();
  const away = await openRaw(gateway.url);
  away.write(callBytes({ streamed: true, fake: "hang=headers" }));
  await until("it runs by share", () => gateway.provider.openRequests === 2);
  redis.resume();
  await until("Redis has it", () => gateway.sidecar.shares.ledgerSize === 0, recoveryMsMax);
  await until("it is held", async () => (await usedOn(gateway, "default/q/running/all", running)) === 2, recoveryMsMax);
  away.socket.destroy();
  busy.socket.destroy();
  await until("it is given back", async () => (await usedOn(gateway, "default/q/running/all", running)) === 0);
  await isUsed(gateway, 2);
});

test("a sidecar that dies while Redis is away loses its own ledger, and nothing else", async () => {
  const quotas = quotaYaml([requests], { extra: share });
  const [dies, lives] = [await start(quotas), await start(quotas)];
  for (let round = 0; round < 4; round++) {
    await served(dies, 1);
    await served(lives, 1);
  }
  for (let i = 0; i < 6; i++) await refreshAll();
  redis.pause();
  const lost = await served(dies, 5);
  const kept = await served(lives, 5);
  expect([lost, kept]).toEqual([5, 5]);
  await dies.close(); // no Redis to tell
  gateways = [lives];
  redis.resume();
  await until("what lives has told its own", () => lives.sidecar.shares.ledgerSize === 0, recoveryMsMax);
  // What the dead one had asked for without an answer Redis does now, and nobody gives it back before its lease ends.
  const isTrue = async (): Promise<boolean> => {
    const units = await usedOn(lives);
    return units >= 8 + kept && units <= 8 + kept + lost;
  };
  await until("all of that is charged, and no more than there was", isTrue, recoveryMsMax);
});

test("with several quotas one that denies refuses, all shares must admit, and one that allows is passed", async () => {
  const small = "{name: l, resource: Requests, limit: 12, window: {type: Fixed, duration: 744h}}";
  const shares = `${quotaYaml([requests], { extra: share })}${quotaYaml([small], { extra: share, name: "small" })}`;
  const open = quotaYaml(["{name: l, resource: Requests, limit: 3, window: {type: Fixed, duration: 744h}}"], {
    extra: "failurePolicy: Allow",
    name: "open",
  });
  const gateway = await start(`${shares}${open}`);
  await served(gateway, 2);
  await isUsed(gateway, 2);
  await refreshAll();
  redis.pause();
  expect(await served(gateway, 20)).toBe(10);
  const closed = quotaYaml([requests], { extra: "failurePolicy: Deny", name: "closed" });
  gateway.reload(openRoute(gateway.provider.url, { quotas: `${shares}${open}${closed}` }));
  expectFault(await ask(gateway, { streamed: false }), { status: 503, code: "quota_store_unavailable", retry: true });
  redis.resume();
  await isUsed(gateway, 12);
  expect(await usedOn(gateway, "default/open/l/all")).toBe(2); // what was allowed is not counted
});

test("tokens are held, cut and charged as Redis would", async () => {
  const tokens = "{name: l, resource: OutputTokens, limit: 60, window: {type: Fixed, duration: 744h}}";
  const gateway = await start(quotaYaml([tokens], { extra: share }));
  await ask(gateway, { streamed: true, fake: "tokens=10" });
  await until("it is settled", async () => (await usedOn(gateway)) === 10);
  await refreshAll();
  redis.pause();
  const body = { max_tokens: 30 };
  expect((await ask(gateway, { streamed: false, fake: "tokens=20", body })).status).toBe(200);
  expect((await ask(gateway, { streamed: false, fake: "tokens=20", body })).status).toBe(200);
  expectFault(await ask(gateway, { streamed: false, fake: "tokens=20", body }), {
    ...{ status: 429, code: "rate_limit_exceeded", retry: true },
  });
  redis.resume();
  await isUsed(gateway, 50);
});
