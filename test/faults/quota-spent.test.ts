// A quota has no room: fault 28. The refusal says what is spent and when to come back; nothing reaches the provider.
import { afterEach, describe, expect, test } from "vitest";
import { shortTimeouts } from "../fixtures/bad-input.ts";
import { until } from "../fixtures/calls.ts";
import { ask, bothWays, callBytes, errorIn, eventsOf, expectFault, expectSettled } from "../fixtures/fault-calls.ts";
import { openRaw } from "../fixtures/raw-http.ts";
import { openRoute, quotaYaml, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

let gateway: TestGateway;
const start = async (limits: readonly string[], extra = ""): Promise<void> => {
  gateway = await startTestGateway({
    yaml: (url) => openRoute(url, { rule: shortTimeouts, quotas: quotaYaml(limits, { extra }) }),
  });
};
afterEach(async () => {
  await expectSettled(gateway);
  await gateway.close();
});

const minute = "window: {type: Fixed, duration: 1m}";
const month = "window: {type: Calendar, period: Month}";

describe.each(bothWays)("fault 28, $how:", ({ streamed }) => {
  test.each([
    { resource: "Requests", limit: `{name: l, resource: Requests, limit: 1, ${minute}}` },
    { resource: "TotalTokens", limit: `{name: l, resource: TotalTokens, limit: 70, ${minute}}` },
    { resource: "OutputTokens", limit: `{name: l, resource: OutputTokens, limit: 20, ${minute}}` },
  ])("spent $resource of a minute are a 429 to come back from", async ({ limit }) => {
    await start([limit]);
    expect((await ask(gateway, { streamed, body: { max_tokens: 10 } })).status).toBe(200);
    await expectSettled(gateway);
    let answer = await ask(gateway, { streamed, body: { max_tokens: 10 } });
    for (let i = 0; i < 5 && answer.status === 200; i++)
      answer = await ask(gateway, { streamed, body: { max_tokens: 10 } });
    const before = gateway.provider.requests.length;
    expectFault(answer, { status: 429, code: "rate_limit_exceeded", retry: true });
    expect(Number(answer.headers["retry-after"])).toBeGreaterThanOrEqual(1);
    expect(Number(answer.headers["retry-after"])).toBeLessThanOrEqual(60);
    expect(Number(answer.headers["retry-after-ms"])).toBeGreaterThanOrEqual(1);
    await ask(gateway, { streamed, body: { max_tokens: 10 } });
    expect(gateway.provider.requests).toHaveLength(before);
  });

  test("a spent budget is insufficient_quota, which nobody repeats", async () => {
    await start([`{name: usd, resource: Cost, limit: "0.0004", currency: USD, ${month}}`]);
    let answer = await ask(gateway, { streamed });
    for (let i = 0; i < 20 && answer.status === 200; i++) answer = await ask(gateway, { streamed });
    expectFault(answer, { status: 429, code: "insufficient_quota", retry: false });
    expect(errorIn(answer).type).toBe("insufficient_quota");
  });

  test("a request that alone is larger than the limit is told so, and not to come back", async () => {
    await start([`{name: l, resource: TotalTokens, limit: 100, ${minute}}`]);
    const answer = await ask(gateway, { streamed, body: { max_tokens: 200 } });
    expectFault(answer, { status: 429, code: "request_too_large_for_limit", retry: false });
    expect(gateway.provider.requests).toHaveLength(0);
  });

  test("a limit of 0 admits nothing", async () => {
    await start([`{name: l, resource: Requests, limit: 0, ${minute}}`]);
    expect((await ask(gateway, { streamed })).status).toBe(429);
    expect(gateway.provider.requests).toHaveLength(0);
  });

  test("a mode of Audit refuses nothing", async () => {
    await start([`{name: l, resource: Requests, limit: 0, ${minute}}`], "mode: Audit");
    expect((await ask(gateway, { streamed })).status).toBe(200);
  });

  test("Concurrency is free again as soon as a call has ended, however it ended", async () => {
    await start(["{name: l, resource: Concurrency, limit: 1}"]);
    for (const fake of ["status=500", "reset=0", "hang=headers", "eof=1", "times=1"]) {
      const busy = await openRaw(gateway.url);
      busy.write(callBytes({ streamed, fake: "hang=headers" }));
      await until("it runs", () => gateway.provider.openRequests === 1);
      expectFault(await ask(gateway, { streamed }), { status: 429, code: "rate_limit_exceeded", retry: true });
      busy.socket.destroy();
      await expectSettled(gateway);
      await ask(gateway, { streamed, fake });
      await expectSettled(gateway);
      expect((await ask(gateway, { streamed })).status).toBe(200);
    }
  });
});

test("fault 28: the output asked for shrinks to what is left, so a stream cannot run over the limit", async () => {
  await start([`{name: l, resource: OutputTokens, limit: 30, ${minute}}`]);
  const first = await ask(gateway, { streamed: true, fake: "tokens=25" });
  expect(eventsOf(first.text).length).toBeGreaterThan(20);
  const second = await ask(gateway, { streamed: true, fake: "tokens=25" });
  const asked = gateway.provider.requests.map((request) => JSON.parse(request.body.toString()).max_completion_tokens);
  expect(asked[0]).toBe(30);
  if (second.status === 200) expect(asked[1]).toBeLessThanOrEqual(5);
  else expectFault(second, { status: 429, code: "rate_limit_exceeded", retry: true });
});
