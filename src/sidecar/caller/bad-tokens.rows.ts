/** Callers' tokens that prove nothing, and the code that each is refused with. */
import { createHmac } from "node:crypto";
import {
  type CallerSigner,
  callerClaims,
  callerIssuer,
  callerIssuerConfig,
  callerSigner,
  callerToken,
} from "../../../test/fixtures/caller-tokens.ts";
import {
  claimsOf,
  identityOf,
  type Json,
  newSigner,
  part,
  signedToken,
  testIssuer,
} from "../../../test/fixtures/pod-tokens.ts";
import type { IssuerConfig } from "../../config/caller.ts";
import { tokenBytesMax } from "../identity/token.ts";
import { fixedKeys } from "./bearer.ts";
import { callerJudge } from "./judge.ts";
import { KeyRing } from "./key-ring.ts";
import type { CallerReason } from "./reasons.ts";
import { kidLengthMax } from "./token.ts";
import type { CallerJudge } from "./verdict.ts";

/** When the tokens of these rows are looked at. */
export const callerNowMs = 1_763_700_000_000;

const rsa = callerSigner("RS256");
const ec = callerSigner("ES256");
const ed = callerSigner("EdDSA");
const p384 = callerSigner("ES384");
const stranger = callerSigner("ES256");
const small = callerSigner("RS256", 1024);
const cluster = newSigner("ES256");

const published: readonly unknown[] = [
  ...[rsa, ec, ed, p384].map(({ jwk }) => jwk),
  small.jwk,
  { ...stranger.jwk, kid: "twice" },
  { ...ec.jwk, kid: "twice" },
  { ...ec.jwk, kid: "off-curve", x: "A".repeat(43) },
  { ...ec.jwk, kid: "private", d: "A".repeat(43) },
  { ...rsa.jwk, kid: "exponent-1", e: "AQ" },
  { ...rsa.jwk, kid: "encryption", use: "enc" },
  { ...rsa.jwk, kid: "wraps", use: undefined, key_ops: ["wrapKey"] },
  { ...rsa.jwk, kid: "oaep", alg: "RSA-OAEP" },
  { ...rsa.jwk, kid: "rs512-only", alg: "RS512" },
  { kty: "oct", kid: "shared", k: "c2VjcmV0" },
  { kty: "constructor", kid: "odd" },
  null,
  "key",
];

const clusterConfig: IssuerConfig = {
  type: "Cluster",
  audiences: ["gateway"],
  clockToleranceMs: 30_000,
  claims: { user: ["sub"] },
};

/** Judges tokens of the provider with these keys, and of the cluster. */
export const judgeOfRows = (...issuers: readonly IssuerConfig[]): CallerJudge =>
  callerJudge(
    { require: "Bearer", issuers: issuers.length > 0 ? [...issuers] : [callerIssuerConfig(), clusterConfig] },
    { keysOf: () => fixedKeys(new KeyRing(published)), podIdentity: identityOf(cluster) },
  );

/** A token that is taken: every row differs from one in one thing. */
export const goodCallerToken = (signer: "rsa" | "ec" | "ed" = "ec", more: Json = {}): string =>
  callerToken({ rsa, ec, ed }[signer], callerClaims(callerNowMs, more));
/** The same of the cluster. */
export const goodClusterToken = (more: Json = {}): string =>
  signedToken(cluster, { ...claimsOf(callerNowMs), aud: ["gateway"], ...more });

/** One bad token. */
export interface BadCallerToken {
  readonly name: string;
  readonly reason: CallerReason;
  readonly text: string;
}

const row = (name: string, reason: CallerReason, text: string): BadCallerToken => ({ name, reason, text });
const good = goodCallerToken();
const [head = "", body = "", signature = ""] = good.split(".");
const signed = Buffer.from(signature, "base64url");
const now = Math.floor(callerNowMs / 1000);

const claims = (changed: Json, signer: CallerSigner = ec): string =>
  callerToken(signer, callerClaims(callerNowMs, changed));
const header = (changed: Json, signer: CallerSigner = ec): string =>
  callerToken(signer, callerClaims(callerNowMs), changed);
