/** Who the caller of a route is: its pod's service account alone, or somebody who proves it with a JWT or an API key. */
import { z } from "zod";
import { apiKeysMax, bearerAlgorithms, issuersMax } from "../config/caller.ts";
import { claimPathPattern } from "./claim-path.ts";
import { durationSchema } from "./duration.ts";
import { objectName } from "./object.ts";
import { type CrossFieldRule, celMatches, matching, uniqueScalars, withRules } from "./rules.ts";
import { endpointPattern, loopbackPattern } from "./url-patterns.ts";

/** Algorithms of an issuer that names none. */
export const bearerAlgorithmsDefault = ["RS256", "PS256", "ES256", "EdDSA"] as const;

const loopback = new RegExp(loopbackPattern);
const isGuarded = (url: string | undefined): boolean => !url?.startsWith("http://") || loopback.test(url);

const claimPath = () =>
  z.string().min(1).max(256).regex(new RegExp(claimPathPattern), {
    error: 'must be at most 8 names joined by dots, such as realm_access.roles, or ["https://example.com/roles"]',
  });

const claimsSchema = z.strictObject({
  user: claimPath().default("sub").describe("A text: who calls. A token without it is refused."),
  tenant: claimPath().optional().describe("A text: the customer or organization."),
  roles: claimPath()
    .optional()
    .describe("A list of texts, or one text. `scope` and `scp` are lists separated by spaces."),
  groups: claimPath().optional().describe("A list of texts, or one text."),
});

const issuerShape = z.strictObject({
  type: z
    .enum(["OIDC", "Cluster"])
    .default("OIDC")
    .describe(
      "OIDC: an OpenID Connect provider. Cluster: this cluster, whose service accounts of any pod may call; `user` is then `system:serviceaccount:NAMESPACE:NAME`.",
    ),
  issuer: matching(z.string().min(1).max(2048), endpointPattern, "must be a URL without user, query and fragment")
    .optional()
    .describe("Type OIDC: the issuer exactly as `iss` has it, a slash at its end included."),
  jwksURL: matching(z.string().min(1).max(2048), endpointPattern, "must be a URL without user, query and fragment")
    .optional()
    .describe("Type OIDC: where the public keys are. Absent: where `/.well-known/openid-configuration` says."),
  audiences: uniqueScalars(z.array(z.string().min(1).max(256)).min(1).max(16)).describe(
    "A token must be for one of them. Choose one that is this route's alone: a token for another service must not open it.",
  ),
  algorithms: uniqueScalars(z.array(z.enum(bearerAlgorithms)).min(1).max(bearerAlgorithms.length))
    .default([...bearerAlgorithmsDefault])
    .describe("Type OIDC: signature algorithms that are taken."),
  prefix: matching(
    z.string().min(2).max(33),
    "^[a-z0-9][a-z0-9-]{0,31}:$",
    "must be lower-case letters, digits and '-', and end in a colon, such as corp:",
  )
    .optional()
    .describe(
      "Type OIDC: put before its users, tenants, roles and groups, so that no issuer can speak for another's. Required where several are of type OIDC. `system:` is the cluster's own.",
    ),
  clockTolerance: durationSchema({ min: "0ms", max: "5m" })
    .default("30s")
    .describe("How far the issuer's clock may differ from the node's."),
  insecure: z
    .boolean()
    .default(false)
    .describe(
      "Allows plain http beyond loopback for `issuer` and `jwksURL`: whoever is on the way can then make tokens.",
    ),
  claims: claimsSchema.prefault({}).describe("Where a token says whose it is."),
});

type IssuerShape = z.output<typeof issuerShape>;

