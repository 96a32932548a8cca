import { describe, expect, test } from "vitest";
import { airouteSpecSchema } from "../api/airoute.ts";
import { allowFaults } from "./allow.ts";

const apiKey = { require: "APIKey", apiKeys: { secretRef: { name: "keys" } } };
const bearer = (...issuers: readonly object[]): object => ({
  require: "Bearer",
  issuers: issuers.map((issuer) => ({ audiences: ["bot"], ...issuer })),
});
const oidc = (claims: object = {}, more: object = {}): object => ({
  issuer: "https://id.example.com",
  claims,
  ...more,
});

const faultsOf = (allow: object, identity: object = apiKey) =>
  allowFaults(
    airouteSpecSchema.parse({
      parentRefs: [{ name: "bot" }],
      identity,
      backends: [{ name: "local", type: "OpenAICompatible", endpoint: "https://models.example.com/v1" }],
      rules: [
        { name: "free", matches: [{ models: [{ value: "a" }] }], backendRefs: [{ name: "local" }] },
        { name: "ops", matches: [{ models: [{ value: "b" }] }], backendRefs: [{ name: "local" }], allow },
      ],
    }),
  );

test("a service account that is no parent is pending: it may become one", () => {
  expect(faultsOf({ serviceAccounts: ["bot"] })).toEqual([]);
  const [fault, ...more] = faultsOf({ serviceAccounts: ["bot", "web"] });
  expect(fault).toMatchObject({ type: "Accepted", reason: "Invalid", isPending: true });
  expect(fault?.path).toEqual(["rules", 1, "allow", "serviceAccounts", 1]);
  expect(fault?.message).toContain("web is not among parentRefs");
  expect(more).toEqual([]);
});

test("API keys may have any role, group and user", () => {
  expect(faultsOf({ users: ["u"], roles: ["r"], groups: ["g"] })).toEqual([]);
});

describe("with Bearer", () => {
  test.each(["roles", "groups"])("%s that no issuer maps are refused, and the message says what to add", (kind) => {
    const [fault, ...more] = faultsOf({ [kind]: ["a"] }, bearer(oidc()));
    expect(fault).toMatchObject({ type: "Accepted", reason: "Invalid", isPending: false });
    expect(fault?.path).toEqual(["rules", 1, "allow", kind]);
    expect(fault?.message).toContain(`add claims.${kind} to one of identity.issuers`);
    expect(more).toEqual([]);
  });

  test("one issuer that maps them is enough", () => {
    const identity = bearer({ type: "Cluster" }, oidc({ roles: "roles", groups: "a.groups" }, { prefix: "corp:" }));
    expect(faultsOf({ roles: ["corp:admin"], groups: ["corp:ops"], users: ["corp:alice"] }, identity)).toEqual([]);
  });

  test.each([
    ["a user without the issuer's prefix", { users: ["alice"] }, ["users", 0], "begins with corp:"],
    ["a role without it", { roles: ["corp:a", "b"] }, ["roles", 1], "begins with corp:"],
  ])("%s is nobody", (_, allow, path, says) => {
    const identity = bearer(oidc({ roles: "roles" }, { prefix: "corp:" }));
    const [fault, ...more] = faultsOf(allow, identity);
    expect(fault?.path).toEqual(["rules", 1, "allow", ...path]);
    expect(fault?.message).toContain(says);
    expect(more).toEqual([]);
  });

  test("users of the cluster are service accounts, whichever namespace's", () => {
    const identity = bearer({ type: "Cluster" });
    expect(faultsOf({ users: ["system:serviceaccount:team:web"] }, identity)).toEqual([]);
    expect(faultsOf({ users: ["team/web"] }, identity)[0]?.message).toContain("system:serviceaccount:");
  });
});
