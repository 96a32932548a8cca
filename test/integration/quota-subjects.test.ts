// Quotas that count by who calls, and only when their condition holds: through the whole gateway.
import { afterEach, expect, test } from "vitest";
import { digestOf, encodeConfig } from "../../src/config/codec.ts";
import type { QuotaConfig } from "../../src/config/quota.ts";
import type { Identity } from "../../src/sidecar/exchange.ts";
import { chat, send } from "../fixtures/calls.ts";
import { configFrom, openRoute, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

let gateway: TestGateway;
afterEach(() => gateway.close());

const quota = (more: Partial<QuotaConfig>): QuotaConfig => ({
  ...{ namespace: "default", name: "q", mode: "Enforce", failurePolicy: "Deny", per: [] },
  limits: [{ name: "rpm", resource: "Requests", limit: 2, burst: 0, window: { type: "Fixed", durationMs: 3_600_000 } }],
  reservation: { output: "Cap", leaseMs: 60_000, onUnknownUsage: "ChargeReserved" },
  ...more,
});

/** A gateway whose every request is this caller's. The config is made here, as no YAML of this suite's asks for callers. */
const gatewayFor = async (caller: Partial<Identity>, ...quotas: QuotaConfig[]): Promise<void> => {
  gateway = await startTestGateway({ caller });
  const config = { ...configFrom(openRoute(gateway.provider.url)), quotas };
  gateway.sidecar.reload(config, digestOf(encodeConfig(config)));
};
const ask = (more: Record<string, unknown> = {}) =>
  send(`${gateway.url}/v1/chat/completions`, { body: chat("hi", { max_tokens: 5, ...more }) });
const used = (subject: string): Promise<number> =>
  gateway.stores.quota.peek("default", `default/q/rpm/${subject}`, { type: "Fixed", durationMs: 3_600_000 });

test("a user has a counter of their own, and the refusal names them as they are called", async () => {
  await gatewayFor({ user: "alice@example.com", tenant: "acme" }, quota({ per: ["Tenant", "User"] }));
  expect([(await ask()).status, (await ask()).status]).toEqual([200, 200]);
  const third = await ask();
  expect(third.status).toBe(429);
  expect(third.json.error).toMatchObject({
    message: expect.stringContaining("for tenant=acme:user=alice@example.com;"),
  });
  expect(await used("tenant=acme:user=alice=40example.com")).toBe(2);
  expect(await used("tenant=acme:user=bob")).toBe(0);
});

test("every group of the caller must admit, and a refusal leaves nothing in the others", async () => {
  await gatewayFor({ groups: ["dev", "oncall"] }, quota({ per: ["Group"] }));
  await ask();
  await gateway.stores.quota.reserve({
    ...{ namespace: "default", holdId: "another-caller", leaseMs: 60_000 },
    claims: [
      {
        ...{ counter: "default/q/rpm/group=oncall", window: { type: "Fixed", durationMs: 3_600_000 } },
        ...{ max: 2, amount: 1, enforced: true },
      },
    ],
  });
  const second = await ask();
  expect(second.status).toBe(429);
  expect(second.json.error).toMatchObject({ message: expect.stringContaining("for group=oncall;") });
  expect([await used("group=dev"), await used("group=oncall")]).toEqual([1, 2]);
});

test("a caller in more groups than can be counted is refused before anything is held or called", async () => {
  await gatewayFor({ groups: Array.from({ length: 17 }, (_, i) => `g${i}`) }, quota({ per: ["Group"] }));
  const answer = await ask();
  expect([answer.status, answer.headers.get("x-should-retry")]).toEqual([403, "false"]);
  expect(answer.json.error).toMatchObject({ code: "too_many_groups" });
  expect(gateway.provider.requests).toHaveLength(0);
  expect(await gateway.stores.quota.liveHolds("default")).toBe(0);
});

test("address, app and key are counted by, too", async () => {
  await gatewayFor({ app: "chat", clientKey: "ci-7" }, quota({ per: ["SourceIP", "App", "ClientKey"] }));
  expect((await ask()).status).toBe(200);
  expect(await used("ip=127.0.0.1:app=chat:key=ci-7")).toBe(1);
});

test("only requests for which the condition is true are counted", async () => {
  await gatewayFor({ tenant: "acme" }, quota({ when: "identity.tenant != 'internal' && request.model == 'gpt-4o'" }));
  for (let i = 0; i < 3; i++) expect((await ask({ model: "gpt-4o-mini" })).status).toBe(200);
  expect(await used("all")).toBe(0);
  expect([(await ask()).status, (await ask()).status, (await ask()).status]).toEqual([200, 200, 429]);
});

test("a condition that this sidecar cannot read counts every request, and a metric says so", async () => {
  await gatewayFor({}, quota({ when: "request.of_a_later_release == 'a'" }));
  expect([(await ask()).status, (await ask()).status, (await ask()).status]).toEqual([200, 200, 429]);
  expect(await gateway.sidecar.metrics.registry.metrics()).toContain(
    'sidegate_quota_condition_errors_total{quota="default/q"} 3',
  );
});
