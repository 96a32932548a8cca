/** Cases of callers: `identity` and `rules[].allow`, on the base of AIRoute's. */
import { bad, good, type SchemaRow } from "./rows.ts";

const oidc = (more: object = {}): object => ({ issuer: "https://id.example.com/", audiences: ["bot"], ...more });
const bearer = (...issuers: readonly object[]): object => ({ require: "Bearer", issuers });
const apiKeys = { secretRef: { name: "keys" } };
const apiKey = { require: "APIKey", apiKeys };
const prefixed = (count: number): object[] =>
  Array.from({ length: count }, (_, index) =>
    oidc({ issuer: `https://id-${index}.example.com`, prefix: `i${index}:` }),
  );
const texts = (length: number): string[] => Array.from({ length }, (_, index) => `value-${index}`);

/** One issuer with one thing wrong. */
const badIssuer = (name: string, more: object, field: string, says: string): SchemaRow =>
  bad(name, { identity: bearer(oidc(more)) }, `identity.issuers[0]${field && `.${field}`}`, says);
const badClaims = (name: string, claims: object, field: string, says: string): SchemaRow =>
  badIssuer(name, { claims }, `claims.${field}`, says);
/** `allow` of a route whose callers are known. */
const badAllow = (name: string, allow: object, field: string, says: string): SchemaRow =>
  bad(name, { identity: apiKey, "rules.0.allow": allow }, `rules[0].allow.${field}`, says);

