/** Tokens that must not pass, each made from a real one of this cluster, with the code that it is refused with. */
import { createHmac, createPublicKey } from "node:crypto";
import type { CallerReason } from "../../../src/sidecar/caller/reasons.ts";
import type { IdentityReason } from "../../../src/sidecar/identity/reasons.ts";
import { type Json, newSigner, part, type Signer, signedToken } from "../../fixtures/pod-tokens.ts";
import { type ClusterIssuer, claimsIn, headerIn } from "./tokens.ts";

/** One of them. */
export interface BadToken {
  readonly name: string;
  /** As a pod's own token. */
  readonly reason: IdentityReason;
  /** As a caller's; undefined: nothing that a caller could send, or that is wrong with a caller's token. */
  readonly asCaller: CallerReason | undefined;
  readonly token: string;
}

const row = (name: string, reason: IdentityReason & CallerReason, token: string): BadToken => ({
  name,
  reason,
  asCaller: reason,
  token,
});

/** One that means something else where a caller sends it. */
const twofold = (
  name: string,
  [reason, asCaller]: readonly [IdentityReason, CallerReason | undefined],
  token: string,
): BadToken => ({ name, reason, asCaller, token });

/** What rows are made of. */
interface Parts {
  readonly good: string;
  readonly head: string;
  readonly body: string;
  readonly signature: string;
  readonly kid: string;
  readonly claims: Json;
  readonly jwk: ClusterIssuer["keys"][number];
  /** A stranger's key, as large as the cluster's. */
  readonly rsa: Signer;
}

const partsOf = (good: string, { keys }: ClusterIssuer): Parts => {
  const [head = "", body = "", signature = ""] = good.split(".");
  const { kid } = headerIn(good) as { kid: string }; // every token of Kubernetes has one
  const jwk = keys.find((key) => key.kid === kid);
  if (jwk?.n === undefined) throw new Error(`the cluster publishes no RSA key ${kid}, which signed the token`);
  const rsa = newSigner("RS256", Buffer.from(jwk.n, "base64url").length * 8);
  return { good, head, body, signature, kid, claims: claimsIn(good), jwk, rsa };
};

/** What anybody can make who has seen a token and the cluster's public keys. `good`: a token that passes, signed with RSA. */
export const forgedTokens = (good: string, issuer: ClusterIssuer): readonly BadToken[] => {
  const parts = partsOf(good, issuer);
  return [...formRows(parts), ...headerRows(parts), ...signatureRows(parts)];
};

const formRows = ({ good, head, body, signature, kid, claims, jwk, rsa }: Parts): readonly BadToken[] => {
  const pem = createPublicKey({ key: jwk, format: "jwk" }).export({ type: "spki", format: "pem" }).toString();
  const hmac = (alg: string, secret: string): string => {
    const text = `${part({ alg, kid })}.${part(claims)}`;
    const proof = createHmac(`sha${alg.slice(2)}`, secret).update(text);
    return `${text}.${proof.digest("base64url")}`;
  };
  return [
    row("a stripped signature", "signature_missing", `${head}.${body}.`),
    twofold("a token without its last part", ["token_malformed", "not_a_jwt"], `${head}.${body}`),
    twofold("a token of four parts", ["token_malformed", "not_a_jwt"], `${good}.${signature}`),
    twofold("two tokens in one", ["token_malformed", "token_not_text"], `${good},${good}`),
    twofold("a token with a NUL behind it", ["token_not_text", undefined], `${good}\0`),
    twofold(
      "a token that is too large",
      ["token_too_large", undefined],
      signedToken(rsa, { ...claims, x: "x".repeat(16_384) }),
    ),
    twofold("nothing", ["token_empty", undefined], "\n"),
    row("a header that is no JSON", "header_malformed", `${part("alg=RS256")}.${body}.${signature}`),
    row("alg none without a signature", "signature_missing", `${part({ alg: "none", kid })}.${body}.`),
    row("alg none with the real signature", "algorithm_none", `${part({ alg: "none", kid })}.${body}.${signature}`),
    row("alg nOnE", "algorithm_none", `${part({ alg: "nOnE", kid })}.${body}.${signature}`),
    row("HS256 with the public key (PEM)", "algorithm_symmetric", hmac("HS256", pem)),
    row("HS512 with the public key (PEM)", "algorithm_symmetric", hmac("HS512", pem)),
    row("HS256 with the public key (JWK)", "algorithm_symmetric", hmac("HS256", JSON.stringify(jwk))),
  ];
};

