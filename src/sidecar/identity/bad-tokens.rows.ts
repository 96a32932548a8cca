/** Tokens that prove nothing, and the code that each is refused with. */
import { createHmac } from "node:crypto";
import {
  claimsOf,
  goodToken,
  identityOf,
  type Json,
  kubernetesOf,
  newSigner,
  part,
  type Signer,
  signedToken,
  testIssuer,
  testPod,
} from "../../../test/fixtures/pod-tokens.ts";
import type { PodIdentityConfig } from "../../config/pod-identity.ts";
import { clockLeewayMs } from "./claims.ts";
import type { IdentityReason } from "./reasons.ts";
import { tokenBytesMax } from "./token.ts";

/** When the tokens of these rows are looked at. */
export const badTokenNowMs = 1_763_700_000_000;

/** The cluster's keys, and some that are not. */
const rsa = newSigner("RS256");
const ec = newSigner("ES256");
const stranger = newSigner("ES256");
const small = newSigner("RS256", 1024);

/** One bad token. `file` undefined: there is none; "folder": something else stands in its place. */
export interface BadToken {
  readonly name: string;
  readonly reason: IdentityReason;
  readonly file: string | Uint8Array | undefined | "folder";
  /** Absent: the cluster's, with both keys. */
  readonly identity?: PodIdentityConfig;
}

/** The cluster of these rows. */
export const badTokenIdentity = identityOf(rsa, ec);
/** A token that this cluster takes: every row differs from it in one thing. */
export const goodRowToken = (signer: "rsa" | "ec" = "ec"): string =>
  goodToken(signer === "rsa" ? rsa : ec, badTokenNowMs);

const row = (name: string, reason: IdentityReason, file: BadToken["file"], identity?: PodIdentityConfig): BadToken => ({
  name,
  reason,
  file,
  ...(identity && { identity }),
});

const good = goodToken(ec, badTokenNowMs);
const [head = "", body = "", signature = ""] = good.split(".");
const now = Math.floor(badTokenNowMs / 1000);
const leeway = clockLeewayMs / 1000;

/** With other claims; undefined leaves one out. */
const claims = (changed: Json, signer: Signer = ec): string =>
  signedToken(signer, { ...claimsOf(badTokenNowMs), ...changed });
/** With other members below `kubernetes.io`. */
const kube = (changed: Json): string => claims({ "kubernetes.io": { ...kubernetesOf(testPod), ...changed } });
const header = (changed: Json, signer: Signer = ec): string => signedToken(signer, claimsOf(badTokenNowMs), changed);
const of = (changed: Partial<typeof testPod>): string => goodToken(ec, badTokenNowMs, { ...testPod, ...changed });