const issuerRows: readonly SchemaRow[] = [
  good("identity may require ServiceAccount", { identity: { require: "ServiceAccount" } }),
  bad("a requirement is one of three", { identity: { require: "JWT" } }, "identity.require", "must be one of"),
  bad("identity knows no other field", { identity: { require: "ServiceAccount", jwt: {} } }, "identity.jwt", "unknown"),
  good("Bearer with one issuer", { identity: bearer(oidc()) }),
  good("Bearer with the cluster alone", { identity: bearer({ type: "Cluster", audiences: ["bot"] }) }),
  good("Bearer with the cluster and one issuer without a prefix", {
    identity: bearer({ type: "Cluster", audiences: ["bot"] }, oidc()),
  }),
  good("Bearer with 8 issuers, each with a prefix", { identity: bearer(...prefixed(8)) }),
  good("an issuer with all that it may have", {
    identity: bearer(
      oidc({
        type: "OIDC",
        jwksURL: "https://id.example.com/keys",
        algorithms: ["ES256", "EdDSA"],
        prefix: "corp:",
        clockTolerance: "0ms",
        claims: {
          user: "email",
          tenant: "org.id",
          roles: '["https://example.com/roles"]',
          groups: "realm_access.groups",
        },
      }),
    ),
  }),
  good("an issuer on loopback may be http", { identity: bearer(oidc({ issuer: "http://127.0.0.1:8080/realms/a" })) }),
  good("an insecure issuer may be http anywhere", {
    identity: bearer(oidc({ issuer: "http://id.svc/", jwksURL: "http://id.svc/keys", insecure: true })),
  }),
  bad("Bearer needs issuers", { identity: { require: "Bearer" } }, "identity.issuers", "at least one"),
  bad("Bearer needs an issuer", { identity: bearer() }, "identity.issuers", "at least one"),
  bad("9 issuers are too many", { identity: bearer(...prefixed(9)) }, "identity.issuers", "at most 8 entries"),
  bad(
    "issuers belong to Bearer",
    { identity: { require: "ServiceAccount", issuers: [oidc()] } },
    "identity.issuers",
    "Bearer only",
  ),
  bad(
    "an issuer stands once",
    { identity: bearer(oidc({ prefix: "a:" }), oidc({ prefix: "b:" })) },
    "identity.issuers",
    "once",
  ),
  bad(
    "the cluster stands once",
    { identity: bearer({ type: "Cluster", audiences: ["a"] }, { type: "Cluster", audiences: ["b"] }) },
    "identity.issuers",
    "once",
  ),
  bad(
    "two issuers without a prefix could speak for each other",
    { identity: bearer(oidc(), oidc({ issuer: "https://other.example.com" })) },
    "identity.issuers",
    "prefix of its own",
  ),
  bad(
    "two issuers with one prefix could, too",
    { identity: bearer(oidc({ prefix: "a:" }), oidc({ issuer: "https://other.example.com", prefix: "a:" })) },
    "identity.issuers",
    "prefix of its own",
  ),
  badIssuer("an issuer of type OIDC has a URL", { issuer: undefined }, "issuer", "is required"),
  badIssuer("a type of issuer is one of two", { type: "OAuth2" }, "type", "must be one of"),
  badIssuer("an issuer is a URL", { issuer: "id.example.com" }, "issuer", "must be a URL"),
  badIssuer("an issuer has no query", { issuer: "https://id.example.com/?tenant=a" }, "issuer", "must be a URL"),
  badIssuer("an issuer has no password", { issuer: "https://me:pw@id.example.com" }, "issuer", "must be a URL"),
  badIssuer("an issuer is https", { issuer: "http://id.example.com" }, "issuer", "must be https"),
  badIssuer("keys are fetched by https", { jwksURL: "http://id.example.com/keys" }, "jwksURL", "must be https"),
  badIssuer("keys are not in a file", { jwksURL: "file:///etc/keys" }, "jwksURL", "must be a URL"),
  badIssuer("an issuer needs audiences", { audiences: undefined }, "audiences", "is required"),
  badIssuer("an issuer needs an audience", { audiences: [] }, "audiences", "at least 1 entry"),
  badIssuer("17 audiences are too many", { audiences: texts(17) }, "audiences", "at most 16 entries"),
  badIssuer("an audience is not empty", { audiences: [""] }, "audiences[0]", "at least 1 character"),
  badIssuer("an audience stands once", { audiences: ["a", "a"] }, "audiences[1]", "twice"),
  badIssuer("tokens are signed", { algorithms: ["none"] }, "algorithms[0]", "must be one of"),
  badIssuer("tokens are not signed with a shared secret", { algorithms: ["HS256"] }, "algorithms[0]", "must be one of"),
  badIssuer("algorithms are not empty", { algorithms: [] }, "algorithms", "at least 1 entry"),
  badIssuer("a prefix ends in a colon", { prefix: "corp" }, "prefix", "end in a colon"),
  badIssuer("a prefix is lower-case", { prefix: "Corp:" }, "prefix", "lower-case"),
  badIssuer("no issuer speaks for the cluster", { prefix: "system:" }, "prefix", "must not be system:"),
  badIssuer("clocks differ by 5 minutes at most", { clockTolerance: "6m" }, "clockTolerance", "0ms to 5m"),
  badIssuer("a tolerance has a unit", { clockTolerance: "30" }, "clockTolerance", "must be a duration"),
  badIssuer("insecure is no text", { insecure: "yes" }, "insecure", "true or false"),
  badIssuer("an issuer has no secret", { clientSecret: "x" }, "clientSecret", "unknown"),
  bad(
    "the cluster has its issuer already",
    { identity: bearer({ type: "Cluster", audiences: ["a"], issuer: "https://kubernetes.default.svc" }) },
    "identity.issuers[0].issuer",
    "OIDC only",
  ),
  bad(
    "the cluster has its keys already",
    { identity: bearer({ type: "Cluster", audiences: ["a"], jwksURL: "https://kubernetes.default.svc/keys" }) },
    "identity.issuers[0].jwksURL",
    "OIDC only",
  ),
  bad(
    "the cluster has a prefix already",
    { identity: bearer({ type: "Cluster", audiences: ["a"], prefix: "k8s:" }) },
    "identity.issuers[0].prefix",
    "OIDC only",
  ),
];

const claimRows: readonly SchemaRow[] = [
  badClaims("a claim is a path", { roles: "realm_access..roles" }, "roles", "at most 8 names joined by dots"),
  badClaims("a claim has no white space", { user: "given name" }, "user", "at most 8 names joined by dots"),
  badClaims("a claim is no JSONPath", { groups: "$.groups[*]" }, "groups", "at most 8 names joined by dots"),
  badClaims(
    "a claim of nine names is too deep",
    { tenant: "a.b.c.d.e.f.g.h.i" },
    "tenant",
    "at most 8 names joined by dots",
  ),
  badClaims("a claim is not empty", { user: "" }, "user", "at least 1 character"),
  badClaims("a claim is no list", { roles: ["a", "b"] }, "roles", "a string"),
  badClaims("claims are four", { email: "email" }, "email", "unknown"),
];

