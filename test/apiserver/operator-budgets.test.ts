// A budget's story on a real API server: warned of, spent, overridden, reset; told once, whatever restarts.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LimitSpec } from "../../src/api/aiquota-limit.ts";
import { systemClock } from "../../src/base/clock.ts";
import { type KubeApi, type KubeObject, resources } from "../../src/kube/port.ts";
import type { Operator } from "../../src/operator/operator.ts";
import { MemoryState } from "../../src/operator/state/memory-state.ts";
import { type Hook, startHook } from "../fixtures/hook.ts";
import { type ApiServer, installCrds, startApiServer } from "./harness.ts";
import {
  apiOf,
  credentialOf,
  makeNamespace,
  makeWebhookConfigurations,
  operatorOf,
  routeOf,
  systemNamespace,
  until,
} from "./operator/stage.ts";

let server: ApiServer;
let api: KubeApi & { close(): void };
let hook: Hook;
let operator: Operator;
const state = new MemoryState(systemClock);
const limit: LimitSpec = {
  ...{ name: "rpd", resource: "Requests", limit: 1000, warnAt: [50, 80] },
  window: { type: "Fixed", duration: "24h" },
};

const start = async (pod: string): Promise<void> => {
  ({ operator } = operatorOf(api, pod, { state, more: { notifications: { hosts: [hook.host] } } }));
  await operator.start();
};

beforeAll(async () => {
  server = await startApiServer();
  await installCrds(server);
  api = await apiOf(server);
  hook = await startHook();
  for (const name of [systemNamespace, "team"]) await makeNamespace(api, name);
  await makeWebhookConfigurations(api);
  await api.apply(resources.secrets, {
    ...{ apiVersion: "v1", kind: "Secret" },
    metadata: { name: "hooks", namespace: "team", labels: { "sidegate.dev/credential": "true" } },
    data: {
      here: Buffer.from(hook.url).toString("base64"),
      away: Buffer.from("https://example.com/x").toString("base64"),
    },
  });
  await api.apply(resources.secrets, credentialOf("team", "sk-1"));
  await api.apply(resources.airoutes, routeOf("team", "support", "bot"));
  await start("operator-a");
}, 60_000);

afterAll(async () => {
  await operator?.stop();
  api?.close();
  await hook?.close();
  await server?.stop();
}, 60_000);

const quotaOf = (annotations: Record<string, string> = {}, keys: readonly string[] = ["here"]): KubeObject => ({
  ...{ apiVersion: "sidegate.dev/v1alpha1", kind: "AIQuota" },
  metadata: { name: "daily", namespace: "team", annotations },
  spec: {
    targetRefs: [{ group: "sidegate.dev", kind: "AIRoute", name: "support" }],
    limits: [limit],
    notify: keys.map((key) => ({ type: "Webhook", urlSecretRef: { name: "hooks", key } })),
  },
});
const spend = async (used: number): Promise<void> => {
  state.setCounters("team", "daily", [{ limit, subject: "all", used, held: 0, resetMs: 3_600_000 }]);
  const { metadata } = await api.get(resources.aiquotas, { namespace: "team", name: "daily" });
  const annotations = { ...metadata.annotations, "example.com/look": String(used) }; // any change: the operator looks at once
  await api.mergePatch(resources.aiquotas, { namespace: "team", name: "daily" }, { metadata: { annotations } });
};
interface Status {
  readonly conditions?: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly message: string;
  }[];
  readonly warnings?: readonly { readonly threshold: number; readonly notified?: string }[];
  readonly overrides?: readonly object[];
  readonly resets?: readonly object[];
  readonly usage?: readonly { readonly remaining: string }[];
}
const statusOf = async (): Promise<Status> =>
  ((await api.get(resources.aiquotas, { namespace: "team", name: "daily" }))["status"] ?? {}) as Status; // our own
const conditionIs = (type: string, text: string) =>
  until(`${type} ${text}`, async () => {
    const { conditions = [] } = await statusOf();
    const found = conditions.find((condition) => condition.type === type);
    return `${found?.status}/${found?.reason}` === text && found;
  });
const eventsOf = async (reason: string): Promise<string[]> => {
  const { items } = await api.list(resources.events, { namespace: "team" });
  return items.filter((event) => event["reason"] === reason).map(({ type, note }) => `${type}: ${note}`);
};

test("below its thresholds a quota is within its limits", async () => {
  state.setCounters("team", "daily", [{ limit, subject: "all", used: 10, held: 0, resetMs: 3_600_000 }]);
  await api.apply(resources.aiquotas, quotaOf());
  await conditionIs("WithinLimits", "True/WithinLimits");
  await conditionIs("Notified", "True/Notified");
  expect([await eventsOf("QuotaWarning"), hook.posted.length]).toEqual([[], 0]);
});

