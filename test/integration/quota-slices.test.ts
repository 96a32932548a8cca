// precision: Leased through real HTTP over a real Redis: what it spares, that nothing is above the limit, and what an outage does.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { WindowSpec } from "../../src/base/window.ts";
import { judge } from "../../src/cli/quota/check/judgement.ts";
import { readRedis } from "../../src/cli/quota/check/reading.ts";
import { RedisLink } from "../../src/redis/link.ts";
import { readResources } from "../../src/resources/read.ts";
import { until } from "../fixtures/calls.ts";
import { ask } from "../fixtures/fault-calls.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import { openRoute, quotaYaml, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

const month: WindowSpec = { type: "Fixed", durationMs: 744 * 3_600_000 };
const leased = "precision: Leased";
const requests = (limit: number): string =>
  `{name: l, resource: Requests, limit: ${limit}, window: {type: Fixed, duration: 744h}}`;

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

const start = async (quotas: string): Promise<TestGateway> => {
  const gateway = await startTestGateway({ redisUrl: redis.url, yaml: (url) => openRoute(url, { quotas }) });
  gateways.push(gateway);
  return gateway;
};
const statuses = async (gateway: TestGateway, times: number, atOnce = 8): Promise<number[]> => {
  const seen: number[] = [];
  const worker = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) seen.push((await ask(gateway, { streamed: false })).status);
  };
  await Promise.all(Array.from({ length: atOnce }, () => worker(times / atOnce)));
  return seen;
};
const used = (gateway: TestGateway): Promise<number> => gateway.stores.quota.peek("default", "default/q/l/all", month);
const scripts = async (): Promise<number> =>
  Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.command("INFO commandstats"))?.[1] ?? 0);
const metric = async (gateway: TestGateway, name: string): Promise<string> =>
  (await (await fetch(`${gateway.sidecar.adminUrl}/metrics`)).text())
    .split("\n")
    .filter((line) => line.startsWith(name))
    .join("\n");

test("a thousand requests cost Redis a twentieth of the calls, and are counted to the last one", async () => {
  const costs: number[] = [];
  for (const extra of ["", leased]) {
    for (const gateway of gateways.splice(0)) await gateway.close(); // it would tell again what is flushed
    await redis.command("FLUSHALL");
    const gateway = await start(quotaYaml([requests(1_000_000)], { extra }));
    const warm = (await statuses(gateway, 8)).filter((status) => status === 200).length;
    await redis.command("CONFIG RESETSTAT");
    const served = (await statuses(gateway, 1_000)).filter((status) => status === 200).length;
    expect(served, "a busy machine may keep Redis waiting for one or the other").toBeGreaterThan(900);
    costs.push((await scripts()) / served);
    await until("all is told", async () => (await used(gateway).catch(() => -1)) === warm + served, 8_000);
    await until("nothing is held", async () => (await gateway.stores.quota.liveHolds("default")) === 0);
  }
  const [exact = 0, sliced = 0] = costs;
  expect(exact).toBeGreaterThanOrEqual(2);
  expect(sliced).toBeLessThan(exact / 20);
  const [gateway] = gateways;
  if (!gateway) throw new Error("the last one runs");
  expect(await metric(gateway, "sidegate_quota_slice_claims_total")).toMatch(
    /quota="default\/q",limit="l",by="slice"\} (9|10)\d\d/,
  );
  expect(await metric(gateway, "sidegate_quota_slice_refills_total")).toMatch(/limit="l"\} \d+/);
  expect(await metric(gateway, "sidegate_quota_slices ")).toMatch(/ \d+$/);
});

test("three sidecars together admit the limit, not one more, and not one less when slices are back", async () => {
  const quotas = quotaYaml([requests(400)], { extra: leased });
  const all = [await start(quotas), await start(quotas), await start(quotas)];
  const rounds = async (): Promise<number> =>
    (await Promise.all(all.map((each) => statuses(each, 200)))).flat().filter((status) => status === 200).length;
  let served = await rounds();
  expect(served).toBeGreaterThan(300);
  expect(served).toBeLessThanOrEqual(400);
  await until(
    "unused rests are back",
    async () => (await used(gateways[0] as TestGateway).catch(() => -1)) === served,
    8_000,
  );
  served += await rounds();
  expect(served).toBe(400);
  const refused = await ask(gateways[0] as TestGateway, { streamed: false });
  expect([refused.status, refused.headers["ratelimit"]]).toEqual([429, expect.stringMatching(/^"q\/l";r=0;t=\d+$/)]);
});

