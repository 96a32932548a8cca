import { expect, test } from "vitest";
import { FakeCluster } from "../../../test/fixtures/fake-cluster.ts";
import { quotaAdjustments } from "../../api/quota-adjustments.ts";
import { type KubeApi, type KubeObject, resources } from "../../kube/port.ts";
import { quotaEntryOf } from "../../operator/cluster/projections.ts";
import { UsageFault } from "../usage.ts";
import { clearOverrides, overrideQuota, resetQuota } from "./adjust.ts";
import { overrideOptions, resetOptions } from "./adjust-options.ts";
import { QuotaCommandFault } from "./fault.ts";

const nowMs = Date.parse("2026-05-01T12:00:00Z");
const ref = { namespace: "team", name: "budget" };

const stage = async (per: readonly string[] = ["User"], annotations: Record<string, string> = {}) => {
  const cluster = new FakeCluster();
  const whoami = (api: KubeApi): KubeApi => ({
    ...api,
    create: (resource, object) =>
      resource === resources.selfSubjectReviews
        ? Promise.resolve({ ...object, status: { userInfo: { username: "oidc:alice" } } })
        : api.create(resource, object),
  });
  cluster.put(resources.aiquotas, {
    apiVersion: "sidegate.dev/v1alpha1",
    kind: "AIQuota",
    metadata: { ...ref, annotations },
    spec: {
      targetRefs: [{ group: "", kind: "Namespace", name: "team" }],
      per,
      limits: [
        { name: "requests", resource: "Requests", limit: 60, burst: 5, window: { type: "Sliding", duration: "1m" } },
        {
          ...{ name: "month", resource: "Cost", currency: "USD", limit: "500.00" },
          window: { type: "Calendar", period: "Month" },
        },
      ],
    },
  });
  const stored = (): KubeObject => cluster.find(resources.aiquotas, ref) ?? { metadata: { name: "" } };
  const adjustments = () => {
    const { resource } = quotaEntryOf(stored());
    if (!resource) throw new Error("the quota cannot be read");
    return quotaAdjustments(resource);
  };
  return { cluster, api: whoami(cluster.api()), whoami, stored, adjustments };
};

const reset = (api: KubeApi, more: { limit?: string; subject?: string } = {}) =>
  resetQuota(api, ref, { limit: more.limit, subject: more.subject, reason: "agreed with finance", nowMs });
const override = (api: KubeApi, limit = "month", to = "800.00") =>
  overrideQuota(api, ref, { limit, to, untilMs: nowMs + 7_200_000, reason: "month end", nowMs });

test("a reset says who, when and why, and what it did", async () => {
  const { api, adjustments } = await stage();
  expect(await reset(api, { limit: "month", subject: "user=bob" })).toEqual([
    "Reset limit month of AIQuota team/budget for user=bob, as oidc:alice: agreed with finance",
    expect.stringContaining("within seconds"),
  ]);
  const by = "oidc:alice";
  expect(adjustments().resets).toEqual([
    { at: "2026-05-01T12:00:00.000Z", limit: "month", subject: "user=bob", by, reason: "agreed with finance" },
  ]);
});

test.each([
  ["a little: it counts all the same", "2026-05-01T12:04:00Z", "2026-05-01T12:04:00.001Z"],
  ["far: that one was not done, and goes", "2026-05-01T12:30:00Z", "2026-05-01T12:00:00.000Z"],
])("a reset after one from a clock that is ahead, %s", async (_, before, after) => {
  const { api, adjustments } = await stage(["User"], {
    "sidegate.dev/reset": JSON.stringify([{ at: before, limit: "month", by: "bob", reason: "x" }]),
  });
  await reset(api, { limit: "month" });
  expect(adjustments().resets.map(({ at }) => at)).toEqual([after]);
});

