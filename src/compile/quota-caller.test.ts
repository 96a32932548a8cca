import { describe, expect, test } from "vitest";
import type { CallerConfig } from "../config/caller.ts";
import type { RouteConfig } from "../config/contract.ts";
import type { SubjectKind } from "../config/quota.ts";
import { callerFaults } from "./quota-caller.ts";

const routeOf = (caller?: CallerConfig): RouteConfig => ({
  ...{ name: "main", namespace: "team", policyVersion: "1-abcd", backends: [], rules: [], models: {} },
  ...(caller && { caller }),
  audit: { sink: "None", onFailure: "Deny" },
});

/** Bearer tokens of two issuers, of which the second says the more. */
const bearer = (claims: Partial<Record<"tenant" | "roles" | "groups", string[]>>): CallerConfig => ({
  require: "Bearer",
  issuers: [{}, claims].map((more) => ({
    ...{ type: "Cluster", audiences: ["sidegate"], clockToleranceMs: 0 },
    claims: { user: ["sub"], ...more },
  })) as Extract<CallerConfig, { require: "Bearer" }>["issuers"], // a literal, widened by the spread
});
const apiKeys: CallerConfig = { require: "APIKey", keys: [] };

const faultsOf = (caller: CallerConfig | undefined, per: SubjectKind[], when?: string) =>
  callerFaults({ per, when }, routeOf(caller)).map(({ path, message }) => `${path.join(".")}: ${message}`);

describe("per", () => {
  test.each(["ServiceAccount", "Namespace", "Pod", "Model", "Endpoint", "SourceIP", "App", "Backend"] as const)(
    "%s is known on every route",
    (kind) => expect(faultsOf(undefined, [kind])).toEqual([]),
  );

  test.each([
    ["User", undefined, "set identity.require to Bearer or APIKey"],
    ["Tenant", undefined, "set identity.require to Bearer or APIKey"],
    ["Group", undefined, "set identity.require to Bearer or APIKey"],
    ["ClientKey", undefined, "set identity.require to APIKey"],
    ["ClientKey", bearer({}), "set identity.require to APIKey"],
    ["Tenant", bearer({ groups: ["g"] }), "set identity.issuers[].claims.tenant"],
    ["Group", bearer({ tenant: ["t"] }), "set identity.issuers[].claims.groups"],
  ] as const)("%s cannot be known here, and the fault says how it can (%#)", (kind, caller, fix) => {
    expect(faultsOf(caller, ["Model", kind])).toEqual([
      `spec.per.1: it counts by ${kind}, which AIRoute main cannot know: ${fix} in the AIRoute, or count by ServiceAccount`,
    ]);
  });

  test.each([
    ["User", bearer({})],
    ["Tenant", bearer({ tenant: ["t"] })],
    ["Group", bearer({ groups: ["g"] })],
    ["User", apiKeys],
    ["Tenant", apiKeys],
    ["Group", apiKeys],
    ["ClientKey", apiKeys],
  ] as const)("%s is known here (%#)", (kind, caller) => {
    expect(faultsOf(caller, [kind])).toEqual([]);
  });
});

describe("when", () => {
  test("is parsed where it is compiled, and the fault names the place", () => {
    expect(faultsOf(apiKeys, [], "identity.user = 'a'")).toEqual([
      "spec.when: its condition (when), column 15: Unexpected character: =",
    ]);
    expect(faultsOf(apiKeys, [], "identity.user.matches('(a+)+$')")[0]).toContain("matches() cannot be used");
  });

  test.each([
    ["identity.user == 'a'", "identity.user", "set identity.require to Bearer or APIKey"],
    ["'a' in identity.roles", "identity.roles", "set identity.require to Bearer or APIKey"],
    ["identity.groups.exists(g, g == 'a')", "identity.groups", "set identity.require to Bearer or APIKey"],
    ["size(identity.groups) > 0", "identity.groups", "set identity.require to Bearer or APIKey"],
    ["identity.clientKey == 'a'", "identity.clientKey", "set identity.require to APIKey"],
  ])("%s asks for what a route without callers cannot know", (when, name, fix) => {
    expect(faultsOf(undefined, [], when)).toEqual([
      `spec.when: its condition asks for ${name}, which AIRoute main cannot know: ${fix} in the AIRoute`,
    ]);
    expect(faultsOf(apiKeys, [], when)).toEqual([]);
  });

  test("about the workload and the request can be asked everywhere", () => {
    expect(faultsOf(undefined, [], "identity.app == 'chat' && request.model.startsWith('gpt-')")).toEqual([]);
  });
});