test("quota check and status find nothing wrong with slices that come and go, and calls that outlive them", async () => {
  const tokens = "{name: l, resource: OutputTokens, limit: 100000, window: {type: Fixed, duration: 744h}}";
  const quotas = quotaYaml([tokens], { extra: leased });
  const all = [await start(quotas), await start(quotas)];
  const link = new RedisLink({
    ...{ place: { url: redis.url }, log: silentLog(), clock: systemClock, name: "check", timeoutMs: 5_000 },
  });
  await link.ready();
  const known = readResources([{ path: "q.yaml", text: quotas }]).quotas;
  let isRunning = true;
  const load = Promise.all(
    all.flatMap((each) =>
      Array.from({ length: 6 }, async (_, at) => {
        while (isRunning)
          await ask(each, {
            streamed: true,
            fake: at === 0 ? "tokens=30;every=100" : "tokens=9",
            body: { max_tokens: 40 },
          });
      }),
    ),
  );
  const untilMs = performance.now() + 4_000;
  while (performance.now() < untilMs) {
    const failed = judge(await readRedis(link, undefined), known).filter(({ verdict }) => verdict === "failed");
    expect(failed).toEqual([]);
  }
  isRunning = false;
  await load;
  link.close();
  expect(await metric(all[0] as TestGateway, "sidegate_quota_slice_claims_total")).toContain('by="slice"');
  await until(
    "nothing is held",
    async () => (await (all[0] as TestGateway).stores.quota.liveHolds("default")) === 0,
    8_000,
  );
});

test("with shares: Redis stands still, the slice goes on, then the share; afterwards Redis has all of it", async () => {
  const quotas = quotaYaml([requests(2_000)], { extra: `${leased}\n  failurePolicy: LocalShare` });
  const gateway = await start(quotas);
  const count = async (times: number): Promise<number> =>
    (await statuses(gateway, times, 1)).filter((status) => status === 200).length;
  let served = 0;
  for (let i = 0; i < 6; i++) {
    served += await count(20);
    await gateway.sidecar.shares.refresh();
  }
  redis.pause();
  await sleep(2_200); // the slice is over
  const byShare = await count(40);
  expect(byShare).toBe(40);
  redis.resume();
  served += byShare;
  await until("all is told", async () => (await used(gateway).catch(() => -1)) === served, 8_000);
  expect(gateway.sidecar.shares.ledgerSize).toBe(0);
});

test("what is told to callers counts down, and the limit is the whole one", async () => {
  const gateway = await start(quotaYaml([requests(1_000)], { extra: leased }));
  const left: number[] = [];
  for (let i = 0; i < 30; i++) {
    const { headers } = await ask(gateway, { streamed: false });
    expect(headers["ratelimit-policy"]).toBe('"q/l";q=1000;w=2678400');
    left.push(Number(/r=(\d+)/.exec(String(headers["ratelimit"]))?.[1]));
  }
  expect(left).toEqual(Array.from({ length: 30 }, (_, i) => 999 - i));
});

test("Redis stands still: slices go on within their time, then failurePolicy decides; afterwards all is told", async () => {
  const gateway = await start(quotaYaml([requests(100_000)], { extra: leased }));
  let served = 0;
  const answered = async (): Promise<number> => {
    const { status } = await ask(gateway, { streamed: false });
    if (status === 200) served++;
    return status;
  };
  for (let i = 0; i < 200; i++) await answered();
  redis.pause();
  const before = served;
  await answered();
  await answered();
  expect(served - before).toBeGreaterThan(0);
  await until("the slice is over", async () => (await answered()) === 503, 5_000);
  redis.resume();
  await until("Redis is back", async () => (await answered()) === 200, 8_000);
  await until("nothing is held", async () => (await gateway.stores.quota.liveHolds("default")) === 0, 8_000);
  await until("all is told", async () => (await used(gateway).catch(() => -1)) === served, 8_000);
});

test("with exact limits, downgrade and a month's budget beside it, one refusal gives all back", async () => {
  const quotas = `${quotaYaml([requests(1_000)], { extra: leased })}${quotaYaml([requests(12)], { name: "small" })}`;
  const gateway = await start(quotas);
  const seen = await statuses(gateway, 40, 1);
  expect(seen.filter((status) => status === 200)).toHaveLength(12);
  await until("only what was served is counted", async () => (await used(gateway).catch(() => -1)) === 12, 8_000);
});

test("a sidecar that is stopped has given its slices back", async () => {
  const gateway = await start(quotaYaml([requests(100_000)], { extra: leased }));
  const other = await start(quotaYaml([requests(100_000)], { extra: leased }));
  await statuses(gateway, 200);
  expect(gateway.sidecar.slices.slices).toBe(1);
  gateways = [other];
  await gateway.close();
  expect([await used(other), await other.stores.quota.liveHolds("default")]).toEqual([200, 0]);
});