const ofCluster = (changed: Json): string => goodClusterToken(changed);
const hmac = (secret: string): string => {
  const text = `${part({ alg: "HS256", kid: rsa.kid })}.${part(callerClaims(callerNowMs))}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
};
const many = (n: number): string[] => Array.from({ length: n }, (_, i) => `g${i}`);
/** Other bits at the end that stand for nothing: the same bytes, another text. */
const respelled = (text: string): string =>
  text.slice(0, -1) + String.fromCharCode(text.charCodeAt(text.length - 1) + 1);

const formRows: readonly BadCallerToken[] = [
  row("nothing", "credential_missing", ""),
  row("a token that is too large", "token_too_large", claims({ x: "x".repeat(tokenBytesMax) })),
  row("a token with a blank inside", "token_not_text", `${head}. ${body}.${signature}`),
  row("two tokens", "token_not_text", `${good},${good}`),
  row("a token with a line end", "token_not_text", `${good}\n`),
  row("the placeholder that injection sets", "not_a_jwt", "provided-by-sidegate"),
  row("a provider's key", "not_a_jwt", "sk-proj-abcdefghijklmnop"),
  row("an API key of Sidegate's", "not_a_jwt", `sgk-a-${"A".repeat(43)}`),
  row("two parts", "not_a_jwt", `${head}.${body}`),
  row("four parts", "not_a_jwt", `${good}.${signature}`),
  row("an encrypted token", "token_encrypted", `${good}.a.b`),
  row("only the dots", "token_malformed", ".."),
  row("no payload", "token_malformed", `${head}..${signature}`),
  row("a payload in base64", "token_malformed", `${head}.${body}+.${signature}`),
  row("a signature with padding", "token_malformed", `${good}==`),
  row("a signature of a length that no bytes have", "token_malformed", `${head}.${body}.${signature}AAA`),
  row("a signature that is spelled otherwise", "token_malformed", respelled(good)),
  row("a stripped signature", "signature_missing", `${head}.${body}.`),
  row("a header that is no JSON", "header_malformed", `${part("alg=ES256")}.${body}.${signature}`),
  row("a header that is a list", "header_malformed", `${part('["ES256"]')}.${body}.${signature}`),
];

const headerRows: readonly BadCallerToken[] = [
  row("a key of its own (jwk)", "header_names_key", header({ jwk: stranger.jwk, kid: ec.kid }, stranger)),
  row("a chain of its own (x5c)", "header_names_key", header({ x5c: ["MIIB"] }, stranger)),
  row("a certificate by URL (x5u)", "header_names_key", header({ x5u: "https://evil.example/c.pem" }, stranger)),
  row("a key by URL (jku)", "key_unknown", header({ jku: "https://evil.example/jwks" }, stranger)),
  row("crit", "header_critical", header({ crit: ["exp"] })),
  row("an unencoded payload (b64)", "header_critical", header({ b64: false })),
  row("a logout token", "header_type", header({ typ: "logout+jwt" })),
  row("a proof of possession", "header_type", header({ typ: "dpop+jwt" })),
  row("a type that is no text", "header_type", header({ typ: ["JWT"] })),
  row("no algorithm", "algorithm_missing", header({ alg: undefined })),
  row("alg none without a signature", "signature_missing", `${part({ alg: "none" })}.${body}.`),
  row("alg none with a signature", "algorithm_none", header({ alg: "none" })),
  row("alg nOnE", "algorithm_none", header({ alg: "nOnE" })),
  row("HS256 with the public key as secret", "algorithm_symmetric", hmac(rsa.publicPem)),
  row("HS256 with a shared key of the issuer's", "algorithm_symmetric", hmac("secret")),
  row("an algorithm that does not exist", "algorithm_unknown", header({ alg: "RS257" })),
  row("an algorithm in other letters", "algorithm_unknown", header({ alg: "es256" })),
  row("an algorithm of encryption", "algorithm_unknown", header({ alg: "RSA-OAEP" })),
  row("an algorithm that the route does not take", "algorithm_not_allowed", header({}, p384)),
  row("a kid that is a number", "kid_malformed", header({ kid: 1 })),
  row("an empty kid", "kid_malformed", header({ kid: "" })),
  row("a kid with a line end", "kid_malformed", header({ kid: "a\nb" })),
  row("a kid that is too long", "kid_malformed", header({ kid: "k".repeat(kidLengthMax + 1) })),
];

const keyRows: readonly BadCallerToken[] = [
  row("a key of nobody", "key_unknown", header({}, stranger)),
  row("a kid that is a path", "key_unknown", header({ kid: "../../../../dev/null" }, stranger)),
  row("a kid that is a URL", "key_unknown", header({ kid: "https://evil.example/jwks#1" }, stranger)),
  row("a kid that is SQL", "key_unknown", header({ kid: "x' UNION SELECT 'k" }, stranger)),
  row("a kid of the object's prototype", "key_unknown", header({ kid: "__proto__" }, stranger)),
  row("no kid where several keys fit", "kid_missing", header({ kid: undefined })),
  row("two keys of one kid", "key_ambiguous", header({ kid: "twice" })),
  row("an RSA key of 1024 bits", "key_too_small", header({}, small)),
  row("a key that is no point of its curve", "key_unusable", header({ kid: "off-curve" })),
  row("a private key among the public ones", "key_unusable", header({ kid: "private" })),
  row("an RSA key with which every text is signed", "key_unusable", header({ kid: "exponent-1" }, rsa)),
  row("a shared key", "key_unusable", header({ kid: "shared" })),
  row("a key of a type that does not exist", "key_unusable", header({ kid: "odd" })),
  row("a key for encryption", "key_not_for_signing", header({ kid: "encryption" }, rsa)),
  row("a key for wrapping", "key_not_for_signing", header({ kid: "wraps" }, rsa)),
  row("a key for another algorithm of encryption", "key_not_for_signing", header({ kid: "oaep" }, rsa)),
  row("RS256 with a key for RS512 alone", "algorithm_mismatch", header({ kid: "rs512-only" }, rsa)),
  row("RS256 with the kid of an EC key", "algorithm_mismatch", header({ kid: ec.kid }, rsa)),
  row("ES256 with the kid of an RSA key", "algorithm_mismatch", header({ kid: rsa.kid })),
  row("ES256 with the kid of a P-384 key", "algorithm_mismatch", header({ kid: p384.kid })),
  row("EdDSA with the kid of an EC key", "algorithm_mismatch", header({ kid: ec.kid }, ed)),
  row("somebody else's signature under our kid", "signature_invalid", header({ kid: ec.kid }, stranger)),
  row("RS256's signature under PS256", "signature_invalid", header({ alg: "PS256" }, rsa)),
  row(
    "another payload",
    "signature_invalid",
    `${head}.${part(callerClaims(callerNowMs, { sub: "bob" }))}.${signature}`,
  ),
  row("another header", "signature_invalid", `${part({ alg: "ES256", kid: ec.kid, x: 1 })}.${body}.${signature}`),
  row("a signature that was cut", "signature_invalid", `${head}.${body}.${part(signed.subarray(0, 60))}`),
  row("a signature of zeros", "signature_invalid", `${head}.${body}.${part(Buffer.alloc(64))}`),
  row("one byte of a signature", "signature_invalid", `${head}.${body}.AA`),
];

const issueRows: readonly BadCallerToken[] = [
  row("claims that are no JSON", "claims_malformed", callerToken(ec, "claims")),
  row("claims that are a list", "claims_malformed", callerToken(ec, "[]")),
  row("claims that are not UTF-8", "claims_malformed", callerToken(ec, Buffer.from([0x7b, 0xc3, 0x7d]))),
  row("no issuer", "issuer_missing", claims({ iss: undefined })),
  row("an issuer that is a list", "issuer_missing", claims({ iss: [callerIssuer] })),
  row("another issuer", "issuer_mismatch", claims({ iss: "https://login.example.com/realms/other" })),
  row("the issuer with a slash behind it", "issuer_mismatch", claims({ iss: `${callerIssuer}/` })),
  row("no audience", "audience_missing", claims({ aud: undefined })),
  row("an audience that is an object", "audience_malformed", claims({ aud: { a: "sidegate-acme" } })),
  row("an audience that holds a number", "audience_malformed", claims({ aud: ["sidegate-acme", 1] })),
  row("another audience", "audience_mismatch", claims({ aud: "sidegate" })),
  row("an empty list of audiences", "audience_mismatch", claims({ aud: [] })),
  row("no end", "expiry_missing", claims({ exp: undefined })),
  row("an end that is a text", "expiry_malformed", claims({ exp: String(now + 600) })),
  row("an end that no date can be", "expiry_malformed", claims({ exp: 1e300 })),
  row("an ended token", "token_expired", claims({ exp: now - 30 })),
  row("a beginning that is null", "not_before_malformed", claims({ nbf: null })),
  row("a token of tomorrow", "token_not_yet_valid", claims({ nbf: now + 31 })),
  row("a time of issue that is a text", "issued_at_malformed", claims({ iat: "now" })),
  row("a token that was issued tomorrow", "issued_in_the_future", claims({ iat: now + 31 })),
];

const callerRows: readonly BadCallerToken[] = [
  row("no user", "user_missing", claims({ sub: undefined })),
  row("an empty user", "user_malformed", claims({ sub: "" })),
  row("a user that is a number", "user_malformed", claims({ sub: 7 })),
  row("a user with a line end", "user_malformed", claims({ sub: "alice\nroot" })),
  row("a user that is half a character", "user_malformed", claims({ sub: "\ud800" })),
  row("a user that is too long", "user_too_long", claims({ sub: "u".repeat(257) })),
  row("a user of the cluster's", "user_reserved", claims({ sub: "system:serviceaccount:default:admin" })),
  row("a user of the cluster's behind a blank", "user_reserved", claims({ sub: " system:admin" })),
  row("a user of the cluster's behind nothing to see", "user_reserved", claims({ sub: "\u200b\ufeffsystem:admin" })),
  row("a user that reads from right to left", "user_malformed", claims({ sub: "a\u202enimda" })),
  row("a user on two lines", "user_malformed", claims({ sub: "alice\u2028root" })),
  row("a tenant that is a list", "tenant_malformed", claims({ org: { id: ["acme"] } })),
  row("a tenant that is too long", "tenant_too_long", claims({ org: { id: "t".repeat(257) } })),
  row("a tenant of the cluster's", "tenant_reserved", claims({ org: { id: "system:masters" } })),
  row("roles that are an object", "roles_malformed", claims({ realm_access: { roles: { admin: true } } })),
  row("roles that are null", "roles_malformed", claims({ realm_access: { roles: null } })),
  row("a role that is empty", "roles_malformed", claims({ realm_access: { roles: [""] } })),
  row("a role that is too long", "roles_too_long", claims({ realm_access: { roles: ["r".repeat(257)] } })),
  row("too many roles", "roles_too_many", claims({ realm_access: { roles: many(257) } })),
  row("a role of the cluster's", "roles_reserved", claims({ realm_access: { roles: ["a", "system:admin"] } })),
  row("a group that is a number", "groups_malformed", claims({ groups: ["staff", 1] })),
  row("a group that is too long", "groups_too_long", claims({ groups: "g".repeat(257) })),
  row("too many groups", "groups_too_many", claims({ groups: many(257) })),
  row("a group of the cluster's", "groups_reserved", claims({ groups: ["system:masters"] })),
  row("the cluster's token for the API server", "audience_mismatch", ofCluster({ aud: [testIssuer] })),
  row("the cluster's token of a user", "subject_not_a_service_account", ofCluster({ sub: "admin" })),
  row("the cluster's token of a node", "subject_not_a_service_account", ofCluster({ sub: "system:node:a" })),
  row("the cluster's issuer, signed by the provider", "key_unknown", claims({ iss: testIssuer, aud: "gateway" })),
  row(
    "the provider's issuer, signed by the cluster",
    "key_unknown",
    ofCluster({ iss: callerIssuer, aud: "sidegate-acme" }),
  ),
];

/** All of them. */
export const badCallerTokens: readonly BadCallerToken[] = [
  ...formRows,
  ...headerRows,
  ...keyRows,
  ...issueRows,
  ...callerRows,
];
