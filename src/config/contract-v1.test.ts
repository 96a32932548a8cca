import { describe, expect, test } from "vitest";
import { type EndpointName, endpointNames } from "../openai/endpoints.ts";
import { decodeConfig, encodeConfigAs } from "./codec.ts";
import { contractVersion, type RouteConfig, type RuleConfig, type SidecarConfig } from "./contract.ts";
import type { CredentialConfig } from "./credential.ts";
import type { QuotaConfig } from "./quota.ts";

const identity: CredentialConfig = {
  type: "WorkloadIdentity",
  name: "idp/sa",
  audience: "https://api.openai.com/v1",
  tokenURL: "https://auth.openai.com/oauth/token",
  exchange: { type: "OpenAI", identityProviderID: "idp", serviceAccountID: "sa" },
  weight: 9,
};
const key = (value: string, weight: number): CredentialConfig => ({
  type: "Secret",
  name: `team/keys/${value}`,
  value,
  weight,
});

const configWith = (credentials: Readonly<Record<string, CredentialConfig[]>>): SidecarConfig => ({
  contractVersion,
  subject: { namespace: "team", serviceAccount: "bot" },
  quotas: [],
  keys: [{ id: "k1", secret: Buffer.alloc(32).toString("base64") }],
  route: {
    name: "main",
    namespace: "team",
    policyVersion: "1-abcd",
    backends: Object.entries(credentials).map(([name, each]) => ({
      name,
      type: "OpenAICompatible",
      endpoint: "https://models.example.com/v1",
      credentials: each,
    })),
    rules: [
      {
        name: "chat",
        matches: [{ models: [], endpoints: ["ChatCompletions"] }],
        backendRefs: Object.keys(credentials).map((name, priority) => ({ name, priority, weight: 1 })),
        request: { defaults: {}, overrides: {}, limits: { bodyBytes: 1, jsonBytes: 1, messages: 1, n: 1 } },
        timeouts: { connectMs: 1, firstByteMs: 1, idleMs: 1, totalMs: 1 },
        retry: { attempts: 1 },
      },
    ],
    models: {},
    audit: { sink: "None", onFailure: "Deny" },
  },
});

/** What a sidecar of version 1 makes of it. */
const seenByOld = (config: SidecarConfig) => {
  const { route } = decodeConfig(encodeConfigAs(config, 1) ?? "");
  const keys = route?.backends.map(({ name, credentials }) => [
    name,
    credentials.map((credential) => (credential.type === "Secret" ? credential.value : "an identity")),
  ]);
  return { keys: Object.fromEntries(keys ?? []), refs: route?.rules[0]?.backendRefs.map(({ name }) => name) };
};

test("sidecars of version 1 get keys only, the one with the greatest weight", () => {
  const config = configWith({ mixed: [identity, key("sk-small", 1), key("sk-large", 2)], free: [] });
  expect(seenByOld(config)).toEqual({ keys: { mixed: ["sk-large"], free: [] }, refs: ["mixed", "free"] });
});

test("sidecars of version 1 never call a backend without the credential that it has", () => {
  const config = configWith({ keyless: [identity], unused: [identity, key("sk-unused", 0)], keyed: [key("sk", 1)] });
  expect(seenByOld(config)).toEqual({ keys: { keyed: ["sk"] }, refs: ["keyed"] });
});

test("a rule whose backends they cannot call stays, and refuses", () => {
  expect(seenByOld(configWith({ keyless: [identity] }))).toEqual({ keys: {}, refs: [] });
});

test("a workload identity comes through the current version unchanged", () => {
  const config = configWith({ keyless: [identity] });
  expect(decodeConfig(encodeConfigAs(config, contractVersion) ?? "").route?.backends).toEqual(config.route?.backends);
});

const withRoute = (more: Partial<RouteConfig>): SidecarConfig => {
  const config = configWith({ free: [] });
  if (!config.route) throw new Error("the config has a route");
  return { ...config, route: { ...config.route, ...more } };
};
const ruleOf = (endpoints: readonly EndpointName[], more: Partial<RuleConfig> = {}): RuleConfig => {
  const [rule] = configWith({ free: [] }).route?.rules ?? [];
  if (!rule) throw new Error("the config has a rule");
  return { ...rule, matches: [{ models: [], endpoints: [...endpoints] }], ...more };
};
const oldOf = (config: SidecarConfig) => decodeConfig(encodeConfigAs(config, 1) ?? "");
const quota: QuotaConfig = {
  namespace: "team",
  name: "q",
  mode: "Enforce",
  failurePolicy: "Deny",
  per: [],
  limits: [{ name: "rpm", resource: "Requests", limit: 1, burst: 0, window: { type: "Fixed", durationMs: 60_000 } }],
  reservation: { output: "Cap", leaseMs: 60_000, onUnknownUsage: "ChargeReserved" },
};

