import { describe, expect, test } from "vitest";
import { identitySchema } from "../api/airoute-identity.ts";
import { credentialLabel, hostsAnnotation, type SecretResource } from "../api/secret.ts";
import { Secret } from "../base/secret.ts";
import { apiKeysMax } from "../config/caller.ts";
import { compileCaller } from "./caller.ts";

const salt = "s".repeat(22);
const hash = "h".repeat(43);
const entry = (more: object = {}): string => JSON.stringify({ salt, hash, user: "alice", ...more });
const secret = (values: Readonly<Record<string, string>>, more: Partial<SecretResource> = {}): SecretResource => ({
  namespace: "team",
  name: "keys",
  labels: { [credentialLabel]: "true" },
  annotations: {},
  values: new Map(Object.entries(values).map(([id, text]) => [id, new Secret(text)])),
  ...more,
});
const compileKeys = (...secrets: readonly SecretResource[]) => {
  const identity = identitySchema.parse({ require: "APIKey", apiKeys: { secretRef: { name: "keys" } } });
  const { caller, faults } = compileCaller(identity, { namespace: "team", secrets });
  return { keys: caller?.require === "APIKey" ? caller.keys : undefined, faults };
};
const compileBearer = (...issuers: readonly object[]) =>
  compileCaller(identitySchema.parse({ require: "Bearer", issuers }), { namespace: "team", secrets: [] });

test("without identity, or with the service account alone, callers are asked for nothing", () => {
  const none = { namespace: "team", secrets: [] };
  expect(compileCaller(undefined, none)).toEqual({ faults: [] });
  expect(compileCaller(identitySchema.parse({}), none)).toEqual({ faults: [] });
});

describe("issuers", () => {
  test("have every default, units fixed and claims as names", () => {
    expect(compileBearer({ issuer: "https://id.example.com/", audiences: ["bot"] })).toEqual({
      caller: {
        require: "Bearer",
        issuers: [
          {
            type: "OIDC",
            issuer: "https://id.example.com/",
            audiences: ["bot"],
            algorithms: ["RS256", "PS256", "ES256", "EdDSA"],
            prefix: "",
            clockToleranceMs: 30_000,
            claims: { user: ["sub"] },
          },
        ],
      },
      faults: [],
    });
  });

  test("of the cluster have neither keys nor a prefix of their own", () => {
    const claims = { groups: "a.b", roles: '["https://example.com/roles"].x' };
    expect(compileBearer({ type: "Cluster", audiences: ["bot"], clockTolerance: "0ms", claims }).caller).toEqual({
      require: "Bearer",
      issuers: [
        {
          type: "Cluster",
          audiences: ["bot"],
          clockToleranceMs: 0,
          claims: { user: ["sub"], groups: ["a", "b"], roles: ["https://example.com/roles", "x"] },
        },
      ],
    });
  });

  test("that are not URLs are left out with their field, and the last one leaves a route that refuses everybody", () => {
    const { caller, faults } = compileBearer({ issuer: "https://[::::]/", audiences: ["bot"] });
    expect(caller).toEqual({ require: "Bearer", issuers: [] });
    expect(faults).toMatchObject([
      { type: "Accepted", reason: "UnsupportedValue", path: ["identity", "issuers", 0, "issuer"] },
    ]);
  });
});

