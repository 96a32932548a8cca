import { createPublicKey, verify, type webcrypto } from "node:crypto";
import { isObject } from "./json-values.ts";

/** A public key of a JWKS. */
export type PublicJwk = webcrypto.JsonWebKey & { readonly kid?: string };

/** What a token must be. Absent members accept any. */
export interface AssertionRules {
  /** Keys of the issuer (a JWKS); absent: signatures are not checked. */
  readonly keys?: readonly PublicJwk[] | undefined;
  readonly issuer?: string | undefined;
  readonly subject?: string | undefined;
  readonly audience: string;
}

/** What is wrong with a token. */
export type AssertionFault =
  | "malformed"
  | "algorithm"
  | "key"
  | "signature"
  | "expired"
  | "audience"
  | "issuer"
  | "subject";

/** Longest difference of clocks that is let pass, in s. */
const leewaySeconds = 5;

const partIn = (text: string | undefined): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(Buffer.from(text ?? "", "base64url").toString("utf8"));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

const isSigned = (token: string, key: PublicJwk, alg: unknown): boolean => {
  const at = token.lastIndexOf(".");
  const publicKey = createPublicKey({ key, format: "jwk" });
  const signature = Buffer.from(token.slice(at + 1), "base64url");
  const how = alg === "ES256" ? { key: publicKey, dsaEncoding: "ieee-p1363" as const } : publicKey;
  return verify("sha256", Buffer.from(token.slice(0, at)), how, signature);
};

/** The first thing that is wrong with a JWT; undefined: it is right. Knows RS256 and ES256. */
export function assertionFault(token: string, rules: AssertionRules): AssertionFault | undefined {
  const parts = token.split(".");
  const [header, claims] = [partIn(parts[0]), partIn(parts[1])];
  if (parts.length !== 3 || !header || !claims) return "malformed";
  if (header.alg !== "RS256" && header.alg !== "ES256") return "algorithm";
  if (rules.keys) {
    const key = rules.keys.find((each) => each.kid === header.kid);
    if (!key) return "key";
    if (!isSigned(token, key, header.alg)) return "signature";
  }
  const nowSeconds = Date.now() / 1000;
  if (typeof claims.exp !== "number" || claims.exp + leewaySeconds < nowSeconds) return "expired";
  if (typeof claims.nbf === "number" && claims.nbf - leewaySeconds > nowSeconds) return "expired";
  const audiences = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
  if (!audiences.includes(rules.audience)) return "audience";
  if (rules.issuer !== undefined && claims.iss !== rules.issuer) return "issuer";
  if (rules.subject !== undefined && claims.sub !== rules.subject) return "subject";
  return undefined;
}
