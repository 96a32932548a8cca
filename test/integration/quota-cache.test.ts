import { afterEach, describe, expect, test } from "vitest";
import { StoreUnavailable } from "../../src/sidecar/ports/store-unavailable.ts";
import { chat, send, until } from "../fixtures/calls.ts";
import { openRoute, quotaYaml, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

let gateway: TestGateway;
afterEach(() => gateway.close());
const ask = (content: string, more: Record<string, unknown> = {}, headers: Record<string, string> = {}) =>
  send(`${gateway.url}/v1/chat/completions`, { body: chat(content, more), headers });
const withQuota = (...limits: string[]) =>
  startTestGateway({ yaml: (url) => openRoute(url, { quotas: quotaYaml(limits) }) });
const perMinute = "window: {type: Sliding, duration: 1m}";

describe("quotas", () => {
  test("Requests: the one after the last is a retryable 429 that names quota, limit and reset", async () => {
    gateway = await withQuota(`{name: rpm, resource: Requests, limit: 2, ${perMinute}}`);
    expect((await ask("1")).headers.get("ratelimit")).toMatch(/^"q\/rpm";r=1;t=\d+$/);
    expect((await ask("2")).status).toBe(200);
    const third = await ask("3");
    expect(third.status).toBe(429);
    expect(third.json.error).toMatchObject({ type: "rate_limit_exceeded", code: "rate_limit_exceeded" });
    expect(third.json.error?.message).toMatch(
      /quota default\/q, limit rpm \(2 requests per 60 s\) for all; used 2 requests.*resets in \d+ s/,
    );
    expect(third.headers.get("x-should-retry")).toBe(Number(third.headers.get("retry-after")) <= 60 ? "true" : "false");
    expect(gateway.provider.requests).toHaveLength(2);
  });

  test("TotalTokens: settles to what the provider reported, not to what was held", async () => {
    gateway = await withQuota(`{name: tpm, resource: TotalTokens, limit: 100000, ${perMinute}}`);
    const answer = await ask("hello there");
    const total = (answer.json.usage as { total_tokens: number }).total_tokens;
    const used = () =>
      gateway.stores.quota.peek("default", "default/q/tpm/all", { type: "Sliding", durationMs: 60_000 });
    await until("settled", async () => (await used()) === total);
    expect(await gateway.stores.quota.liveHolds("default")).toBe(0);
  });

  test("TotalTokens: a small limit still admits small requests until it is spent, with the output clamped to what is left", async () => {
    gateway = await withQuota(`{name: tpm, resource: TotalTokens, limit: 120, ${perMinute}}`);
    const statuses: number[] = [];
    for (let i = 0; i < 12; i++) statuses.push((await ask("hi")).status);
    expect(statuses[0]).toBe(200);
    expect(statuses.at(-1)).toBe(429);
    const caps = gateway.provider.requests.map((r) => JSON.parse(r.body.toString()).max_completion_tokens);
    expect(Math.max(...caps)).toBeLessThanOrEqual(120);
  });

  test("a client's own maximum is never lowered: it fits or it is refused", async () => {
    gateway = await withQuota(`{name: tpm, resource: TotalTokens, limit: 120, ${perMinute}}`);
    expect((await ask("hi", { max_tokens: 500 })).status).toBe(429);
    const fits = await ask("hi", { max_tokens: 50 });
    expect(fits.status).toBe(200);
    expect(JSON.parse(gateway.provider.requests[0]?.body.toString() ?? "").max_completion_tokens).toBeUndefined();
  });

  test("Cost: a spent budget is insufficient_quota, which no SDK repeats", async () => {
    gateway = await withQuota(
      '{name: usd, resource: Cost, limit: "0.0002", currency: USD, window: {type: Calendar, period: Month}}',
    );
    const statuses: number[] = [];
    let last = await ask("hi", { max_tokens: 10 });
    for (let i = 0; i < 12 && last.status === 200; i++) {
      statuses.push(last.status);
      last = await ask("hi", { max_tokens: 10 });
    }
    expect(statuses.length).toBeGreaterThan(0);
    expect(last.status).toBe(429);
    expect(last.json.error).toMatchObject({ type: "insufficient_quota", code: "insufficient_quota" });
    expect(last.headers.get("x-should-retry")).toBe("false");
  });

  test("Concurrency: counts what runs and is given back", async () => {
    gateway = await withQuota("{name: inflight, resource: Concurrency, limit: 1}");
    const slow = ask("slow", { user: "fake:delay=150" });
    await until("the slow one is at the provider", () => gateway.provider.openRequests === 1);
    const second = await ask("second");
    expect(second.status).toBe(429);
    expect(second.headers.get("x-should-retry")).toBe("true");
    expect((await slow).status).toBe(200);
    expect((await ask("third")).status).toBe(200);
  });

  test("mode Audit refuses nothing and counts what it would have refused", async () => {
    gateway = await startTestGateway({
      yaml: (url) =>
        openRoute(url, {
          quotas: quotaYaml([`{name: rpm, resource: Requests, limit: 1, ${perMinute}}`], { extra: "mode: Audit" }),
        }),
    });
    await ask("1");
    expect((await ask("2")).status).toBe(200);
    expect(await gateway.sidecar.metrics.registry.metrics()).toContain(
      'sidegate_quota_decisions_total{quota="default/q",limit="rpm",decision="would_refuse"} 1',
    );
  });

  test("what never reached a provider is given back whole", async () => {
    gateway = await startTestGateway({
      yaml: () =>
        openRoute("http://127.0.0.1:9", {
          quotas: quotaYaml([`{name: rpm, resource: Requests, limit: 5, ${perMinute}}`]),
        }),
    });
    expect((await ask("x")).status).toBe(502);
    const used = () =>
      gateway.stores.quota.peek("default", "default/q/rpm/all", { type: "Sliding", durationMs: 60_000 });
    await until("released", async () => (await used()) === 0);
  });

  test("an aborted stream is charged for what came and leaves no hold", async () => {
    gateway = await withQuota(`{name: tpm, resource: TotalTokens, limit: 100000, ${perMinute}}`);
    const controller = new AbortController();
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(chat("count", { stream: true, user: "fake:chunks=50;every=20" })),
      signal: controller.signal,
    });
    const reader = response.body?.getReader();
    for (let i = 0; i < 5; i++) await reader?.read();
    controller.abort();
    await until("the provider's call ended", () => gateway.provider.openRequests === 0, 1_000);
    await until("settled", async () => (await gateway.stores.quota.liveHolds("default")) === 0);
    expect(gateway.audit.records.at(-1)).toMatchObject({ outcome: "aborted" });
    expect(
      await gateway.stores.quota.peek("default", "default/q/tpm/all", { type: "Sliding", durationMs: 60_000 }),
    ).toBeGreaterThan(4);
  });
});

