// Redis is refused, or frozen, at the start or later: faults 1 and 2 as a client sees them. Each quota's failurePolicy decides,
// the cache is skipped, and nobody waits.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { shortTimeouts } from "../fixtures/bad-input.ts";
import { until } from "../fixtures/calls.ts";
import { ask, bothWays, callBytes, expectFault } from "../fixtures/fault-calls.ts";
import { openRaw, type RawAnswer } from "../fixtures/raw-http.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import { openRoute, quotaYaml, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

/** A command's timeout is 50 ms; the rest is for a busy machine. */
const refusalMsMax = 400;
const recoveryMsMax = 5_000;
const limit = "{name: rph, resource: Requests, limit: 1000000, window: {type: Fixed, duration: 1h}}";
const inFlight = "{name: inflight, resource: Concurrency, limit: 1000}";

let redis: TestRedis;
let gateway: TestGateway;
beforeAll(async () => {
  redis = await startRedis();
});
// calls whose reserve was frozen may hold until their lease ends; the next test shall not count them
beforeEach(() => redis.command("FLUSHALL"));
afterEach(async () => {
  redis.resume();
  await gateway.close();
});
afterAll(() => redis.stop());

const quotas = (policy: string): string => quotaYaml([limit, inFlight], { extra: `failurePolicy: ${policy}` });
const start = (yaml: string, options: { rule?: string } = {}): Promise<TestGateway> =>
  startTestGateway({
    redisUrl: redis.url,
    yaml: (url) => openRoute(url, { rule: options.rule ?? shortTimeouts, quotas: yaml }),
  });

/** How the store is away. */
const ways = {
  refused: { leave: () => redis.kill(), comeBack: () => redis.start() },
  frozen: { leave: async () => redis.pause(), comeBack: async () => redis.resume() },
} as const;
const cases = Object.keys(ways).flatMap((way) => bothWays.map((both) => ({ ...both, way: way as keyof typeof ways })));

const timed = async (call: () => Promise<RawAnswer>): Promise<{ answer: RawAnswer; ms: number }> => {
  const startedMs = performance.now();
  const answer = await call();
  return { answer, ms: performance.now() - startedMs };
};
const metrics = (): Promise<string> => gateway.sidecar.metrics.registry.metrics();

describe.each(cases)("a Redis that is $way, $how,", ({ way, streamed }) => {
  test("refuses where the quota says Deny: at once, with a wait of 1 to 5 s, and nothing is sent", async () => {
    gateway = await start(quotas("Deny"));
    expect((await ask(gateway, { streamed })).status).toBe(200);
    await ways[way].leave();
    for (let i = 0; i < 8; i++) {
      const { answer, ms } = await timed(() => ask(gateway, { streamed }));
      expectFault(answer, { status: 503, code: "quota_store_unavailable", retry: true });
      expect(Number(answer.headers["retry-after"])).toBeGreaterThanOrEqual(1);
      expect(Number(answer.headers["retry-after"])).toBeLessThanOrEqual(5);
      expect(ms).toBeLessThan(refusalMsMax);
    }
    expect(gateway.provider.requests).toHaveLength(1);
    expect(await metrics()).toMatch(/sidegate_quota_unenforced_total\{decision="denied"\} 8/);
    expect(await metrics()).toMatch(/sidegate_store_up 0/);
    await ways[way].comeBack();
    await until("it serves again", async () => (await ask(gateway, { streamed })).status === 200, recoveryMsMax);
  });

  test("serves where the quota says Allow, and says so in a metric", async () => {
    gateway = await start(quotas("Allow"));
    await ways[way].leave();
    for (let i = 0; i < 8; i++) {
      const { answer, ms } = await timed(() => ask(gateway, { streamed }));
      expect(answer.status).toBe(200);
      expect(ms).toBeLessThan(refusalMsMax);
    }
    expect(gateway.provider.requests).toHaveLength(8);
    expect(await metrics()).toMatch(/sidegate_quota_unenforced_total\{decision="allowed"\} 8/);
    await ways[way].comeBack();
  });

  test("skips the cache, and fills and uses it again afterwards", async () => {
    const cache = "cache: {exact: {ttl: 1h, when: Always}}";
    gateway = await start(quotas("Allow"), { rule: cache });
    const body = { messages: [{ role: "user", content: `${way} ${streamed} ${Date.now()}` }] };
    const status = async (): Promise<string> => (await ask(gateway, { streamed, body })).headers["cache-status"] ?? "";
    expect(await status()).toMatch(/fwd/);
    await until("it is filled", async () => /hit/.test(await status()));
    await ways[way].leave();
    expect(await status()).not.toMatch(/hit/);
    await ways[way].comeBack();
    await until("it is used again", async () => /hit/.test(await status()), recoveryMsMax);
  });

  test("in the middle of a call changes nothing for it, and it is settled when the store is back", async () => {
    gateway = await start(quotas("Deny"));
    const raw = await openRaw(gateway.url);
    raw.write(callBytes({ streamed, fake: streamed ? "every=30" : "delay=300" }));
    await until("the provider has it", () => gateway.provider.requests.length === 1);
    await ways[way].leave();
    const [answer] = await raw.answered(1);
    raw.socket.destroy();
    expect(answer?.status).toBe(200);
    await until("it waits to be settled", () => gateway.sidecar.settler.pending > 0);
    await ways[way].comeBack();
    await until("it is settled", () => gateway.sidecar.settler.pending === 0, recoveryMsMax);
    await until(
      "no hold is left",
      async () => (await gateway.stores.quota.liveHolds("default").catch(() => 1)) === 0,
      recoveryMsMax,
    );
  });

  test("at the start keeps nobody waiting: it serves or refuses as the quota says, and recovers", async () => {
    await ways[way].leave();
    const startedMs = performance.now();
    gateway = await start(quotas("Deny"));
    expect(performance.now() - startedMs).toBeLessThan(3_000);
    expectFault(await ask(gateway, { streamed }), { status: 503, code: "quota_store_unavailable", retry: true });
    await ways[way].comeBack();
    await until("it serves", async () => (await ask(gateway, { streamed })).status === 200, recoveryMsMax);
  });
});

describe("with several quotas", () => {
  test("one that denies is enough; one in mode Audit denies nothing", async () => {
    const both = `${quotaYaml([limit], { name: "a", extra: "failurePolicy: Allow" })}${quotaYaml([limit], { name: "b", extra: "failurePolicy: Deny" })}`;
    gateway = await start(both);
    redis.pause();
    expectFault(await ask(gateway, { streamed: false }), { status: 503, code: "quota_store_unavailable", retry: true });
    gateway.reload(
      openRoute(gateway.provider.url, { quotas: quotaYaml([limit], { extra: "mode: Audit\n  failurePolicy: Deny" }) }),
    );
    expect((await ask(gateway, { streamed: false })).status).toBe(200);
  });

  test("a route without quotas needs no store", async () => {
    gateway = await start("");
    redis.pause();
    const { answer, ms } = await timed(() => ask(gateway, { streamed: true }));
    expect(answer.status).toBe(200);
    expect(ms).toBeLessThan(refusalMsMax);
  });
});
