// What becomes of requests when a budget is spent, reset, overridden, or has a cheaper model behind it: through a whole sidecar.
import { afterEach, describe, expect, test } from "vitest";
import { StoreUnavailable } from "../../src/sidecar/ports/store-unavailable.ts";
import { chat, send, until } from "../fixtures/calls.ts";
import { openRoute, quotaYaml, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

let gateway: TestGateway;
afterEach(() => gateway.close());
const ask = (content: string, more: Record<string, unknown> = {}, headers: Record<string, string> = {}) =>
  send(`${gateway.url}/v1/chat/completions`, { body: chat(content, more), headers });
const perDay = "window: {type: Fixed, duration: 24h}";
const day = { type: "Fixed", durationMs: 86_400_000 } as const;
const toMini = "models: [gpt-4o], onExceeded: {action: Downgrade, model: gpt-4o-mini}";
const start = (url: (providerUrl: string) => string) => startTestGateway({ yaml: url });
const bodyOf = (index: number): Record<string, unknown> =>
  JSON.parse(gateway.provider.requests[index]?.body.toString() ?? "{}");

describe("Downgrade", () => {
  test("a request that the limit refuses goes to the other model, and client, audit and metric are told", async () => {
    gateway = await start((url) =>
      openRoute(url, { quotas: quotaYaml([`{name: rpd, resource: Requests, limit: 1, ${perDay}, ${toMini}}`]) }),
    );
    const first = await ask("1");
    expect(first.headers.has("x-sidegate-downgraded-from")).toBe(false);
    const second = await ask("2");
    expect(second.status).toBe(200);
    expect(second.headers.get("x-sidegate-downgraded-from")).toBe("gpt-4o");
    expect(bodyOf(0)["model"]).toBe("gpt-4o");
    expect(bodyOf(1)["model"]).toBe("gpt-4o-mini");
    expect(second.json["model"]).toMatch(/^gpt-4o-mini/);
    const { records } = gateway.audit;
    await until("recorded", () => records.length === 4);
    expect(records.map(({ record, model, downgradedFrom }) => [record, model, downgradedFrom])).toEqual([
      ["intent", "gpt-4o", undefined],
      ["outcome", "gpt-4o", undefined],
      ["intent", "gpt-4o-mini", "gpt-4o"],
      ["outcome", "gpt-4o-mini", "gpt-4o"],
    ]);
    const metrics = await gateway.sidecar.metrics.registry.metrics();
    expect(metrics).toContain('sidegate_quota_decisions_total{quota="default/q",limit="rpd",decision="downgraded"} 1');
    expect(metrics).not.toContain('decision="refused"');
  });

  test("it is counted and priced as the model that serves it", async () => {
    gateway = await start((url) =>
      openRoute(url, {
        quotas: quotaYaml([
          `{name: big, resource: Requests, limit: 0, ${perDay}, ${toMini}}`,
          `{name: usd, resource: Cost, limit: "1.00", currency: USD, ${perDay}}`,
          `{name: small, resource: Requests, limit: 5, ${perDay}, models: [gpt-4o-mini]}`,
        ]),
      }),
    );
    const answer = await ask("hi");
    expect(answer.status).toBe(200);
    const usage = answer.json["usage"] as { prompt_tokens: number; completion_tokens: number };
    const { quota } = gateway.stores;
    const cost = Math.ceil((usage.prompt_tokens * 150_000_000 + usage.completion_tokens * 600_000_000) / 1e6);
    await until("settled", async () => (await quota.peek("default", "default/q/usd/all", day)) === cost);
    expect(await quota.peek("default", "default/q/small/all", day)).toBe(1);
    expect(await quota.peek("default", "default/q/big/all", day)).toBe(0);
  });

  test("a reserve whose answer was lost is not taken for the other model's", async () => {
    gateway = await start((url) =>
      openRoute(url, {
        quotas: quotaYaml(
          [
            `{name: big, resource: Requests, limit: 9, ${perDay}, ${toMini}}`,
            `{name: small, resource: Requests, limit: 1, ${perDay}, models: [gpt-4o-mini]}`,
          ],
          { extra: "failurePolicy: LocalShare" },
        ),
      }),
    );
    const { quota } = gateway.stores;
    const reserve = quota.reserve.bind(quota);
    let lost = 0;
    quota.reserve = async (request) => {
      const result = await reserve(request);
      if (lost++ === 0) throw new StoreUnavailable("no answer", { maybeDone: true });
      return result;
    };
    const answer = await ask("hi"); // no share of gpt-4o is held yet, so that one is refused
    expect([answer.status, answer.headers.get("x-sidegate-downgraded-from")]).toEqual([200, "gpt-4o"]);
    expect(await quota.peek("default", "default/q/small/all", day)).toBe(1);
    await until("recorded", () => gateway.audit.records.length === 2);
    expect(gateway.audit.records[0]).toMatchObject({ model: "gpt-4o-mini", quota: "enforced" });
  });

  test("it happens once: where the other model has no room either, the request is refused and nothing is held", async () => {
    gateway = await start((url) =>
      openRoute(url, {
        quotas: quotaYaml([
          `{name: big, resource: Requests, limit: 0, ${perDay}, ${toMini}}`,
          `{name: small, resource: Requests, limit: 1, ${perDay}, models: [gpt-4o-mini], onExceeded: {action: Downgrade, model: gpt-4.1-nano}}`,
        ]),
      }),
    );
    expect((await ask("1")).status).toBe(200);
    const refused = await ask("2");
    expect(refused.status).toBe(429);
    expect(refused.json.error?.message).toContain("limit small");
    expect(gateway.provider.requests).toHaveLength(1);
    await until("no hold is left", async () => (await gateway.stores.quota.liveHolds("default")) === 0);
    const nano = await ask("3", { model: "gpt-4o-mini" });
    expect([nano.status, nano.headers.get("x-sidegate-downgraded-from")]).toEqual([200, "gpt-4o-mini"]);
  });

  test("another limit that refuses and says Deny denies", async () => {
    gateway = await start((url) =>
      openRoute(url, {
        quotas: quotaYaml([
          `{name: big, resource: Requests, limit: 0, ${perDay}, ${toMini}}`,
          `{name: all, resource: Requests, limit: 0, ${perDay}}`,
        ]),
      }),
    );
    expect((await ask("1")).status).toBe(429);
    expect(gateway.provider.requests).toHaveLength(0);
  });

  test("a rule that does not open it like this leaves the refusal as it was", async () => {
    gateway = await start((url) =>
      openRoute(url, {
        quotas: quotaYaml([`{name: big, resource: Requests, limit: 0, ${perDay}, ${toMini}}`]),
      }).replace(
        "    - name: all\n",
        `    - {name: mini, matches: [{endpoints: [ChatCompletions], models: [{type: Exact, value: gpt-4o-mini}]}], backendRefs: [{name: main}], request: {limits: {messages: 1}}}\n    - name: all\n`,
      ),
    );
    const one = await ask("1");
    expect([one.status, one.headers.get("x-sidegate-downgraded-from")]).toEqual([200, "gpt-4o"]);
    const two = await ask("2", { messages: [chat("a"), chat("b")].flatMap(({ messages }) => messages) });
    expect(two.status).toBe(429);
    expect(two.json.error?.message).toContain("limit big");
    expect(two.headers.has("x-sidegate-downgraded-from")).toBe(false);
    const refused = () => gateway.audit.records.find(({ status }) => status === 429);
    await until("recorded", () => refused() !== undefined);
    const { model, rule, downgradedFrom } = refused() ?? {};
    expect([model, rule, downgradedFrom]).toEqual(["gpt-4o", "all", undefined]);
  });

  test("answers are kept under the model that gave them", async () => {
    gateway = await start((url) =>
      openRoute(url, {
        rule: "cache: {exact: {ttl: 1h, when: Always}}",
        quotas: quotaYaml([`{name: rpd, resource: Requests, limit: 1, ${perDay}, ${toMini}}`]),
      }),
    );
    const statuses = [];
    for (const model of ["gpt-4o", "gpt-4o", "gpt-4o"])
      statuses.push((await ask("same", { model })).headers.get("cache-status"));
    expect(statuses[0]).toContain("fwd");
    expect(statuses[1]).toContain("fwd");
    expect(statuses[2]).toContain("hit");
    expect(gateway.provider.requests.map(({ body }) => JSON.parse(body.toString()).model)).toEqual([
      "gpt-4o",
      "gpt-4o-mini",
    ]);
  });

  test("a stream is downgraded, too", async () => {
    gateway = await start((url) =>
      openRoute(url, { quotas: quotaYaml([`{name: rpd, resource: Requests, limit: 0, ${perDay}, ${toMini}}`]) }),
    );
    const answer = await ask("hi", { stream: true });
    expect([answer.status, answer.headers.get("x-sidegate-downgraded-from")]).toEqual([200, "gpt-4o"]);
    expect(answer.text).toContain("[DONE]");
    expect(answer.text).toContain("gpt-4o-mini");
  });
});

describe("resets and overrides", () => {
  const limit = `{name: rpd, resource: Requests, limit: 1, ${perDay}}`;
  const other = limit.replace("rpd", "other").replace("limit: 1", "limit: 3");
  const withAnnotation = (url: string, key: string, entries: object[], limits = [limit, other]): string =>
    openRoute(url, { quotas: quotaYaml(limits) }).replace(
      "metadata: {name: q, namespace: default}",
      `metadata: {name: q, namespace: default, annotations: {sidegate.dev/${key}: '${JSON.stringify(entries)}'}}`,
    );
  const who = { by: "ops@example.com", reason: "month end" };

  test("after a reset a spent budget starts at zero, once, and other limits count on", async () => {
    gateway = await start((url) => withAnnotation(url, "none", []));
    expect([(await ask("1")).status, (await ask("2")).status]).toEqual([200, 429]);
    const reset = [{ at: "2026-01-31T09:00:00Z", limit: "rpd", ...who }];
    gateway.reload(withAnnotation(gateway.provider.url, "reset", reset));
    expect([(await ask("3")).status, (await ask("4")).status]).toEqual([200, 429]);
    gateway.reload(withAnnotation(gateway.provider.url, "reset", reset));
    expect((await ask("5")).status).toBe(429);
    const { quota } = gateway.stores;
    expect(await quota.peek("default", "default/q/rpd/all", day)).toBe(1);
    const epoch = Date.parse("2026-01-31T09:00:00Z").toString(36);
    expect(await quota.peek("default", `default/q/rpd=${epoch}/all`, day)).toBe(1);
    expect(await quota.peek("default", "default/q/other/all", day)).toBe(2);
  });

  test("a hold is settled where it was taken, whatever was reset meanwhile", async () => {
    gateway = await start((url) => withAnnotation(url, "none", []));
    const running = ask("slow", { user: "fake:delay=150" });
    await until("at the provider", () => gateway.provider.openRequests === 1);
    gateway.reload(withAnnotation(gateway.provider.url, "reset", [{ at: "2026-01-31T09:00:00Z", ...who }]));
    expect((await running).status).toBe(200);
    const { quota } = gateway.stores;
    await until("settled", async () => (await quota.liveHolds("default")) === 0);
    expect(await quota.peek("default", "default/q/rpd/all", day)).toBe(1);
    expect((await ask("new")).status).toBe(200);
  });

  test("an override counts until its time has come, by the sidecar's clock", async () => {
    const override = (until: string) => [{ limit: "rpd", to: 2, until, ...who }];
    gateway = await start((url) => withAnnotation(url, "override", override("2999-01-01T00:00:00Z")));
    expect([(await ask("1")).status, (await ask("2")).status, (await ask("3")).status]).toEqual([200, 200, 429]);
    gateway.reload(withAnnotation(gateway.provider.url, "override", override("2026-01-01T00:00:00Z")));
    expect((await ask("4")).status).toBe(429);
    expect((await ask("4")).json.error?.message).toContain("1 requests per");
  });

  const stop = (until = "2999-01-01T00:00:00Z") => [{ limit: "rpd", to: 0, until, ...who }];

  test("an override of 0 stops everything at once", async () => {
    gateway = await start((url) => withAnnotation(url, "override", stop()));
    expect((await ask("1")).status).toBe(429);
  });

  test("an override of 0 stops everything where the limit has a burst, and so does a limit of 0", async () => {
    const sliding = "{name: rpd, resource: Requests, limit: 600, burst: 100, window: {type: Sliding, duration: 1m}}";
    gateway = await start((url) => withAnnotation(url, "override", stop(), [sliding]));
    expect((await ask("1")).status).toBe(429);
    gateway.reload(withAnnotation(gateway.provider.url, "none", [], [sliding.replace("600", "0")]));
    expect((await ask("2")).status).toBe(429);
    gateway.reload(withAnnotation(gateway.provider.url, "none", [], [sliding]));
    expect((await ask("3")).status).toBe(200);
  });

  test("while an override of 0 counts, nothing goes to another model", async () => {
    const downgraded = [`{name: rpd, resource: Requests, limit: 1, ${perDay}, ${toMini}}`];
    gateway = await start((url) => withAnnotation(url, "override", stop(), downgraded));
    expect((await ask("1")).status).toBe(429);
    expect(gateway.provider.requests).toHaveLength(0);
    gateway.reload(withAnnotation(gateway.provider.url, "override", stop("2026-01-01T00:00:00Z"), downgraded));
    expect((await ask("2")).headers.has("x-sidegate-downgraded-from")).toBe(false);
    expect((await ask("3")).headers.get("x-sidegate-downgraded-from")).toBe("gpt-4o");
  });
});