describe("the exact cache", () => {
  const cached = (when = "Always") =>
    startTestGateway({ yaml: (url) => openRoute(url, { rule: `cache: {exact: {ttl: 1m, when: ${when}}}` }) });

  test("answers a repeat without a call, byte for byte", async () => {
    gateway = await cached();
    const first = await ask("one");
    expect(first.headers.get("cache-status")).toBe("sidegate; fwd=uri-miss");
    const second = await ask("one");
    expect(second.headers.get("cache-status")).toMatch(/^sidegate; hit; ttl=\d+$/);
    expect(second.headers.get("age")).toBe("0");
    expect(second.text).toBe(first.text);
    expect(gateway.provider.requests).toHaveLength(1);
  });

  test("that fails is passed over; an outage is counted, and a fault of ours is in the log besides", async () => {
    gateway = await cached();
    const failWith = (fault: Error) => {
      const fail = () => Promise.reject(fault);
      Object.assign(gateway.stores.cache, { get: fail, put: fail });
    };
    const errors = () => gateway.logLines.filter((line) => line.includes("the cache")).length;
    failWith(new StoreUnavailable("away", { maybeDone: false }));
    expect((await ask("one")).status).toBe(200);
    expect(errors()).toBe(0);
    failWith(new Error("ours"));
    expect((await ask("two")).status).toBe(200);
    await until("both are told", () => errors() === 2);
    const metrics = await gateway.sidecar.metrics.registry.metrics();
    expect(metrics).toContain('{result="unavailable"} 2\n');
    expect(metrics).toContain('{result="fault"} 2\n');
  });

  test("knows the same request whatever its spelling, and another one by any member", async () => {
    gateway = await cached();
    await ask("one", { top_p: 1, seed: 1 });
    const url = `${gateway.url}/v1/chat/completions`;
    const respelt = await send(url, {
      body: '{"seed":1.0, "top_p":1e0, "messages":[{"content":"\\u006fne","role":"user"}], "model":"gpt-4o"}',
    });
    expect(respelt.headers.get("cache-status")).toContain("hit");
    expect((await ask("one", { top_p: 1, seed: 2 })).headers.get("cache-status")).not.toContain("hit");
  });

  test("replays a stored stream as JSON and a stored JSON answer as a stream", async () => {
    gateway = await cached();
    await ask("a", { stream: true });
    const asJson = await ask("a");
    expect(asJson.headers.get("cache-status")).toContain("hit");
    expect(asJson.json.object).toBe("chat.completion");
    expect(asJson.json.usage).toBeTruthy();
    await ask("b");
    const asStream = await ask("b", { stream: true, stream_options: { include_usage: true } });
    expect(asStream.headers.get("cache-status")).toContain("hit");
    expect(asStream.text).toContain('"choices":[]');
    expect(asStream.text).toMatch(/data: \[DONE\]\n\n$/);
  });

  test("obeys no-cache, no-store, max-age, only-if-cached and x-no-cache", async () => {
    gateway = await cached();
    await ask("one", {}, { "cache-control": "no-store" });
    expect((await ask("one")).headers.get("cache-status")).toContain("fwd=uri-miss");
    expect((await ask("one", {}, { "cache-control": "no-cache" })).headers.get("cache-status")).toBe(
      "sidegate; fwd=request",
    );
    expect((await ask("one", {}, { "x-no-cache": "1" })).headers.get("cache-status")).toBe("sidegate; fwd=request");
    expect((await ask("one", {}, { "cache-control": "max-age=100" })).headers.get("cache-status")).toContain("hit");
    expect((await ask("one", {}, { "cache-control": "max-age=0" })).headers.get("cache-status")).toContain("fwd=");
    const none = await ask("never asked", {}, { "cache-control": "only-if-cached" });
    expect(none.status).toBe(504);
    expect(none.json.error?.code).toBe("not_in_cache");
  });

  test("when Deterministic, takes only what the client pinned", async () => {
    gateway = await cached("Deterministic");
    await ask("one");
    expect((await ask("one")).headers.get("cache-status")).toBeNull();
    await ask("two", { temperature: 0 });
    expect((await ask("two", { temperature: 0 })).headers.get("cache-status")).toContain("hit");
  });

  test("never keeps a stream that broke", async () => {
    gateway = await cached();
    await ask("one", { stream: true, user: "fake:eof=2" });
    expect((await ask("one", { stream: true, user: "fake:eof=2" })).headers.get("cache-status")).toContain("miss");
  });

  test("a hit counts as a request and costs no tokens", async () => {
    gateway = await startTestGateway({
      yaml: (url) =>
        openRoute(url, {
          rule: "cache: {exact: {ttl: 1m, when: Always}}",
          quotas: quotaYaml([
            `{name: rpm, resource: Requests, limit: 100, ${perMinute}}`,
            `{name: tpm, resource: TotalTokens, limit: 100000, ${perMinute}}`,
          ]),
        }),
    });
    const total = ((await ask("one")).json.usage as { total_tokens: number }).total_tokens;
    await ask("one");
    const peek = (limit: string) =>
      gateway.stores.quota.peek("default", `default/q/${limit}/all`, { type: "Sliding", durationMs: 60_000 });
    await until("settled", async () => (await peek("tpm")) === total);
    expect(await peek("rpm")).toBe(2);
  });
});