test("an override is written, replaced and taken away", async () => {
  const { api, stored, adjustments } = await stage();
  expect((await override(api))[0]).toBe(
    "Limit month of AIQuota team/budget is 800.00 instead of 500.00 until 2026-05-01T14:00:00Z, as oidc:alice: month end",
  );
  expect((await override(api, "requests", "0"))[0]).not.toContain("burst");
  expect((await override(api, "requests", "90"))[0]).toContain("A burst of 5 comes on top, as before.");
  await override(api, "month", "900.00");
  expect(adjustments().overrides.map(({ limit, to }) => [limit, to])).toEqual([
    ["requests", "90"],
    ["month", "900.00"],
  ]);
  expect((await clearOverrides(api, ref, "requests"))[0]).toContain("of limit requests");
  expect(adjustments().overrides.map(({ limit }) => limit)).toEqual(["month"]);
  await clearOverrides(api, ref, undefined);
  expect(stored().metadata.annotations?.["sidegate.dev/override"] ?? null).toBeNull();
  await expect(clearOverrides(api, ref, undefined)).rejects.toThrow("has no override: nothing was changed");
});

test("what somebody else writes at the same time is not lost", async () => {
  const { cluster, whoami, adjustments } = await stage();
  let overtaken = 0;
  const api = whoami(
    cluster.api(async (verb) => {
      if (verb !== "mergePatch" || overtaken > 0) return;
      overtaken += 1;
      await override(whoami(cluster.api()));
      await reset(whoami(cluster.api()), { limit: "requests" });
    }),
  );
  await reset(api, { limit: "month" });
  expect([
    adjustments().overrides.length,
    adjustments()
      .resets.map(({ limit }) => limit)
      .sort(),
  ]).toEqual([1, ["month", "requests"]]);
});

const { api: plain } = await stage();
const { api: shared } = await stage([]);
const { api: full } = await stage(["User"], {
  "sidegate.dev/reset": JSON.stringify(
    Array.from({ length: 32 }, (_, i) => ({ at: "2026-01-01T00:00:00Z", subject: `user=u${i}`, by: "b", reason: "r" })),
  ),
});

test.each([
  { name: "a limit that is not there", run: () => reset(plain, { limit: "day" }), says: "it has requests, month" },
  { name: "half a subject", run: () => reset(plain, { subject: "bob" }), says: "counts by User; write the subject" },
  {
    name: "the subject of another quota",
    run: () => reset(plain, { subject: "tenant=acme" }),
    says: "counts by User; write the subject whole, user=..., as `sidegate top -n team` shows it",
  },
  {
    name: "a subject where one counter is for all",
    run: () => reset(shared, { subject: "user=bob" }),
    says: "leave out --subject",
  },
  { name: "no room", run: () => reset(full, { subject: "user=x" }), says: "at most 32 fit" },
  {
    name: "a decimal for requests",
    run: () => override(plain, "requests", "1.5"),
    says: "counts Requests: --to must be a whole number",
  },
  { name: "too many dollars", run: () => override(plain, "month", "9000000"), says: "must be below 9000000" },
  {
    name: "a quota that is not there",
    run: () => clearOverrides(plain, { namespace: "team", name: "other" }, undefined),
    says: "kubectl get aiq -n team",
  },
])("refused with what to do: $name", async ({ run, says }) => {
  const refused = run();
  await expect(refused).rejects.toThrow(QuotaCommandFault);
  await expect(refused).rejects.toThrow(says);
});

test.each([
  { args: ["reset", "b"], says: "--reason: say why" },
  { args: ["reset", "--reason", "x"], says: "name one AIQuota" },
  { args: ["reset", "b", "--reason", "a\nb"], says: "on one line" },
  { args: ["override", "b", "--limit", "l", "--to", "5"], says: "--until: say when" },
  { args: ["override", "b", "--limit", "l", "--to", "5", "--until", "0s", "--reason", "x"], says: "over already" },
  { args: ["override", "b", "--limit", "l", "--to", "-5", "--until", "1h", "--reason", "x"], says: "--to" },
  { args: ["override", "b", "--clear", "--to", "5"], says: "do not belong to it" },
])("the command line is refused: $args", ({ args: [command, ...rest], says }) => {
  const run = () => (command === "reset" ? resetOptions(rest) : overrideOptions(rest, nowMs));
  expect(run).toThrow(UsageFault);
  expect(run).toThrow(says);
});