test("a threshold is told of by condition, Event, status, metric and webhook", async () => {
  await spend(600);
  const { message } = await conditionIs("WithinLimits", "False/ThresholdReached");
  expect(message).toBe("limit rpd: 600 of 1000 requests used, over 50 %");
  await until("sent", async () => (await statusOf()).warnings?.[0]?.notified === "Sent");
  expect(hook.posted.map(({ body }) => [body["reason"], body["threshold"], body["quota"]])).toEqual([
    ["QuotaWarning", 50, "daily"],
  ]);
  await until("the Event", async () => (await eventsOf("QuotaWarning")).length === 1);
  expect(await eventsOf("QuotaWarning")).toEqual([`Normal: ${message}`]);
  const { text } = await operator.metrics.page();
  const at = (threshold: number): string =>
    `sidegate_operator_quota_threshold_subjects{namespace="team",quota="daily",limit="rpd",threshold="${threshold}"}`;
  expect(text).toContain(`${at(50)} 1`);
  expect(text).toContain(`${at(80)} 0`);
  expect(text).toContain('sidegate_operator_notifications_total{type="Webhook",result="sent"} 1');
});

test("a restart repeats nothing", async () => {
  await operator.stop();
  state.away = undefined; // the one that stopped has closed it
  await start("operator-b");
  await until("leads", async () => operator.leader.isLeading());
  await spend(650);
  await conditionIs("WithinLimits", "False/ThresholdReached");
  await until("looked", async () => (await statusOf()).usage?.[0]?.remaining === "350", 20_000);
  expect(hook.posted).toHaveLength(1);
  expect(await eventsOf("QuotaWarning")).toHaveLength(1);
}, 60_000);

test("a spent budget says until when it refuses", async () => {
  await spend(1000);
  const { message } = await conditionIs("WithinLimits", "False/Exhausted");
  expect(message).toMatch(/^limit rpd: 1000 of 1000 requests used; requests are refused until 20/);
  await until("the Event", async () => (await eventsOf("QuotaExhausted")).length === 1);
  expect((await eventsOf("QuotaExhausted"))[0]).toMatch(/^Warning: limit rpd/);
  await until("posted", async () => hook.posted.length === 2);
  expect(hook.posted[1]?.body["reason"]).toBe("QuotaExhausted");
});

test("an override shows the limit that counts, and who did it", async () => {
  const override = { limit: "rpd", to: 4000, until: "2999-01-01T00:00:00Z", by: "ana@example.com", reason: "launch" };
  await api.apply(resources.aiquotas, quotaOf({ "sidegate.dev/override": JSON.stringify([override]) }));
  await conditionIs("WithinLimits", "True/WithinLimits");
  const { overrides, usage } = await statusOf();
  expect(overrides).toEqual([{ ...override, from: "1000", to: "4000" }]);
  expect(usage?.[0]?.remaining).toBe("3000");
  await until("the Event", async () => (await eventsOf("QuotaOverridden")).length === 1);
  expect(await eventsOf("QuotaOverridden")).toEqual([
    "Normal: limit rpd is 4000 in place of 1000 until 2999-01-01T00:00:00Z, by ana@example.com: launch",
  ]);
});

test("a reset is told of once, and what is spent after it is told of anew", async () => {
  const reset = { at: new Date(Date.now() - 1_000).toISOString(), limit: "rpd", by: "ana@example.com", reason: "loop" };
  state.setCounters("team", "daily", []);
  await api.apply(resources.aiquotas, quotaOf({ "sidegate.dev/reset": JSON.stringify([reset]) }));
  await until("the Event", async () => (await eventsOf("QuotaReset")).length === 1);
  const { resets, warnings, overrides } = await statusOf();
  expect([resets, warnings, overrides]).toEqual([[reset], undefined, undefined]);
  expect((await eventsOf("QuotaReset"))[0]).toContain("limit rpd of all subjects began anew");
  await spend(850);
  await until("told anew", async () => hook.posted.length === 3);
  expect(hook.posted[2]?.body["threshold"]).toBe(80);
  expect(await eventsOf("QuotaReset")).toHaveLength(1);
});

test("a host that the chart does not name gets nothing, and the condition names the value", async () => {
  await api.apply(resources.aiquotas, quotaOf({}, ["here", "away"]));
  const { message } = await conditionIs("Notified", "False/HostNotAllowed");
  expect(message).toContain("host example.com is not in notifications.hosts");
});

test("an annotation that cannot be read is said in the status, and the quota stays in force", async () => {
  await api.apply(resources.aiquotas, quotaOf({ "sidegate.dev/override": "[{}]" }));
  await until("said", async () => {
    const { ancestors } = (await statusOf()) as { ancestors?: { conditions: { status: string; message: string }[] }[] };
    const condition = ancestors?.[0]?.conditions[0];
    return condition?.status === "False" && condition.message.includes("sidegate.dev/override");
  });
  const { items } = await api.list(resources.secrets, { namespace: "team", labelSelector: "sidegate.dev/config=true" });
  const [file = ""] = items.flatMap(({ data }) => (data as Record<string, string>)["config.v2.json"] ?? []); // a Secret's data
  expect(JSON.parse(Buffer.from(file, "base64").toString("utf8")).quotas).toHaveLength(1);
});