const hmac = (secret: string): string => {
  const text = `${part({ alg: "HS256", kid: rsa.kid })}.${part(claimsOf(badTokenNowMs))}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
};

const fileRows: readonly BadToken[] = [
  row("no file", "token_missing", undefined),
  row("a folder in its place", "token_unreadable", "folder"),
  row("an empty file", "token_empty", ""),
  row("a file of line ends", "token_empty", "\n \r\n\t"),
  row(
    "a token that is too large",
    "token_too_large",
    signedToken(ec, { ...claimsOf(badTokenNowMs), x: "x".repeat(tokenBytesMax) }),
  ),
  row("a gigabyte of blanks, as far as it is read", "token_too_large", " ".repeat(tokenBytesMax + 100)),
  row("bytes that are not UTF-8", "token_not_text", Buffer.from([0x65, 0xff, 0xfe, 0x2e])),
  row("a token with a line end inside", "token_not_text", `${head}.\n${body}.${signature}`),
  row("a token with a NUL behind it", "token_not_text", `${good}\0`),
  row("a token behind the mark of UTF-8", "token_not_text", Buffer.from(`\uFEFF${good}`)),
];

const formRows: readonly BadToken[] = [
  row("a word", "token_malformed", "token"),
  row("a provider's key", "token_malformed", "sk-proj-abcdefghijklmnop"),
  row("a PEM in one line", "token_malformed", "-----BEGIN+CERTIFICATE-----"),
  row("two parts", "token_malformed", `${head}.${body}`),
  row("four parts", "token_malformed", `${good}.${signature}`),
  row("five parts, as of an encrypted one", "token_malformed", `${head}.${body}.${signature}.a.b`),
  row("only the dots", "token_malformed", ".."),
  row("two dots in a row", "token_malformed", `${head}..${signature}`),
  row("no header", "token_malformed", `.${body}.${signature}`),
  row("base64 instead of base64url", "token_malformed", `${head}.${body}=.${signature}`),
  row("a signature in base64", "token_malformed", `${head}.${body}.${signature}==`),
  row("two tokens", "token_malformed", `${good},${good}`),
  row("a stripped signature", "signature_missing", `${head}.${body}.`),
  row("a header that is not JSON", "header_malformed", `${part("alg=ES256")}.${body}.${signature}`),
  row("a header that is a list", "header_malformed", `${part('["ES256"]')}.${body}.${signature}`),
  row(
    "a header that is not UTF-8",
    "header_malformed",
    `${part(Buffer.from([0x7b, 0xff, 0x7d]))}.${body}.${signature}`,
  ),
];

const headerRows: readonly BadToken[] = [
  row("a key by URL (jku)", "header_names_key", header({ jku: "https://evil.example/jwks" }, stranger)),
  row("a certificate by URL (x5u)", "header_names_key", header({ x5u: "https://evil.example/c.pem" }, stranger)),
  row("a key of its own (jwk)", "header_names_key", header({ jwk: stranger.jwk, kid: ec.kid }, stranger)),
  row("a chain of its own (x5c)", "header_names_key", header({ x5c: ["MIIB"] }, stranger)),
  row("crit", "header_critical", header({ crit: ["exp"] })),
  row("an empty crit", "header_critical", header({ crit: [] })),
  row("an unencoded payload (b64)", "header_critical", header({ b64: false })),
  row("another type", "header_type", header({ typ: "JOSE+JSON" })),
  row("a type that is no text", "header_type", header({ typ: 1 })),
  row("no algorithm", "algorithm_missing", header({ alg: undefined })),
  row("an algorithm that is a list", "algorithm_missing", header({ alg: ["ES256"] })),
  row("alg none without a signature", "signature_missing", `${part({ alg: "none" })}.${body}.`),
  row("alg none with a signature", "algorithm_none", header({ alg: "none" })),
  row("alg nOnE", "algorithm_none", header({ alg: "nOnE" })),
  row("HS256 with the public key as secret", "algorithm_symmetric", hmac(rsa.publicPem)),
  row("HS256 with the modulus as secret", "algorithm_symmetric", hmac(JSON.stringify(rsa.jwk))),
  row("PS256", "algorithm_not_allowed", header({ alg: "PS256" }, rsa)),
  row("EdDSA", "algorithm_not_allowed", header({ alg: "EdDSA" })),
  row("rs256", "algorithm_not_allowed", header({ alg: "rs256" }, rsa)),
  row("no kid", "kid_missing", header({ kid: undefined })),
  row("an empty kid", "kid_missing", header({ kid: "" })),
  row("a kid that is a path", "kid_malformed", header({ kid: "../../../../dev/null" }, stranger)),
  row("a kid that is a file", "kid_malformed", header({ kid: "/var/run/secrets/sidegate/token-0" }, stranger)),
  row("a kid that is a URL", "kid_malformed", header({ kid: "https://evil.example/jwks#1" }, stranger)),
  row("a kid that is SQL", "kid_malformed", header({ kid: "x' UNION SELECT 'k" }, stranger)),
  row("a kid that is a number", "kid_malformed", header({ kid: 1 }, stranger)),
  row("a kid that is too long", "kid_malformed", header({ kid: "k".repeat(257) }, stranger)),
];

const keyRows: readonly BadToken[] = [
  row("a key of nobody", "key_unknown", goodToken(stranger, badTokenNowMs)),
  row("a kid of the object's prototype", "key_unknown", header({ kid: "constructor" }, stranger)),
  row("no key in the config", "keys_missing", good, { ...badTokenIdentity, jwks: { keys: [] } }),
  row(
    "two keys of one kid",
    "key_ambiguous",
    good,
    identityOf(ec, { ...stranger, jwk: { ...stranger.jwk, kid: ec.kid } }),
  ),
  row("an RSA key of 1024 bits", "key_too_small", goodToken(small, badTokenNowMs), identityOf(small)),
  row("a key that is no point of its curve", "key_unusable", good, {
    ...badTokenIdentity,
    jwks: { keys: [{ ...stranger.jwk, kid: ec.kid, x: "A".repeat(43) } as typeof ec.jwk] }, // an EC key
  }),
  row("RS256 with the kid of an EC key", "algorithm_mismatch", header({ kid: ec.kid }, rsa)),
  row("ES256 with the kid of an RSA key", "algorithm_mismatch", header({ kid: rsa.kid })),
  row("ES384 with the kid of a P-256 key", "algorithm_mismatch", header({ alg: "ES384" })),
  row("somebody else's signature under our kid", "signature_invalid", header({ kid: ec.kid }, stranger)),
  row(
    "another payload under a good signature",
    "signature_invalid",
    `${head}.${part(claimsOf(badTokenNowMs + 1e6))}.${signature}`,
  ),
  row(
    "another header under a good signature",
    "signature_invalid",
    `${part({ alg: "ES256", kid: ec.kid, x: 1 })}.${body}.${signature}`,
  ),
  row("a signature that was cut", "signature_invalid", good.slice(0, -8)),
  row("a signature of zeros", "signature_invalid", `${head}.${body}.${part(Buffer.alloc(64))}`),
  row(
    "an RSA signature of ones",
    "signature_invalid",
    `${part({ alg: "RS256", kid: rsa.kid })}.${body}.${part(Buffer.alloc(256, 0xff))}`,
  ),
];

const issueRows: readonly BadToken[] = [
  row("claims that are not JSON", "claims_malformed", signedToken(ec, "claims")),
  row("claims that are a list", "claims_malformed", signedToken(ec, "[]")),
  row("claims that are null", "claims_malformed", signedToken(ec, "null")),
  row("claims that are not UTF-8", "claims_malformed", signedToken(ec, Buffer.from([0x7b, 0xc3, 0x7d]))),
  row("no issuer", "issuer_missing", claims({ iss: undefined })),
  row("an issuer that is a list", "issuer_missing", claims({ iss: [testIssuer] })),
  row("another issuer", "issuer_mismatch", claims({ iss: "https://kubernetes.default.svc" })),
  row("the issuer with a slash behind it", "issuer_mismatch", claims({ iss: `${testIssuer}/` })),
  row("the issuer in capitals", "issuer_mismatch", claims({ iss: testIssuer.toUpperCase() })),
  row("no audience", "audience_missing", claims({ aud: undefined })),
  row("an audience that is an object", "audience_malformed", claims({ aud: { sidegate: true } })),
  row("an audience that holds a number", "audience_malformed", claims({ aud: ["sidegate", 1] })),
  row("the API server's audience", "audience_mismatch", claims({ aud: testIssuer })),
  row("a list of audiences without ours", "audience_mismatch", claims({ aud: ["https://api.openai.com/v1", "vault"] })),
  row("an empty list of audiences", "audience_mismatch", claims({ aud: [] })),
  row("an audience that begins like ours", "audience_mismatch", claims({ aud: "sidegate.example" })),
  row("no end", "expiry_missing", claims({ exp: undefined })),
  row("an end that is a text", "expiry_malformed", claims({ exp: String(now + 600) })),
  row("an end that no date can be", "expiry_malformed", claims({ exp: 1e300 })),
  row("an ended token", "token_expired", claims({ exp: now - leeway })),
  row("no beginning", "not_before_missing", claims({ nbf: undefined })),
  row("a beginning that is a text", "not_before_malformed", claims({ nbf: "now" })),
  row("a token of tomorrow", "token_not_yet_valid", claims({ nbf: now + leeway + 1 })),
  row("no time of issue", "issued_at_missing", claims({ iat: undefined })),
  row("a time of issue that is null", "issued_at_malformed", claims({ iat: null })),
  row("a token that was issued tomorrow", "issued_in_the_future", claims({ iat: now + leeway + 1 })),
];

const account = (changed: Json): string =>
  kube({ serviceaccount: { name: testPod.serviceAccount, uid: "u", ...changed } });
const bound = (changed: Json): string => kube({ pod: { name: testPod.pod, uid: testPod.podUid, ...changed } });

const podRows: readonly BadToken[] = [
  row("no subject", "subject_missing", claims({ sub: undefined })),
  row("the subject of a user", "subject_mismatch", claims({ sub: "admin" })),
  row("the subject of another account", "subject_mismatch", claims({ sub: "system:serviceaccount:default:admin" })),
  row("nothing of Kubernetes", "kubernetes_missing", claims({ "kubernetes.io": undefined })),
  row("Kubernetes as a text", "kubernetes_missing", claims({ "kubernetes.io": "default" })),
  row(
    "a legacy token's claims",
    "kubernetes_missing",
    claims({ "kubernetes.io": undefined, "kubernetes.io/serviceaccount/namespace": "default" }),
  ),
  row("no namespace", "namespace_missing", kube({ namespace: undefined })),
  row("a namespace that is a list", "namespace_missing", kube({ namespace: ["default"] })),
  row("another namespace", "namespace_mismatch", of({ namespace: "kube-system" })),
  row("no service account", "service_account_missing", kube({ serviceaccount: undefined })),
  row("a service account that is a text", "service_account_missing", kube({ serviceaccount: "default" })),
  row("another service account", "service_account_mismatch", of({ serviceAccount: "admin" })),
  row("a service account without a uid", "service_account_uid_missing", account({ uid: undefined })),
  row(
    "a token that is bound to a Secret",
    "bound_to_secret",
    kube({ pod: undefined, secret: { name: "s", uid: "u" } }),
  ),
  row("one that is bound to a Secret and a pod", "bound_to_secret", kube({ secret: { name: "s", uid: "u" } })),
  row("a token that is bound to a node", "bound_to_node", kube({ pod: undefined })),
  row("a token that is bound to nothing", "not_bound_to_a_pod", kube({ pod: undefined, node: undefined })),
  row("a pod that is a text", "not_bound_to_a_pod", kube({ pod: testPod.pod })),
  row("a pod without a name", "pod_name_missing", bound({ name: undefined })),
  row("a copy from another pod", "pod_name_mismatch", of({ pod: "pod-2", podUid: "another" })),
  row("a pod without a uid", "pod_uid_missing", bound({ uid: undefined })),
  row("a pod whose uid is a number", "pod_uid_missing", bound({ uid: 7 })),
  row("a copy from an earlier pod of this name", "pod_uid_mismatch", of({ podUid: "another" })),
];

/** All of them. */
export const badTokens: readonly BadToken[] = [
  ...fileRows,
  ...formRows,
  ...headerRows,
  ...keyRows,
  ...issueRows,
  ...podRows,
];