describe("what sidecars of version 1 cannot ask for is closed to them", () => {
  const tls = { certificate: "c", key: "k", minVersion: "TLSv1.2" } as const;
  test.each<[string, Partial<RouteConfig>, string]>([
    ["callers with tokens", { caller: { require: "Bearer", issuers: [] } }, "prove who they are"],
    ["callers with API keys", { caller: { require: "APIKey", keys: [] } }, "prove who they are"],
    [
      "named user agents",
      { listener: { address: "Loopback", sources: [], userAgents: ["curl/*"] } },
      "names the clients",
    ],
  ])("%s: no route, and the reason says to restart", (_, more, says) => {
    const old = oldOf({ ...withRoute(more), quotas: [quota] });
    expect(old.route).toBeUndefined();
    expect(old.quotas).toEqual([]);
    expect(old.noRouteReason).toContain(says);
    expect(old.noRouteReason).toContain("restart the pod");
  });

  test("they listen on loopback alone, whatever the route says besides", () => {
    const old = oldOf(withRoute({ listener: { address: "Pod", tls, sources: [], userAgents: [] } }));
    expect(old.route?.rules).toHaveLength(1);
    expect(old.route).not.toHaveProperty("listener");
  });

  test("a rule that is not for everybody stands, and refuses", () => {
    const refs = [{ name: "free", priority: 0, weight: 1 }];
    const guarded = ruleOf(["Files"], { name: "guarded", allow: { serviceAccounts: ["bot"] }, backendRefs: refs });
    const old = oldOf(withRoute({ rules: [guarded, ruleOf(["ChatCompletions"], { backendRefs: refs })] }));
    expect(old.route?.rules.map(({ backendRefs }) => backendRefs.length)).toEqual([0, 1]);
  });
});

describe("endpoints that version 1 has within others", () => {
  const endpointsOf = (...rules: readonly RuleConfig[]) =>
    oldOf(withRoute({ rules: [...rules] })).route?.rules.map(({ matches }) =>
      matches.map(({ endpoints }) => endpoints),
    );

  test("a route that does not say who deletes stays as it was understood", () => {
    expect(endpointsOf(ruleOf(["Files", "VectorStores", "Batches"]))).toEqual([[["Files", "VectorStores", "Batches"]]]);
  });

  test("beside its deletion a name says both", () => {
    expect(endpointsOf(ruleOf(["Files", "FilesDelete"]))).toEqual([[["Files"]]]);
  });

  test("where the route keeps them apart, nobody but who may delete has the name", () => {
    expect(
      endpointsOf(
        ruleOf(["FilesDelete"], { name: "admin" }),
        ruleOf(["Files", "VectorStores", "ChatCompletions"], { name: "all" }),
      ),
    ).toEqual([[], [["VectorStores", "ChatCompletions"]]]);
  });

  test("a limit on deletions alone is left out, and a quota of nothing else with it", () => {
    const [limit] = quota.limits;
    if (!limit) throw new Error("the quota has a limit");
    const only = { ...quota, name: "only", limits: [{ ...limit, endpoints: ["FilesDelete" as const] }] };
    const both = {
      ...quota,
      limits: [{ ...limit, endpoints: ["FilesDelete" as const, "Files" as const] }, ...only.limits],
    };
    const old = oldOf({ ...withRoute({}), quotas: [only, both] });
    expect(old.quotas.map(({ name, limits }) => [name, limits.map(({ endpoints }) => endpoints)])).toEqual([
      ["q", [["Files"]]],
    ]);
  });

  test("every other name is written as it is", () => {
    const names = endpointNames.filter((name) => !name.endsWith("Delete"));
    expect(endpointsOf(ruleOf(names))).toEqual([[names]]);
    expect(endpointNames.length - names.length).toBe(3);
  });
});