const issuerRules: readonly CrossFieldRule<IssuerShape>[] = [
  {
    cel: "self.type != 'OIDC' || has(self.issuer)",
    message: "is required for type OIDC",
    path: "issuer",
    check: ({ type, issuer }) => type !== "OIDC" || issuer !== undefined,
  },
  {
    cel: "self.type == 'OIDC' || !has(self.issuer)",
    message: "belongs to type OIDC only",
    path: "issuer",
    check: ({ type, issuer }) => type === "OIDC" || issuer === undefined,
  },
  {
    cel: "self.type == 'OIDC' || !has(self.jwksURL)",
    message: "belongs to type OIDC only",
    path: "jwksURL",
    check: ({ type, jwksURL }) => type === "OIDC" || jwksURL === undefined,
  },
  {
    cel: "self.type == 'OIDC' || !has(self.prefix)",
    message: "belongs to type OIDC only",
    path: "prefix",
    check: ({ type, prefix }) => type === "OIDC" || prefix === undefined,
  },
  {
    cel: "!has(self.prefix) || self.prefix != 'system:'",
    message: "must not be system:, which is the cluster's own",
    path: "prefix",
    check: ({ prefix }) => prefix !== "system:",
  },
  {
    cel: `self.insecure || !has(self.issuer) || !self.issuer.startsWith('http://') || ${celMatches("self.issuer", loopbackPattern)}`,
    message: "must be https; http is for loopback addresses, or needs insecure: true",
    path: "issuer",
    check: ({ insecure, issuer }) => insecure || isGuarded(issuer),
  },
  {
    cel: `self.insecure || !has(self.jwksURL) || !self.jwksURL.startsWith('http://') || ${celMatches("self.jwksURL", loopbackPattern)}`,
    message: "must be https; http is for loopback addresses, or needs insecure: true",
    path: "jwksURL",
    check: ({ insecure, jwksURL }) => insecure || isGuarded(jwksURL),
  },
];

const shape = z.strictObject({
  require: z
    .enum(["ServiceAccount", "Bearer", "APIKey"])
    .default("ServiceAccount")
    .describe(
      "ServiceAccount: the caller is the pod's service account. Bearer: the caller also sends a JWT, as `Authorization: Bearer`, or as `api-key` in Azure's dialect. APIKey: it sends an API key of `sidegate key create` in the same place.",
    ),
  issuers: withRules(z.array(withRules(issuerShape, issuerRules)).max(issuersMax), [
    {
      cel: "self.all(a, self.exists_one(b, a.type == b.type && (!has(a.issuer) || (has(b.issuer) && a.issuer == b.issuer))))",
      message: "each issuer may stand here once",
      check: (issuers) => new Set(issuers.map(({ type, issuer }) => `${type} ${issuer ?? ""}`)).size === issuers.length,
    },
    {
      cel: "self.filter(i, i.type == 'OIDC').size() <= 1 || self.all(a, a.type != 'OIDC' || (has(a.prefix) && self.exists_one(b, has(b.prefix) && a.prefix == b.prefix)))",
      message:
        "must each have a prefix of its own where several are of type OIDC, so that none can speak for another's users",
      check: (issuers) => {
        const prefixes = issuers.filter(({ type }) => type === "OIDC").map(({ prefix }) => prefix);
        return prefixes.length <= 1 || (!prefixes.includes(undefined) && new Set(prefixes).size === prefixes.length);
      },
    },
  ])
    .default([])
    .describe("Whose tokens are taken. For Bearer: at least one."),
  apiKeys: z
    .strictObject({
      secretRef: z
        .strictObject({ name: objectName().describe('Secret with the label `sidegate.dev/credential: "true"`.') })
        .describe(
          `Secret in the route's namespace whose every key is an API key's id, with its digest and what it stands for; at most ${apiKeysMax}. \`sidegate key\` writes it.`,
        ),
    })
    .optional()
    .describe("Where the digests of API keys are. Required for APIKey."),
});

type IdentityShape = z.output<typeof shape>;

const rules: readonly CrossFieldRule<IdentityShape>[] = [
  {
    cel: "self.require != 'Bearer' || (has(self.issuers) && size(self.issuers) > 0)",
    message: "needs at least one with require: Bearer",
    path: "issuers",
    check: ({ require, issuers }) => require !== "Bearer" || issuers.length > 0,
  },
  {
    cel: "self.require == 'Bearer' || !has(self.issuers) || size(self.issuers) == 0",
    message: "belongs to require: Bearer only",
    path: "issuers",
    check: ({ require, issuers }) => require === "Bearer" || issuers.length === 0,
  },
  {
    cel: "self.require != 'APIKey' || has(self.apiKeys)",
    message: "is required for require: APIKey",
    path: "apiKeys",
    check: ({ require, apiKeys }) => require !== "APIKey" || apiKeys !== undefined,
  },
  {
    cel: "self.require == 'APIKey' || !has(self.apiKeys)",
    message: "belongs to require: APIKey only",
    path: "apiKeys",
    check: ({ require, apiKeys }) => require === "APIKey" || apiKeys === undefined,
  },
];

/** `spec.identity` of a route. */
export const identitySchema = withRules(shape, rules);
/** `spec.identity`, defaults filled in. */
export type IdentitySpec = z.output<typeof identitySchema>;
/** One issuer, defaults filled in. */
export type IssuerSpec = IdentitySpec["issuers"][number];
