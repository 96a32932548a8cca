/** Verifies a token against the keys of the config: form, key, signature, claims. Never asks the network, and never throws. */
import { JWSSignatureVerificationFailed } from "jose/errors";
import { compactVerify } from "jose/jws/compact/verify";
import { importJWK } from "jose/key/import";
import type { PodIdentityConfig, PodKey } from "../../config/pod-identity.ts";
import { type ExpectedPod, type GoodClaims, judgeClaims, type RefusedClaims } from "./claims.ts";
import type { IdentityReason } from "./reasons.ts";
import { type ParsedToken, parseToken, type Refused, type TokenAlgorithm } from "./token.ts";

/** What a token was found to be. `key_unknown` with `endsMs`: all but the signature is right until then. */
export type TokenVerdict =
  | ({ readonly kind: "verified" } & GoodClaims)
  | ({ readonly kind: "refused"; readonly endsMs?: number } & RefusedClaims);

/** Smallest RSA modulus, in bytes: 2048 bits. The contract refuses smaller ones, too. */
const modulusBytesMin = 256;

const algorithms = { "P-256": "ES256", "P-384": "ES384", "P-521": "ES512" } as const;
const algorithmOf = (key: PodKey): TokenAlgorithm => (key.kty === "RSA" ? "RS256" : algorithms[key.crv]);

/** Judges the bytes of a token file at a moment. */
export const verifyToken = async (
  bytes: Uint8Array,
  want: { readonly identity: PodIdentityConfig; readonly pod: ExpectedPod; readonly nowMs: number },
): Promise<TokenVerdict> => {
  const token = parseToken(bytes);
  if ("reason" in token) return { kind: "refused", ...token };
  const { identity, pod, nowMs } = want;
  const expected = { issuer: identity.issuer, audience: identity.audience, ...pod };
  const key = keyFor(token, identity.jwks.keys);
  if ("reason" in key && key.reason !== "key_unknown") return { kind: "refused", ...key };
  const fault = "reason" in key ? undefined : await signatureFault(token, key);
  if (fault) return { kind: "refused", reason: fault };
  const claims = judgeClaims(token.payload, expected, nowMs);
  if ("reason" in claims) return { kind: "refused", ...claims };
  if ("reason" in key) return { kind: "refused", reason: "key_unknown", endsMs: claims.endsMs };
  return { kind: "verified", ...claims };
};

const keyFor = ({ kid, algorithm }: ParsedToken, keys: readonly PodKey[]): PodKey | Refused => {
  if (keys.length === 0) return { reason: "keys_missing" };
  const [key, ...others] = keys.filter((each) => each.kid === kid);
  if (!key) return { reason: "key_unknown" };
  if (others.length > 0) return { reason: "key_ambiguous" };
  if (algorithmOf(key) !== algorithm) return { reason: "algorithm_mismatch" };
  if (key.kty === "RSA" && Buffer.from(key.n, "base64url").length < modulusBytesMin) return { reason: "key_too_small" };
  return key;
};

const signatureFault = async ({ text, algorithm }: ParsedToken, key: PodKey): Promise<IdentityReason | undefined> => {
  try {
    await compactVerify(text, await importJWK({ ...key, alg: algorithm }), { algorithms: [algorithm] });
    return undefined;
  } catch (fault) {
    return fault instanceof JWSSignatureVerificationFailed ? "signature_invalid" : "key_unusable";
  }
};
