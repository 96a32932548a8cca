// Quotas that count by Backend, over both stores: spill-over before the call, failover during it, and what each backend is charged.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  ask,
  called,
  common,
  fill,
  hour,
  keyOf,
  perHour,
  quota,
  running,
  startBackends,
  used,
} from "../fixtures/backend-quotas.ts";
import { shortTimeouts } from "../fixtures/bad-input.ts";
import { send, until } from "../fixtures/calls.ts";
import { expectSettled } from "../fixtures/fault-calls.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import type { TestGateway } from "../fixtures/sidecar.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(() => redis.command("FLUSHALL"));
afterAll(() => redis.stop());

const rph = (limit: number, more = ""): string => quota("q", [perHour("rph", "Requests", limit, more)]);
const decision = (name: string, count: number, limit = "rph"): string =>
  `sidegate_quota_decisions_total{quota="default/q",limit="${limit}",decision="${name}"} ${count}\n`;
const retries = "retry: {attempts: 3}";

describe.each([{ store: "memory" }, { store: "Redis" }])("by Backend, in $store:", ({ store }) => {
  let gateway: TestGateway;
  const start = async (...[quotas, options]: Parameters<typeof startBackends>): Promise<void> => {
    gateway = await startBackends(quotas, { ...options, ...(store === "Redis" && { redisUrl: redis.url }) });
  };
  const metrics = (): Promise<string> => gateway.sidecar.metrics.registry.metrics();
  const usedBy = async (limit: string, window = hour): Promise<Record<string, number>> => {
    const rows = ["a", "b", "c", "dead"].map(
      async (name) => [name, await used(gateway, `q/${limit}/backend=test/${name}`, window)] as const,
    );
    return Object.fromEntries((await Promise.all(rows)).filter(([, units]) => units > 0));
  };
  afterEach(async () => {
    await expectSettled(gateway);
    await gateway.close();
  });

  test("the next backend takes what the first has no room for; then the refusal names one of them", async () => {
    await start(rph(1) + common);
    for (const name of ["a", "b"]) expect((await ask(gateway)).headers.get("x-sidegate-backend")).toBe(name);
    const third = await ask(gateway);
    expect([third.status, third.headers.get("x-sidegate-backend"), called(gateway)]).toEqual([429, null, "ab"]);
    expect(third.json.error?.message).toMatch(/quota default\/q, limit rph .* for backend=test\/[ab];/);
    await expectSettled(gateway);
    expect(await usedBy("rph")).toEqual({ a: 1, b: 1 });
    expect(await used(gateway, "common/rph/all")).toBe(2);
    expect(await metrics()).toContain(decision("spilled_over", 1));
    expect(await metrics()).toContain(decision("refused", 1));
  });

  test("the refusal is of the backend that has room first", async () => {
    await start(rph(2) + quota("places", ["{name: run, resource: Concurrency, limit: 1}"]), { rule: shortTimeouts });
    await ask(gateway);
    await ask(gateway); // a is spent for an hour
    gateway.provider.behaveFor(keyOf.b, "delay=300");
    const busy = ask(gateway); // b is busy for a moment
    await until("b runs", () => gateway.provider.openRequests === 1);
    const refused = await ask(gateway);
    expect([refused.status, refused.json.error?.code]).toEqual([429, "rate_limit_exceeded"]);
    expect(refused.json.error?.message).toContain(
      "quota default/places, limit run (1 requests at once) for backend=test/b;",
    );
    expect((await busy).status).toBe(200);
  });

  test("where another quota refuses, too, no other backend is asked for room", async () => {
    await start(rph(1) + quota("common", [perHour("rph", "Requests", 1)], ""));
    await ask(gateway);
    const store = gateway.stores.quota;
    const reserve = store.reserve.bind(store);
    const asked: string[] = [];
    Object.assign(store, {
      reserve: (request: Parameters<typeof reserve>[0]) => {
        asked.push(...request.claims.map(({ counter }) => counter));
        return reserve(request);
      },
    });
    expect((await ask(gateway)).status).toBe(429);
    expect(asked.toSorted()).toEqual(["default/common/rph/all", "default/q/rph/backend=test/a"]);
    expect(called(gateway)).toBe("a");
    expect(await metrics()).not.toContain('decision="spilled_over"');
  });

  test("a backend that fails counts a request and nothing else, and its place is free while the next one is called", async () => {
    const all = [perHour("rph", "Requests", 9), perHour("tph", "TotalTokens", 999)];
    await start(quota("q", [...all, "{name: run, resource: Concurrency, limit: 2}"]) + common);
    gateway.provider.behaveFor(keyOf.a, "status=503");
    gateway.provider.behaveFor(keyOf.b, "delay=300");
    const answering = ask(gateway);
    await until("b is called", () => called(gateway) === "ab");
    expect([await usedBy("run", running), await usedBy("rph")]).toEqual([{ b: 1 }, { a: 1, b: 1 }]);
    expect(Object.keys(await usedBy("tph"))).toEqual(["b"]);
    expect(await used(gateway, "common/run/all", running)).toBe(1);
    const answer = await answering;
    expect(answer.headers.get("x-sidegate-backend")).toBe("b");
    const shown = [...(answer.headers.get("ratelimit") ?? "").matchAll(/"([^"]+)";r=(\d+)/g)].map((found) => found[1]);
    expect(shown.toSorted()).toEqual(["common/rph", "common/tph", "q/rph", "q/tph"]);
    expect(answer.headers.get("x-ratelimit-remaining-requests")).toBe("8");
    await expectSettled(gateway);
    const { total_tokens: tokens } = answer.json.usage as { total_tokens: number };
    expect([await usedBy("run", running), await usedBy("rph"), await usedBy("tph")]).toEqual([
      {},
      { a: 1, b: 1 },
      { b: tokens },
    ]);
    expect([await used(gateway, "common/rph/all"), await used(gateway, "common/tph/all")]).toEqual([1, tokens]);
  });

  test("a backend that nothing reached counts nothing", async () => {
    await start(rph(5) + common, { refs: ["dead", "b"] });
    expect((await ask(gateway)).status).toBe(200);
    await expectSettled(gateway);
    expect([await usedBy("rph"), await used(gateway, "common/rph/all")]).toEqual([{ b: 1 }, 1]);
  });

  test("nor does the last one, where only another had the request", async () => {
    await start(rph(5) + common, { refs: ["a", "dead"] });
    gateway.provider.behaveFor(keyOf.a, "status=503");
    expect((await ask(gateway)).status).toBe(502);
    await expectSettled(gateway);
    expect([await usedBy("rph"), await used(gateway, "common/rph/all")]).toEqual([{ a: 1 }, 1]);
    expect(await used(gateway, "common/tph/all")).toBe(0);
  });

  test("a failure passes over a backend without room", async () => {
    await start(rph(1), { refs: ["a", "b", "c"] });
    await fill(gateway, "q/rph/backend=test/b", 1);
    gateway.provider.behaveFor(keyOf.a, "status=503");
    expect((await ask(gateway)).headers.get("x-sidegate-backend")).toBe("c");
    expect(called(gateway)).toBe("ac");
    expect(await metrics()).toContain(decision("spilled_over", 1));
  });

  test("a failure after which no backend has room is told as the failure, and counts", async () => {
    await start(rph(1) + common);
    await fill(gateway, "q/rph/backend=test/b", 1);
    gateway.provider.behaveFor(keyOf.a, "status=503");
    const answer = await ask(gateway);
    expect([answer.status, answer.json.error?.code, called(gateway)]).toEqual([500, "upstream_error", "a"]);
    expect(answer.headers.get("x-should-retry")).toBe("true");
    await expectSettled(gateway);
    expect([await usedBy("rph"), await used(gateway, "common/rph/all")]).toEqual([{ a: 1, b: 1 }, 1]);
    expect(await used(gateway, "common/tph/all")).toBe(0);
  });

  test("room that another caller takes while the first backend fails is a refusal, which tells of the next one's counters", async () => {
    await start(rph(9) + common);
    await ask(gateway); // now Redis knows the scripts: what is given back is there before the next reserve
    const store = gateway.stores.quota;
    const reserve = store.reserve.bind(store);
    let asked = 0;
    Object.assign(store, {
      reserve: async (request: Parameters<typeof reserve>[0]) => {
        asked++;
        if (asked === 2) await fill(gateway, "common/tph/all", 100_000);
        return reserve(request);
      },
    });
    gateway.provider.behaveFor(keyOf.a, "status=503");
    const answer = await ask(gateway);
    expect([answer.status, called(gateway)]).toEqual([429, "aa"]);
    expect(answer.json.error?.message).toContain("quota default/common, limit tph");
    expect(answer.headers.get("ratelimit")).toMatch(/^"common\/tph";r=0;t=\d+, "q\/rph";r=9;t=\d+$/); // b's, which has had none
    await expectSettled(gateway);
    expect([await usedBy("rph"), await used(gateway, "common/rph/all")]).toEqual([{ a: 2 }, 2]);
    expect(await used(gateway, "common/run/all", running)).toBe(0);
  });

  test("the second backend's silence is charged to it as held, whatever the first one answered", async () => {
    await start(quota("q", [perHour("tph", "OutputTokens", 999)]), { rule: `${retries}\n      ${shortTimeouts}` });
    gateway.provider.behaveFor(keyOf.a, "status=503");
    gateway.provider.behaveFor(keyOf.b, "hang=headers");
    expect((await ask(gateway)).status).toBe(504);
    await expectSettled(gateway);
    expect(await usedBy("tph")).toEqual({ b: 20 });
  });

  test("a request that is bound to one backend goes to no other", async () => {
    await start(rph(1));
    await fill(gateway, "q/rph/backend=test/a", 1);
    const body = { model: "gpt-4o", input: "hi", previous_response_id: "resp_1" };
    const answer = await send(`${gateway.url}/v1/responses`, { body });
    expect([answer.status, called(gateway)]).toEqual([429, ""]);
    expect(answer.json.error?.message).toContain("for backend=test/a;");
  });

  test("nor does one whose rule tries no other", async () => {
    await start(rph(1), { rule: "retry: {attempts: 0}" });
    await fill(gateway, "q/rph/backend=test/a", 1);
    expect([(await ask(gateway)).status, called(gateway)]).toEqual([429, ""]);
  });

  test("in mode Audit nothing is passed over, and all is counted", async () => {
    await start(quota("q", [perHour("rph", "Requests", 1)], "mode: Audit\n  per: [Backend]"));
    await fill(gateway, "q/rph/backend=test/a", 1);
    gateway.provider.behaveFor(keyOf.a, "status=503");
    await fill(gateway, "q/rph/backend=test/b", 1);
    expect((await ask(gateway)).status).toBe(200);
    await expectSettled(gateway);
    expect([called(gateway), await usedBy("rph")]).toEqual(["ab", { a: 2, b: 2 }]);
    expect(await metrics()).toContain(decision("would_refuse", 2));
  });

  test("an answer from the cache is no request of a backend", async () => {
    await start(rph(5) + common, { rule: "cache: {exact: {ttl: 5m, when: Always}}" });
    await ask(gateway);
    await until("it is cached", async () => (await ask(gateway)).headers.get("cache-status")?.includes("hit") === true);
    await expectSettled(gateway);
    expect((await usedBy("rph")).a).toBe(gateway.provider.requests.length);
    expect(await used(gateway, "common/rph/all")).toBeGreaterThan(gateway.provider.requests.length);
  });

  test("a downgrade comes when no backend has room for the model", async () => {
    await start(rph(1, ", models: [gpt-4o], onExceeded: {action: Downgrade, model: gpt-4o-mini}"));
    const downgraded = async () => (await ask(gateway)).headers.get("x-sidegate-downgraded-from");
    expect([await downgraded(), await downgraded(), await downgraded()]).toEqual([null, null, "gpt-4o"]);
    expect(called(gateway)).toBe("aba");
    expect(await metrics()).toContain(decision("downgraded", 1));
  });

  test("the next backend is asked for no more output than its own quota has room for", async () => {
    await start(quota("q", [perHour("out", "OutputTokens", 5_000)]));
    await fill(gateway, "q/out/backend=test/b", 4_900);
    gateway.provider.behaveFor(keyOf.a, "status=503");
    expect((await ask(gateway, { max_tokens: undefined })).status).toBe(200);
    const caps = gateway.provider.requests.map(
      ({ body }) => JSON.parse(body.toString()).max_completion_tokens as number,
    );
    expect(caps).toEqual([5_000, 100]);
  });

  test("a maximum that the client named is held whole, or the backend is passed over", async () => {
    await start(quota("q", [perHour("out", "OutputTokens", 5_000)]), { refs: ["a", "b", "c"] });
    await fill(gateway, "q/out/backend=test/b", 4_900);
    gateway.provider.behaveFor(keyOf.a, "status=503");
    expect((await ask(gateway, { max_tokens: 101 })).status).toBe(200);
    expect(called(gateway)).toBe("ac");
  });

  test("streams are counted as all others", async () => {
    await start(quota("q", [perHour("tph", "OutputTokens", 999)]));
    gateway.provider.behaveFor(keyOf.a, "status=429;retry-after=0");
    gateway.provider.behaveFor(keyOf.b, "tokens=7");
    expect((await ask(gateway, { stream: true })).text).toContain("[DONE]");
    await expectSettled(gateway);
    expect(await usedBy("tph")).toEqual({ b: 7 });
  });

  test("who combines parts has a counter for each combination", async () => {
    await start(quota("q", [perHour("rph", "Requests", 1)], "per: [Backend, Model]"));
    for (const model of ["gpt-4o", "gpt-4o-mini"]) expect((await ask(gateway, { model })).status).toBe(200);
    expect(called(gateway)).toBe("aa");
    expect(await used(gateway, "q/rph/backend=test/a:model=gpt-4o-mini")).toBe(1);
  });

  test("the audit's intent names the backend that is held for", async () => {
    await start(rph(1));
    await ask(gateway);
    await ask(gateway);
    const intents = gateway.audit.records.filter(({ record }) => record === "intent");
    expect(intents.map(({ backend }) => backend)).toEqual(["a", "b"]);
  });
});
