// Each failurePolicy over everything that Redis can do: refuse, freeze, be slow, be full, be a replica, load, be busy, be cut, forget
// its scripts or its data. Nobody waits longer than the timeout of a command, and afterwards the counters are the truth.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { WindowSpec } from "../../src/base/window.ts";
import { shortTimeouts } from "../fixtures/bad-input.ts";
import { until } from "../fixtures/calls.ts";
import { ask, errorIn, expectFault } from "../fixtures/fault-calls.ts";
import type { RawAnswer } from "../fixtures/raw-http.ts";
import { startProxy, startRedis, type TestProxy, type TestRedis } from "../fixtures/redis.ts";
import { openRoute, quotaYaml, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

/** A command's timeout is 50 ms; the rest is for a busy machine. */
const answerMsMax = 400;
const recoveryMsMax = 8_000;
const limit = 10;
const window: WindowSpec = { type: "Fixed", durationMs: 744 * 3_600_000 };
/** Requests before Redis leaves. */
const chargedBefore = 2;
const counter = "default/q/rph/all";
const limits = [
  `{name: rph, resource: Requests, limit: ${limit}, window: {type: Fixed, duration: 744h}}`,
  "{name: inflight, resource: Concurrency, limit: 5}",
];

let redis: TestRedis;
let proxy: TestProxy;
let gateway: TestGateway;
beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(async () => {
  await redis.command("FLUSHALL");
  proxy = await startProxy(redis.port);
});
afterEach(async () => {
  redis.resume();
  await gateway.close();
  await proxy.stop();
});
afterAll(() => redis.stop());

/** Starts a sidecar that has charged `chargedBefore`. On a busy machine a command's time may pass while Redis is there: then begins anew. */
const start = async (policy: string, commandTimeoutMs?: number): Promise<void> => {
  const quotas = quotaYaml(limits, { extra: `failurePolicy: ${policy}` });
  for (;;) {
    gateway = await startTestGateway({
      ...{ redisUrl: proxy.url, commandTimeoutMs },
      yaml: (url) => openRoute(url, { rule: shortTimeouts, quotas }),
    });
    for (let i = 0; i < chargedBefore; i++) await ask(gateway, { streamed: false });
    await gateway.sidecar.shares.refresh();
    if ((await used()) === chargedBefore && !(await metrics()).includes(unenforced)) return;
    await gateway.close();
    await redis.command("FLUSHALL");
  }
};
const timed = async (streamed: boolean): Promise<RawAnswer> => {
  const startedMs = performance.now();
  const answer = await ask(gateway, { streamed });
  expect(performance.now() - startedMs).toBeLessThan(answerMsMax);
  return answer;
};
const used = (): Promise<number> => gateway.stores.quota.peek("default", counter, window).catch(() => -1);
const unenforced = "sidegate_quota_unenforced_total{";
const metrics = (): Promise<string> => gateway.sidecar.metrics.registry.metrics();
const reply = (text: string) => ({
  leave: async () => {
    proxy.answer = Buffer.from(`${text}\r\n`);
  },
  comeBack: async () => {
    proxy.answer = undefined;
  },
});

/** How Redis is away, and how it comes back; `isEmptied`: without its data. */
interface Fault {
  readonly leave: () => Promise<unknown>;
  readonly comeBack: () => Promise<unknown>;
  readonly isEmptied?: boolean;
}
const faults: Readonly<Record<string, Fault>> = {
  "1, 7: refused, and empty afterwards": {
    leave: () => redis.kill(),
    comeBack: () => redis.start(),
    isEmptied: true,
  },
  "2: frozen": { leave: async () => redis.pause(), comeBack: async () => redis.resume() },
  "3: slow": {
    leave: async () => {
      proxy.delayMs = 200;
    },
    comeBack: async () => {
      proxy.delayMs = 0;
    },
  },
  "5: full": {
    leave: () => redis.command("CONFIG SET maxmemory 1"),
    comeBack: () => redis.command("CONFIG SET maxmemory 0"),
  },
  "4, 6: a replica that takes no writes": {
    leave: () => redis.command("REPLICAOF 127.0.0.1 1"),
    comeBack: () => redis.command("REPLICAOF NO ONE"),
  },
  "6: loading": reply("-LOADING Redis is loading the dataset in memory"),
  "6: busy": reply("-BUSY Redis is busy running a script"),
  "6: CLUSTERDOWN": reply("-CLUSTERDOWN The cluster is down"),
  "6: no Redis at all": reply("HTTP/1.1 400 Bad Request"),
};

describe.each(Object.entries(faults))("fault %s:", (_, { leave, comeBack, isEmptied = false }) => {
  const back = async (): Promise<void> => {
    await comeBack();
    await until("the store is back", async () => (await used()) >= 0, recoveryMsMax);
  };
  /** What was charged before is gone with the data, or the sidecar remembers it. */
  const becomes = (truth: number): Promise<void> =>
    until(
      "the counter is the truth",
      async () => {
        const now = await used();
        return now === truth || (isEmptied && now === truth - chargedBefore);
      },
      recoveryMsMax,
    );

  test("Deny refuses, and counts nothing that it refused", async () => {
    await start("Deny");
    await leave();
    for (let i = 0; i < 7; i++)
      expectFault(await timed(i % 2 === 0), { status: 503, code: "quota_store_unavailable", retry: true });
    await back();
    await becomes(chargedBefore);
    expect((await ask(gateway, { streamed: false })).status).toBe(200);
  });

  test("Allow serves, and counts nothing that it served", async () => {
    await start("Allow");
    await leave();
    for (let i = 0; i < 12; i++) expect((await timed(i % 2 === 0)).status).toBe(200);
    await back();
    await becomes(chargedBefore);
  });

  test("LocalShare serves what was left and no more, and charges it once", async () => {
    await start("LocalShare");
    await leave();
    for (let i = chargedBefore; i < limit; i++) {
      const answer = await timed(i % 2 === 0);
      expect(answer.status).toBe(200);
      expect(answer.headers["ratelimit-policy"]).toBe('"q/rph";q=8;w=2678400;local-share');
      expect(answer.headers.ratelimit).toMatch(new RegExp(`^"q/rph";r=${limit - i - 1};t=`));
    }
    for (let i = 0; i < 3; i++) {
      const refused = await timed(i % 2 === 0);
      expectFault(refused, { status: 429, code: "rate_limit_exceeded", retry: true });
      expect(errorIn(refused).message).toContain("while the quota store is away, this sidecar's share of 10 requests");
      expect(Number(refused.headers["retry-after"])).toBeLessThanOrEqual(5);
      expect(refused.headers["ratelimit-policy"]).toBe('"q/rph";q=8;w=2678400;local-share');
      expect(refused.headers.ratelimit).toMatch(/^"q\/rph";r=0;t=[0-9]+$/);
    }
    expect(gateway.provider.requests).toHaveLength(limit);
    expect(await metrics()).toMatch(/sidegate_quota_unenforced_total\{decision="local_admitted"\} 8/);
    expect(await metrics()).toMatch(/sidegate_quota_unenforced_total\{decision="local_refused"\} 3/);
    expect(gateway.sidecar.shares.ledgerSize).toBeGreaterThan(0);
    expect(gateway.audit.records.filter((record) => record.quota === "local_share")).toHaveLength(8);
    await back();
    await until("the ledger is empty", () => gateway.sidecar.shares.ledgerSize === 0, recoveryMsMax);
    await becomes(limit);
    expect(await gateway.stores.quota.peek("default", "default/q/inflight/all", { type: "Concurrency" })).toBe(0);
    expect(await metrics()).toMatch(/sidegate_quota_ledger_entries 0/);
    if (isEmptied) return;
    expectFault(await ask(gateway, { streamed: false }), { status: 429, code: "insufficient_quota", retry: false });
  });
});

describe.each(["Deny", "Allow", "LocalShare"])("under %s", (policy) => {
  test("fault 6: forgotten scripts are told again, and nobody notices", async () => {
    await start(policy, 2_000);
    await redis.command("SCRIPT FLUSH");
    for (let i = chargedBefore; i < limit; i++)
      expect((await ask(gateway, { streamed: i % 2 === 0 })).status).toBe(200);
    expect((await ask(gateway, { streamed: false })).status).toBe(429);
    expect(await metrics()).not.toContain(unenforced);
  });

  test("fault 6: a reply that is cut off fails the call or not, as the policy says, and is counted once at most", async () => {
    await start(policy);
    proxy.cutNextReply();
    const { status } = await timed(false);
    const isItsOwn = (await metrics()).includes(unenforced); // not that of a mark or of a share, which come by themselves
    expect(status).toBe(policy === "Deny" && isItsOwn ? 503 : 200);
    const truth = policy === "LocalShare" || !isItsOwn ? 3 : 2;
    await until("the counter is the truth", async () => (await used()) === truth, recoveryMsMax);
  });
});
