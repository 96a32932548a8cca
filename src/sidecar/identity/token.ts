/** A token taken apart: form and header, before any key is looked at. Nothing here trusts what it reads. */
import type { IdentityReason } from "./reasons.ts";

/** Largest token, in bytes; those of Kubernetes have about 1,300. */
export const tokenBytesMax = 16_384;

/** Algorithms that Kubernetes signs service account tokens with (pkg/serviceaccount/jwt.go and the external signer). */
export const tokenAlgorithms = ["RS256", "ES256", "ES384", "ES512"] as const;
/** One of them. */
export type TokenAlgorithm = (typeof tokenAlgorithms)[number];

/** What a kid of Kubernetes is made of. One with a slash or a colon may be tried on whoever follows it, so it is not even looked up. */
const kidPattern = /^[A-Za-z0-9._~=+-]{1,256}$/;

/** A look that ended in a refusal. */
export interface Refused {
  readonly reason: IdentityReason;
}

/** A token whose form is right; its claims are not proven. */
export interface ParsedToken {
  readonly text: string;
  readonly algorithm: TokenAlgorithm;
  readonly kid: string;
  /** The payload as it came, decoded. */
  readonly payload: Uint8Array;
}

/** The bytes of the file as a token: without the blanks and line ends around it. */
export const parseToken = (bytes: Uint8Array): ParsedToken | Refused => {
  if (bytes.length > tokenBytesMax) return { reason: "token_too_large" };
  const text = Buffer.from(bytes).toString("latin1").trim();
  if (text === "") return { reason: "token_empty" };
  if (/[^\x21-\x7e]/.test(text)) return { reason: "token_not_text" };
  const [header = "", payload = "", signature, ...more] = text.split(".");
  const isWhole = signature !== undefined && more.length === 0;
  if (!isWhole || ![header, payload].every((part) => /^[A-Za-z0-9_-]+$/.test(part)))
    return { reason: "token_malformed" };
  if (signature === "") return { reason: "signature_missing" };
  if (!/^[A-Za-z0-9_-]+$/.test(signature)) return { reason: "token_malformed" };
  const members = jsonObject(Buffer.from(header, "base64url"));
  if (!members) return { reason: "header_malformed" };
  const judged = judgeHeader(members);
  return "reason" in judged ? judged : { ...judged, text, payload: Buffer.from(payload, "base64url") };
};

const judgeHeader = (
  header: Readonly<Record<string, unknown>>,
): { readonly algorithm: TokenAlgorithm; readonly kid: string } | Refused => {
  const { alg, kid, typ } = header;
  if (["jku", "jwk", "x5u", "x5c"].some((name) => Object.hasOwn(header, name))) return { reason: "header_names_key" };
  if (["crit", "b64"].some((name) => Object.hasOwn(header, name))) return { reason: "header_critical" };
  if (typ !== undefined && (typeof typ !== "string" || typ.toUpperCase() !== "JWT")) return { reason: "header_type" };
  if (typeof alg !== "string") return { reason: "algorithm_missing" };
  if (alg.toLowerCase() === "none") return { reason: "algorithm_none" };
  if (alg.toUpperCase().startsWith("HS")) return { reason: "algorithm_symmetric" };
  const algorithm = tokenAlgorithms.find((known) => known === alg);
  if (!algorithm) return { reason: "algorithm_not_allowed" };
  if (kid === undefined || kid === "") return { reason: "kid_missing" };
  if (typeof kid !== "string" || !kidPattern.test(kid)) return { reason: "kid_malformed" };
  return { algorithm, kid };
};

/** A JSON object in UTF-8; undefined: something else. */
export const jsonObject = (bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Readonly<Record<string, unknown>>) : undefined; // checked in the line above
  } catch {
    return undefined;
  }
};
