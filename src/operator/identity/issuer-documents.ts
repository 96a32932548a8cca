/** The two documents in which an API server says what it signs tokens with (OpenID Connect Discovery 1.0, RFC 7517). */
import { type PodKey, podKeySchema, podKeysMax } from "../../config/pod-identity.ts";

/** Largest document that is read, in characters. */
const documentCharsMax = 262_144;
/** Members that only a private or a shared key has (RFC 7518 section 6). */
const privateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/** A public key that sidecars can verify with. */
export type PublicKey = PodKey;

/** A document that is not what it should be. Holds nothing of a key. */
export class IssuerFault extends Error {
  override readonly name = "IssuerFault";
}

/** The issuer in the discovery document. Throws IssuerFault. */
export const issuerIn = (text: string): string => {
  const { issuer } = objectIn(text, "the discovery document");
  if (typeof issuer !== "string" || issuer === "") throw new IssuerFault("the discovery document names no issuer");
  return issuer;
};

/**
 * The public keys in the key set, each with the members that verify and no other. Kinds that Kubernetes does not sign with are left
 * out. Throws IssuerFault where none is left, where there are too many, and where a private key was published.
 */
export const publicKeysIn = (text: string): readonly PublicKey[] => {
  const { keys } = objectIn(text, "the key set");
  if (!Array.isArray(keys)) throw new IssuerFault("the key set has no list of keys");
  const found = keys.flatMap((key: unknown): readonly PublicKey[] => {
    const members = typeof key === "object" && key !== null ? (key as Readonly<Record<string, unknown>>) : {}; // an object of JSON
    if (privateMembers.some((name) => Object.hasOwn(members, name)))
      throw new IssuerFault("the key set holds a private key, which is never read: whoever can see it can sign tokens");
    const { kty, kid, use, alg, n, e, crv, x, y } = members;
    const parsed = podKeySchema.safeParse(withoutAbsent({ kty, kid, use, alg, n, e, crv, x, y }));
    return parsed.success ? [parsed.data] : [];
  });
  const byKid = new Map(found.map((key) => [key.kid, key]));
  if (byKid.size !== found.length) throw new IssuerFault("the key set names a kid twice");
  if (found.length === 0)
    throw new IssuerFault("the key set holds no key of RS256 (2048 bits or more), ES256, ES384 or ES512");
  if (found.length > podKeysMax)
    throw new IssuerFault(`the key set holds ${found.length} keys, at most ${podKeysMax} are published`);
  return found;
};

const withoutAbsent = (members: Readonly<Record<string, unknown>>): object =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));

const objectIn = (text: string, what: string): Readonly<Record<string, unknown>> => {
  if (text.length > documentCharsMax) throw new IssuerFault(`${what} is larger than ${documentCharsMax} characters`);
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>; // checked in this line
  } catch {
    // said below
  }
  throw new IssuerFault(`${what} is no JSON object`);
};