const keyRows: readonly SchemaRow[] = [
  good("APIKey with a Secret", { identity: apiKey }),
  bad("APIKey needs a Secret", { identity: { require: "APIKey" } }, "identity.apiKeys", "is required"),
  bad("API keys belong to APIKey", { identity: { ...bearer(oidc()), apiKeys } }, "identity.apiKeys", "APIKey only"),
  bad(
    "issuers do not belong to APIKey",
    { identity: { ...apiKey, issuers: [oidc()] } },
    "identity.issuers",
    "Bearer only",
  ),
  bad(
    "API keys are in a Secret",
    { identity: { require: "APIKey", apiKeys: {} } },
    "identity.apiKeys.secretRef",
    "is required",
  ),
  bad(
    "the Secret of API keys is named as Kubernetes names are",
    { identity: { require: "APIKey", apiKeys: { secretRef: { name: "Keys_1" } } } },
    "identity.apiKeys.secretRef.name",
    "lower-case",
  ),
  bad(
    "the Secret of API keys is of the route's namespace",
    { identity: { require: "APIKey", apiKeys: { secretRef: { name: "keys", namespace: "other" } } } },
    "identity.apiKeys.secretRef.namespace",
    "unknown",
  ),
  bad(
    "an API key does not stand in the route",
    { identity: { require: "APIKey", apiKeys: { ...apiKeys, keys: ["sgk-a"] } } },
    "identity.apiKeys.keys",
    "unknown",
  ),
];

const allowRows: readonly SchemaRow[] = [
  good("allow may name all four kinds", {
    identity: apiKey,
    "rules.0.allow": { serviceAccounts: ["support-bot"], users: ["alice"], groups: ["corp:ops"], roles: ["admin"] },
  }),
  good("allow may name service accounts without more", { "rules.0.allow": { serviceAccounts: ["support-bot"] } }),
  good("a partition may be User where callers are known", { identity: apiKey, "rules.0.cache.partition": "User" }),
  bad(
    "users are known with Bearer or APIKey only",
    { "rules.0.allow": { users: ["alice"] } },
    "rules",
    "users, groups and roles",
  ),
  bad(
    "groups are known with Bearer or APIKey only",
    { "rules.0.allow": { groups: ["ops"] } },
    "rules",
    "users, groups and roles",
  ),
  bad(
    "roles are known with Bearer or APIKey only",
    { "rules.0.allow": { roles: ["admin"] } },
    "rules",
    "users, groups and roles",
  ),
  bad(
    "tenants are known with Bearer or APIKey only",
    { "rules.0.cache.partition": "Tenant" },
    "rules",
    "User and Tenant",
  ),
  badAllow("a list of users is not empty", { users: [] }, "users", "at least 1 entry"),
  badAllow("65 users are too many", { users: texts(65) }, "users", "at most 64 entries"),
  badAllow("a user stands once", { users: ["alice", "alice"] }, "users[1]", "twice"),
  badAllow("a group is not empty", { groups: [""] }, "groups[0]", "at least 1 character"),
  badAllow("a role has at most 256 characters", { roles: ["r".repeat(257)] }, "roles[0]", "at most 256"),
  badAllow(
    "17 service accounts are too many for a rule",
    { serviceAccounts: texts(17) },
    "serviceAccounts",
    "at most 16 entries",
  ),
  badAllow(
    "an allowed service account is named as Kubernetes names are",
    { serviceAccounts: ["Bot_1"] },
    "serviceAccounts[0]",
    "lower-case",
  ),
  badAllow("allow knows no other kind", { tenants: ["acme"] }, "tenants", "unknown"),
  bad("allow is no list", { "rules.0.allow": ["alice"] }, "rules[0].allow", "an object"),
];

/** Who calls, and who may. */
export const airouteIdentityRows: readonly SchemaRow[] = [...issuerRows, ...claimRows, ...keyRows, ...allowRows];