const headerRows = ({ kid, claims, rsa }: Parts): readonly BadToken[] => {
  const rsaHeader = (header: Json): string => signedToken(rsa, claims, { kid, ...header });
  return [
    row("PS256", "algorithm_not_allowed", rsaHeader({ alg: "PS256" })),
    row("ES256 under the kid of the RSA key", "algorithm_mismatch", signedToken(newSigner("ES256"), claims, { kid })),
    row("no algorithm", "algorithm_missing", rsaHeader({ alg: undefined })),
    twofold("no kid", ["kid_missing", "signature_invalid"], rsaHeader({ kid: undefined })),
    twofold("a kid that is a path", ["kid_malformed", "key_unknown"], rsaHeader({ kid: "../../../../dev/null" })),
    twofold(
      "a kid that is the token's own file",
      ["kid_malformed", "key_unknown"],
      rsaHeader({ kid: "/var/run/secrets/sidegate/token-0" }),
    ),
    twofold("a kid that is a URL", ["kid_malformed", "key_unknown"], rsaHeader({ kid: "http://127.0.0.1:9/jwks#1" })),
    twofold("a kid that is SQL", ["kid_malformed", "key_unknown"], rsaHeader({ kid: "x' UNION SELECT 'k" })),
    row("a kid of the object's prototype", "key_unknown", rsaHeader({ kid: "constructor" })),
    row("a key of nobody", "key_unknown", rsaHeader({ kid: rsa.kid })),
    twofold(
      "a key by URL (jku)",
      ["header_names_key", "signature_invalid"],
      rsaHeader({ jku: "http://127.0.0.1:9/jwks" }),
    ),
    row("a certificate by URL (x5u)", "header_names_key", rsaHeader({ x5u: "http://127.0.0.1:9/c.pem" })),
    row("a key of its own (jwk)", "header_names_key", rsaHeader({ jwk: rsa.jwk })),
    row("crit", "header_critical", rsaHeader({ crit: ["exp"] })),
    twofold("another type", ["header_type", "signature_invalid"], rsaHeader({ typ: "at+jwt" })),
  ];
};

const signatureRows = ({ head, body, signature, kid, claims, rsa }: Parts): readonly BadToken[] => {
  const tampered = (changed: Json): string => `${head}.${part({ ...claims, ...changed })}.${signature}`;
  const cut = signature.slice(0, signature.length - 4 - (signature.length % 4)); // still whole bytes
  const ones = part(Buffer.alloc(Buffer.from(signature, "base64url").length, 0xff));
  return [
    row("somebody else's signature under the cluster's kid", "signature_invalid", signedToken(rsa, claims, { kid })),
    row("a signature that was cut", "signature_invalid", `${head}.${body}.${cut}`),
    row("a signature of ones", "signature_invalid", `${head}.${body}.${ones}`),
    row("a longer life under a real signature", "signature_invalid", tampered({ exp: Number(claims["exp"]) + 86_400 })),
    twofold(
      "another audience under a real signature",
      ["signature_invalid", "audience_mismatch"],
      tampered({ aud: ["everybody"] }),
    ),
    row("another subject under a real signature", "signature_invalid", tampered({ sub: "system:masters" })),
    row(
      "another header under a real signature",
      "signature_invalid",
      `${part({ alg: "RS256", kid, x: 1 })}.${body}.${signature}`,
    ),
  ];
};

/** What only the cluster's own key can sign: claims that are wrong under a signature that is right. */
export const missaidTokens = (good: string, signer: Signer): readonly BadToken[] => {
  const whole = claimsIn(good);
  const now = Math.floor(Date.now() / 1000);
  const kubernetes = whole["kubernetes.io"] as Readonly<Record<string, unknown>>; // every token of Kubernetes has it
  const claims = (changed: Json): string => signedToken(signer, { ...whole, ...changed });
  const kube = (changed: Json): string => claims({ "kubernetes.io": { ...kubernetes, ...changed } });
  const issuer = String(whole["iss"]);
  return [
    row("an expired token", "token_expired", claims({ exp: now - 3_600 })),
    row("no end", "expiry_missing", claims({ exp: undefined })),
    row("an end that no date can be", "expiry_malformed", claims({ exp: 1e300 })),
    row("a token of tomorrow", "token_not_yet_valid", claims({ nbf: now + 86_400 })),
    row("a token that was issued tomorrow", "issued_in_the_future", claims({ iat: now + 86_400 })),
    row("no issuer", "issuer_missing", claims({ iss: undefined })),
    row("an unknown issuer", "issuer_mismatch", claims({ iss: "https://issuer.example" })),
    row("the issuer with a slash behind it", "issuer_mismatch", claims({ iss: `${issuer}/` })),
    row("no audience", "audience_missing", claims({ aud: undefined })),
    row("an audience that is an object", "audience_malformed", claims({ aud: { sidegate: true } })),
    row("an audience that begins like the right one", "audience_mismatch", claims({ aud: "sidegate.example" })),
    twofold("no subject", ["subject_missing", "user_missing"], claims({ sub: undefined })),
    twofold("the subject of a user", ["subject_mismatch", "subject_not_a_service_account"], claims({ sub: "admin" })),
    twofold("nothing of Kubernetes", ["kubernetes_missing", undefined], claims({ "kubernetes.io": undefined })),
    twofold(
      "a uid of nobody",
      ["pod_uid_mismatch", undefined],
      kube({ pod: { ...(kubernetes["pod"] as object), uid: "0" } }),
    ),
    twofold(
      "a pod without a uid",
      ["pod_uid_missing", undefined],
      kube({ pod: { ...(kubernetes["pod"] as object), uid: undefined } }),
    ),
    row("claims that are a list", "claims_malformed", signedToken(signer, "[]")),
  ];
};
