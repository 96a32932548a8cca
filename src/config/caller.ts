/** Who may call a sidecar besides its own pod's service account: JWTs of known issuers, or API keys. Part of the contract. */
import * as z from "zod";

/** Signature algorithms of bearer tokens. No symmetric one is among them, nor `none` (RFC 8725 section 3.1). */
export const bearerAlgorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;
/** Name of a signature algorithm, as RFC 7518 and RFC 8037 have it. */
export type BearerAlgorithm = (typeof bearerAlgorithms)[number];

/** Most issuers, and most API keys, of a route. */
export const issuersMax = 8;
export const apiKeysMax = 1024;
/** Most values of one kind (roles, groups) of a caller, and characters of each. Entra puts up to 200 groups into a token. */
export const callerValuesMax = 256;
export const callerValueLengthMax = 256;

const text = z.string().min(1).max(callerValueLengthMax);
/** Member names from the outside in. */
const claimPath = z.array(z.string().min(1).max(256)).min(1).max(8);

const shared = {
  /** A token must be for one of them. */
  audiences: z.array(z.string().min(1).max(256)).min(1).max(16),
  /** How far the issuer's clock may differ. */
  clockToleranceMs: z.int().min(0).max(300_000),
  /** Where a token says whose it is. Absent: the caller has none. */
  claims: z.strictObject({
    user: claimPath,
    tenant: claimPath.optional(),
    roles: claimPath.optional(),
    groups: claimPath.optional(),
  }),
};

/** Whose tokens are taken. */
export const issuerSchema = z.discriminatedUnion("type", [
  /** The cluster: issuer and keys are those of `podIdentity`. Without that nothing can be verified. */
  z.strictObject({ type: z.literal("Cluster"), ...shared }),
  /** OpenID Connect. */
  z.strictObject({
    type: z.literal("OIDC"),
    /** As it stands in the tokens: compared character by character. */
    issuer: z.url({ protocol: /^https?$/ }).max(2048),
    /** Where the keys are; absent: where the issuer's discovery document says (OpenID Connect Discovery 1.0 section 4). */
    jwksURL: z
      .url({ protocol: /^https?$/ })
      .max(2048)
      .optional(),
    /** Plain http beyond loopback is allowed, for the keys' place as well. */
    isInsecure: z.literal(true).optional(),
    algorithms: z.array(z.enum(bearerAlgorithms)).min(1),
    /** Put before its users, tenants, roles and groups. Values that begin with `system:` are refused: they are the cluster's own. */
    prefix: z.string().max(33).default(""),
    ...shared,
  }),
]);

/** An API key: its digest, and whose it is. The key itself is nowhere. */
export const apiKeySchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/),
  /** 16 bytes in base64url. */
  salt: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
  /** SHA-256 of the salt's bytes and the whole key's UTF-8 bytes, in base64url. A key has 256 random bits, so no slow hash is needed. */
  hash: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  user: text,
  tenant: text.optional(),
  roles: z.array(text).max(callerValuesMax),
  groups: z.array(text).max(callerValuesMax),
  /** Milliseconds since the epoch; absent: always, for ever. */
  notBeforeMs: z.int().min(0).optional(),
  expiresMs: z.int().min(0).optional(),
});

/** What a caller must send. Absent in a route: nothing, the caller is the pod's service account. */
export const callerSchema = z.discriminatedUnion("require", [
  /** Without any issuer, or any key, everybody is refused. */
  z.strictObject({ require: z.literal("Bearer"), issuers: z.array(issuerSchema).max(issuersMax) }),
  z.strictObject({ require: z.literal("APIKey"), keys: z.array(apiKeySchema).max(apiKeysMax) }),
]);

/** Who may use a rule: every list that is there must hold one of the caller's. Absent in a rule: everybody of the route. */
export const allowSchema = z.strictObject({
  /** Of the route's namespace. */
  serviceAccounts: z.array(z.string().min(1).max(253)).min(1).max(64).optional(),
  users: z.array(text).min(1).max(64).optional(),
  groups: z.array(text).min(1).max(64).optional(),
  roles: z.array(text).min(1).max(64).optional(),
});

/** What a caller must send, decoded. */
export type CallerConfig = z.infer<typeof callerSchema>;
/** An issuer, decoded. */
export type IssuerConfig = z.infer<typeof issuerSchema>;
/** An API key, decoded. */
export type ApiKeyConfig = z.infer<typeof apiKeySchema>;
/** Who may use a rule, decoded. */
export type AllowConfig = z.infer<typeof allowSchema>;