describe("API keys", () => {
  test("are sorted by id, their moments in milliseconds", () => {
    const { keys, faults } = compileKeys(
      secret({
        web: entry({ tenant: "acme", roles: ["admin"], groups: ["ops"] }),
        app: entry({ notBefore: "2026-01-31T12:00:00+01:00", expires: "2027-01-31T12:00:00.5Z" }),
      }),
    );
    expect(faults).toEqual([]);
    const [notBeforeMs, expiresMs] = [Date.UTC(2026, 0, 31, 11), Date.UTC(2027, 0, 31, 12, 0, 0, 500)];
    expect(keys).toEqual([
      { id: "app", salt, hash, user: "alice", roles: [], groups: [], notBeforeMs, expiresMs },
      { id: "web", salt, hash, user: "alice", tenant: "acme", roles: ["admin"], groups: ["ops"] },
    ]);
  });

  test.each([
    ["no JSON", "sgk-canary", "not a JSON object"],
    ["a list", '["canary"]', "not a JSON object"],
    ["a text", '"canary"', "not a JSON object"],
    ["nothing", "", "not a JSON object"],
    ["an unknown member", entry({ canary: 1 }), "a member that is unknown"],
    ["the key itself", entry({ key: "canary" }), "a member that is unknown"],
    ["no salt", entry({ salt: undefined }), "salt is missing"],
    ["a short salt", entry({ salt: "canary" }), "salt is"],
    ["a hash in base64", entry({ hash: `${"h".repeat(42)}+` }), "hash is"],
    ["a hash in hex", entry({ hash: "canary".repeat(10) }), "hash is"],
    ["no user", entry({ user: undefined }), "user is missing"],
    ["an empty user", entry({ user: "" }), "user is"],
    ["a long user", entry({ user: "canary".repeat(50) }), "user is"],
    ["roles in one text", entry({ roles: "canary" }), "roles is"],
    ["257 groups", entry({ groups: Array.from({ length: 257 }, () => "canary") }), "groups is"],
    ["a day without a time", entry({ expires: "2027-01-31" }), "expires is"],
    ["a moment without a zone", entry({ notBefore: "2027-01-31T00:00:00" }), "notBefore is"],
    ["a day that is none", entry({ expires: "2027-02-30T00:00:00Z" }), "expires is"],
    ["two faults", entry({ salt: "canary", hash: "canary" }), "hash, salt is"],
  ])("an entry with %s is left out alone, and nothing of it is shown", (_, text, says) => {
    const { keys, faults } = compileKeys(secret({ good: entry(), "bad-1": text }));
    expect(keys?.map(({ id }) => id)).toEqual(["good"]);
    expect(faults).toMatchObject([
      { type: "ResolvedRefs", reason: "SecretInvalid", path: ["identity", "apiKeys", "secretRef", "name"] },
    ]);
    expect(faults[0]?.message).toContain("API key bad-1 of Secret keys");
    expect(faults[0]?.message).toContain(says);
    expect(faults[0]?.message).not.toContain("canary");
  });

  test("an entry whose name is no id is left out and not named: it may be a key", () => {
    const { keys, faults } = compileKeys(secret({ good: entry(), "sgk-a-CANARY": entry(), "-": entry() }));
    expect(keys?.map(({ id }) => id)).toEqual(["good"]);
    expect(faults[0]?.message).toContain("2 entries");
    expect(faults[0]?.message).not.toContain("CANARY");
  });

  test.each([
    ["none", [], "SecretNotFound", true],
    ["another namespace's", [secret({ a: entry() }, { namespace: "other" })], "SecretNotFound", true],
    ["one without the label", [secret({ a: entry() }, { labels: {} })], "SecretNotPermitted", false],
    [
      "a provider's credential",
      [secret({ a: entry() }, { annotations: { [hostsAnnotation]: "api.openai.com" } })],
      "SecretNotPermitted",
      false,
    ],
  ])("a Secret that is %s lets nobody in", (_, secrets, reason, isPending) => {
    const { keys, faults } = compileKeys(...secrets);
    expect(keys).toEqual([]);
    expect(faults).toMatchObject([{ type: "ResolvedRefs", reason, isPending }]);
    expect(faults[0]?.message).toContain("everybody is refused");
  });

  test("a Secret without any is pending, and lets nobody in", () => {
    const { keys, faults } = compileKeys(secret({}));
    expect(keys).toEqual([]);
    expect(faults).toMatchObject([{ reason: "SecretInvalid", isPending: true }]);
  });

  test("more than a route takes: the last by id are left out, and the finding says how many", () => {
    const ids = Array.from({ length: apiKeysMax + 2 }, (_, index) => `k-${String(index).padStart(5, "0")}`);
    const { keys, faults } = compileKeys(secret(Object.fromEntries(ids.map((id) => [id, entry()]))));
    expect(keys?.map(({ id }) => id)).toEqual(ids.slice(0, apiKeysMax));
    expect(faults[0]?.message).toContain(`the last 2 by id are left out`);
  });
});
