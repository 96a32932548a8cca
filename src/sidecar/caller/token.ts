/** A caller's JWT taken apart: form, header, payload, before any key is looked at. Nothing here trusts what it reads. */
import { isUtf8 } from "node:buffer";
import { type BearerAlgorithm, bearerAlgorithms } from "../../config/caller.ts";
import { tokenBytesMax } from "../identity/token.ts";
import type { CallerRefusal } from "./verdict.ts";

/** Longest kid, in characters; compared as text and never followed. */
export const kidLengthMax = 1024;

/** RFC 6750 section 2.1: characters of a bearer token. */
const textPattern = /^[A-Za-z0-9\-._~+/]+=*$/;
/** `typ` of a JWT (RFC 7519 section 5.1) and of an access token (RFC 9068 section 2.1); others are made for another use (RFC 8725 section 3.11). */
const types: ReadonlySet<string> = new Set(["jwt", "application/jwt", "at+jwt", "application/at+jwt"]);
/** Header members with a key. `jku` is none: some issuers always write it, and it is not followed. */
const keyMembers = ["jwk", "x5c", "x5u"] as const;

/** Members of a JSON object, whatever they are. */
export type Members = Readonly<Record<string, unknown>>;

/** A token whose form is right; nothing that it says is proven. */
export interface BearerToken {
  readonly algorithm: BearerAlgorithm;
  readonly kid: string | undefined;
  /** What is signed (RFC 7515 section 5.1). Both stand in memory that the next token takes over. */
  readonly signed: Buffer;
  readonly signature: Buffer;
  readonly claims: Members;
}

/** Why a text is none of a token and none of a key: too large, or of other characters. Undefined: it may be one. */
export const textFault = (text: string): CallerRefusal | undefined => {
  if (text === "") return { reason: "credential_missing" };
  if (text.length > tokenBytesMax) return { reason: "token_too_large" };
  return textPattern.test(text) ? undefined : { reason: "token_not_text" };
};

/** Where parts of a token are decoded to, one token after the other: memory of its own for each request costs more than the parsing. */
const signedPlace = Buffer.alloc(tokenBytesMax);
const signaturePlace = Buffer.alloc(tokenBytesMax);
const objectPlace = Buffer.alloc(tokenBytesMax);

/** Takes a text apart. */
export const parseBearer = (text: string): BearerToken | CallerRefusal => {
  const fault = textFault(text);
  if (fault) return fault;
  const [head = "", body = "", tail, ...more] = text.split(".");
  if (more.length === 2) return { reason: "token_encrypted" };
  if (tail === undefined || more.length > 0) return { reason: "not_a_jwt" };
  if (!isBase64url(head) || !isBase64url(body)) return { reason: "token_malformed" };
  if (tail === "") return { reason: "signature_missing" };
  if (!isBase64url(tail)) return { reason: "token_malformed" };
  const judged = goodHeaders.get(head) ?? headerIn(head);
  if ("reason" in judged) return judged;
  const claims = objectIn(body);
  if (!claims) return { reason: "claims_malformed" };
  const { algorithm, kid } = judged;
  const signed = signedPlace.subarray(0, signedPlace.write(text, 0, head.length + 1 + body.length, "latin1"));
  const signature = signaturePlace.subarray(0, signaturePlace.write(tail, "base64url"));
  return { algorithm, kid, signed, signature, claims };
};

/** RFC 7515 section 2: no padding; the bits that stand for nothing are zero, so that no two texts are one token. */
const isBase64url = (part: string): boolean => {
  if (!/^[A-Za-z0-9_-]+$/.test(part)) return false;
  const rest = part.length % 4;
  if (rest === 0) return true;
  return rest === 2 ? /[AQgw]$/.test(part) : rest === 3 && /[AEIMQUYcgkosw048]$/.test(part);
};

/** A JSON object in UTF-8, in base64url; undefined: something else. */
const objectIn = (part: string): Members | undefined => {
  const bytes = objectPlace.subarray(0, objectPlace.write(part, "base64url"));
  if (!isUtf8(bytes)) return undefined;
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Members) : undefined; // checked in the line above
  } catch {
    return undefined;
  }
};

type Header = Pick<BearerToken, "algorithm" | "kid">;

/**
 * Headers that were read before, by their text: all tokens of a key have the same one. No verdict is in it. Bounded, since whoever
 * calls can invent more; those that are too many, or unusually long, are read each time.
 */
const goodHeaders = new Map<string, Header>();
const goodHeadersMax = 64;
const goodHeaderLengthMax = 512;

const headerIn = (text: string): Header | CallerRefusal => {
  const header = objectIn(text);
  if (!header) return { reason: "header_malformed" };
  const judged = judgeHeader(header);
  if (!("reason" in judged) && text.length <= goodHeaderLengthMax) {
    if (goodHeaders.size >= goodHeadersMax) goodHeaders.clear();
    goodHeaders.set(text, judged);
  }
  return judged;
};

const judgeHeader = (header: Members): Header | CallerRefusal => {
  const { alg, kid, typ } = header;
  if (keyMembers.some((name) => Object.hasOwn(header, name))) return { reason: "header_names_key" };
  if (Object.hasOwn(header, "crit") || Object.hasOwn(header, "b64")) return { reason: "header_critical" };
  if (typ !== undefined && (typeof typ !== "string" || !types.has(typ.toLowerCase()))) return { reason: "header_type" };
  if (typeof alg !== "string") return { reason: "algorithm_missing" };
  if (alg.toLowerCase() === "none") return { reason: "algorithm_none" };
  if (alg.toUpperCase().startsWith("HS")) return { reason: "algorithm_symmetric" };
  const algorithm = bearerAlgorithms.find((known) => known === alg);
  if (!algorithm) return { reason: "algorithm_unknown" };
  if (kid === undefined) return { algorithm, kid };
  return isKid(kid) ? { algorithm, kid } : { reason: "kid_malformed" };
};

const isKid = (kid: unknown): kid is string =>
  typeof kid === "string" && kid !== "" && kid.length <= kidLengthMax && !/\p{Cc}/u.test(kid);
