import { expect, test } from "vitest";
import { decodeConfig, encodeConfigAs } from "./codec.ts";
import { contractVersion, type SidecarConfig } from "./contract.ts";
import type { QuotaConfig } from "./quota.ts";

const quota = (more: Partial<QuotaConfig>): QuotaConfig => ({
  namespace: "team",
  name: "q",
  mode: "Enforce",
  failurePolicy: "Deny",
  per: [],
  limits: [{ name: "l", resource: "Concurrency", limit: 1, burst: 0 }],
  reservation: { output: "Cap", leaseMs: 60_000, onUnknownUsage: "ChargeReserved" },
  ...more,
});

const configWith = (...quotas: QuotaConfig[]): SidecarConfig => ({
  contractVersion,
  subject: { namespace: "team", serviceAccount: "bot" },
  quotas,
  keys: [{ id: "k1", secret: Buffer.alloc(32).toString("base64") }],
  route: {
    name: "main",
    namespace: "team",
    policyVersion: "1-abcd",
    backends: [],
    rules: [],
    models: {},
    audit: { sink: "None", onFailure: "Deny" },
  },
});

/** What a sidecar of version 1 makes of it. */
const seenByOld = (config: SidecarConfig) => {
  const { route, quotas, noRouteReason } = decodeConfig(encodeConfigAs(config, 1) ?? "");
  return { hasRoute: route !== undefined, quotas: quotas.map(({ name }) => name), noRouteReason };
};

test.each([
  [{ when: "identity.tenant != 'a'" }, "AIQuota q has a condition"],
  [{ per: ["User"] }, "AIQuota q counts by User"],
  [{ per: ["Model", "Tenant", "Group"] }, "AIQuota q counts by Tenant and Group"],
  [{ per: ["ClientKey"] }, "AIQuota q counts by ClientKey"],
  [{ per: ["SourceIP"] }, "AIQuota q counts by SourceIP"],
  [{ per: ["App"] }, "AIQuota q counts by App"],
  [{ per: ["Model", "Backend"] }, "AIQuota q counts by Backend"],
  [{ scope: "Cluster" }, "AIQuota q counts over namespaces"],
] satisfies [Partial<QuotaConfig>, string][])(
  "a quota with %j closes the route of sidecars of version 1, and is left out in mode Audit",
  (more, why) => {
    const plain = quota({ name: "plain", per: ["Pod"] });
    expect(seenByOld(configWith(plain, quota(more)))).toEqual({
      hasRoute: false,
      quotas: [],
      noRouteReason: `${why}, which this sidecar cannot; restart the pod`,
    });
    expect(seenByOld(configWith(plain, quota({ ...more, mode: "Audit" })))).toMatchObject({
      hasRoute: true,
      quotas: ["plain"],
    });
  },
);

test("a sidecar of version 1 knows no share: it denies while the store is away", () => {
  const config = configWith(quota({ failurePolicy: "LocalShare" }), quota({ name: "open", failurePolicy: "Allow" }));
  const seen = decodeConfig(encodeConfigAs(config, 1) ?? "").quotas.map(({ failurePolicy }) => failurePolicy);
  expect(seen).toEqual(["Deny", "Allow"]);
});

test("a sidecar of version 1 learns no outputs: P99 is Cap there, and what windows models have is left out", () => {
  const reservation = { leaseMs: 60_000, onUnknownUsage: "ChargeReserved" } as const;
  const outputs = (["Cap", "Requested", "P99"] as const).map((output) =>
    quota({ reservation: { ...reservation, output } }),
  );
  const { route, ...config } = configWith(...outputs);
  if (!route) throw new Error("the config has no route");
  const figures = { outputTokensMax: 1, imageTokensMax: 2 };
  const models = { llama: { ...figures, inputTokensMax: 3 } };
  const text = encodeConfigAs({ ...config, route: { ...route, models } }, 1) ?? "";
  expect(text).not.toContain("inputTokensMax");
  const seen = decodeConfig(text);
  expect(seen.quotas.map((each) => each.reservation.output)).toEqual(["Cap", "Requested", "Cap"]);
  expect({ ...seen.route?.models }).toEqual({ llama: figures });
});

test("a config without a route has none there, whatever its quotas", () => {
  const { route: _, ...none } = configWith(quota({ when: "true" }));
  expect(seenByOld({ ...none, noRouteReason: "there is none" })).toEqual({
    hasRoute: false,
    quotas: [],
    noRouteReason: "there is none",
  });
});

test("condition and subjects come through the current version unchanged", () => {
  const config = configWith(quota({ per: ["Tenant", "User"], when: "request.streamed" }));
  expect(decodeConfig(encodeConfigAs(config, contractVersion) ?? "").quotas).toEqual(config.quotas);
});

test("an override that gives less holds for a sidecar of version 1, too, and as long as it stands", () => {
  const limits = [0, 5, 6, 7].map((max, at): QuotaConfig["limits"][number] => ({
    ...{ name: `l${at}`, resource: "Requests", limit: 4, burst: 2, window: { type: "Sliding", durationMs: 60_000 } },
    override: { max, untilMs: 1_800_000_000_000 },
  }));
  const seen = decodeConfig(encodeConfigAs(configWith(quota({ limits })), 1) ?? "").quotas[0]?.limits;
  expect(seen?.map(({ limit, burst }) => [limit, burst])).toEqual([
    [0, 0],
    [5, 0],
    [4, 2],
    [4, 2],
  ]);
});

test("a sidecar of version 1 has limits as they are written: no override, no reset, no downgrade", () => {
  const [limit] = quota({}).limits;
  if (!limit) throw new Error("the quota has no limit");
  const adjusted = {
    ...limit,
    override: { max: 9, untilMs: 1_800_000_000_000 },
    resets: { all: 1_700_000_000_000, subjects: { "user=a": 1_700_000_000_001 } },
    downgradeTo: "gpt-4o-mini",
  };
  const config = configWith(quota({ limits: [adjusted] }));
  expect(decodeConfig(encodeConfigAs(config, 1) ?? "").quotas[0]?.limits).toEqual([limit]);
  expect(decodeConfig(encodeConfigAs(config, contractVersion) ?? "").quotas[0]?.limits).toEqual([adjusted]);
});
