/** A key that signs tokens, made in memory and gone with the process. */
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import type { PodKey } from "../../config/pod-identity.ts";

/** RSA 2048, for RS256: what most issuers use. */
export interface SigningKey {
  /** The public half, as key sets have it. */
  readonly jwk: PodKey;
  /** A JWT of these claims (RFC 7519). */
  sign(claims: Readonly<Record<string, unknown>>): string;
}

/** Makes a key. Its kid is a digest of the public half, as Kubernetes has it. */
export const newSigningKey = (): SigningKey => {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const kid = createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("base64url");
  const { n = "", e = "" } = publicKey.export({ format: "jwk" });
  const header = encoded({ alg: "RS256", kid, typ: "JWT" });
  return {
    jwk: { kty: "RSA", kid, use: "sig", alg: "RS256", n, e },
    sign: (claims) => {
      const text = `${header}.${encoded(claims)}`;
      return `${text}.${sign("sha256", Buffer.from(text), privateKey).toString("base64url")}`;
    },
  };
};

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
