/** An issuer's public keys, made ready once: a token is verified with none but these, by kid and algorithm. */
import { constants, createPublicKey, type KeyObject, type VerifyKeyObjectInput, verify } from "node:crypto";
import { type BearerAlgorithm, bearerAlgorithms } from "../../config/caller.ts";
import type { CallerReason } from "./reasons.ts";
import type { BearerToken, Members } from "./token.ts";

/** Smallest and largest RSA modulus, in bits: below, RFC 7518 section 3.3; above, each look would cost too much. */
export const rsaBitsMin = 2048;
export const rsaBitsMax = 8192;

/** An algorithm of RFC 7518 section 3.1 or RFC 8037: keys that fit it, and how it is verified. */
interface Method {
  /** `kty` or `kty crv` of its keys. */
  readonly keys: readonly string[];
  /** null: the algorithm has its own. */
  readonly hash: string | null;
  readonly options: Omit<VerifyKeyObjectInput, "key">;
}

const rsa = (hash: string): Method => ({ keys: ["RSA"], hash, options: { padding: constants.RSA_PKCS1_PADDING } });
const pss = (hash: string): Method => ({
  keys: ["RSA"],
  hash,
  options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
});
const ecdsa = (hash: string, curve: string): Method => ({
  keys: [`EC ${curve}`],
  hash,
  options: { dsaEncoding: "ieee-p1363" },
});

const methods: Readonly<Record<BearerAlgorithm, Method>> = {
  RS256: rsa("sha256"),
  RS384: rsa("sha384"),
  RS512: rsa("sha512"),
  PS256: pss("sha256"),
  PS384: pss("sha384"),
  PS512: pss("sha512"),
  ES256: ecdsa("sha256", "P-256"),
  ES384: ecdsa("sha384", "P-384"),
  ES512: ecdsa("sha512", "P-521"),
  EdDSA: { keys: ["OKP Ed25519", "OKP Ed448"], hash: null, options: {} },
};

/** Members of a public key by its type; others, and private ones, are not handed on. */
const publicMembers: Readonly<Record<string, readonly string[]>> = {
  RSA: ["n", "e"],
  EC: ["crv", "x", "y"],
  OKP: ["crv", "x"],
};

/** A key that verifies one algorithm. */
interface Verifier {
  readonly hash: string | null;
  readonly key: VerifyKeyObjectInput;
}
/** What a JWK is good for: verifiers by algorithm, or why it is good for nothing. */
type RingKey = ReadonlyMap<BearerAlgorithm, Verifier> | CallerReason;

/** Keys of one issuer; nothing in it changes. */
export class KeyRing {
  readonly #byKid = new Map<string, RingKey>();
  readonly #usable: ReadonlyMap<BearerAlgorithm, Verifier>[] = [];

  /** Of the members of a JWK Set's `keys` (RFC 7517), as they came. What is no usable key is remembered with its reason. Never throws. */
  constructor(jwks: readonly unknown[]) {
    for (const jwk of jwks) {
      if (typeof jwk !== "object" || jwk === null) continue;
      const { kid } = jwk as Members; // an object of JSON
      const key = ringKeyOf(jwk as Members);
      if (typeof key !== "string") this.#usable.push(key);
      if (typeof kid === "string") this.#byKid.set(kid, bothOf(this.#byKid.get(kid), key));
    }
  }

  /** Keys that verify something. */
  get size(): number {
    return this.#usable.length;
  }

  /** Why the signature does not hold; undefined: it does. Never throws. */
  fault({ kid, algorithm, signed, signature }: BearerToken): CallerReason | undefined {
    const found = kid === undefined ? this.#only(algorithm) : (this.#byKid.get(kid) ?? "key_unknown");
    if (typeof found === "string") return found;
    const verifier = found.get(algorithm);
    if (!verifier) return "algorithm_mismatch";
    try {
      return verify(verifier.hash, signed, verifier.key, signature) ? undefined : "signature_invalid";
    } catch {
      return "signature_invalid"; // OpenSSL throws where a signature cannot even be one
    }
  }

  /** For a token that names no key: the only one that fits. */
  #only(algorithm: BearerAlgorithm): RingKey {
    const [key, ...others] = this.#usable.filter((each) => each.has(algorithm));
    if (!key) return "key_unknown";
    return others.length === 0 ? key : "kid_missing";
  }
}

/** What a kid stands for that stands there again. One that is for encryption does not count beside one that signs (RFC 7517 section 4.5). */
const bothOf = (first: RingKey | undefined, second: RingKey): RingKey => {
  if (first === undefined || first === "key_not_for_signing") return second;
  return second === "key_not_for_signing" ? first : "key_ambiguous";
};

const ringKeyOf = (jwk: Members): RingKey => {
  const { use, key_ops: operations, alg } = jwk;
  if (use !== undefined && use !== "sig") return "key_not_for_signing";
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify")))
    return "key_not_for_signing";
  const key = keyObjectOf(jwk);
  if (typeof key === "string") return key;
  const kind = jwk["kty"] === "RSA" ? "RSA" : `${String(jwk["kty"])} ${String(jwk["crv"])}`;
  const verifiers = new Map<BearerAlgorithm, Verifier>();
  for (const name of bearerAlgorithms) {
    const { keys, hash, options } = methods[name];
    if (keys.includes(kind) && (alg === undefined || alg === name))
      verifiers.set(name, { hash, key: { key, ...options } });
  }
  // RFC 7517 section 4.4: a key with an algorithm is for that one only, for example for encryption
  return verifiers.size > 0 ? verifiers : alg === undefined ? "key_unusable" : "key_not_for_signing";
};

const keyObjectOf = (jwk: Members): KeyObject | CallerReason => {
  const kty = String(jwk["kty"]);
  const members = Object.hasOwn(publicMembers, kty) ? publicMembers[kty] : undefined;
  if (!members || ["d", "k"].some((name) => Object.hasOwn(jwk, name))) return "key_unusable";
  try {
    const entries = members.map((name): [string, unknown] => [name, jwk[name]]);
    const key = createPublicKey({ key: { kty, ...Object.fromEntries(entries) }, format: "jwk" });
    return kty === "RSA" ? (rsaFault(key) ?? key) : key;
  } catch {
    return "key_unusable";
  }
};

const rsaFault = (key: KeyObject): CallerReason | undefined => {
  const { modulusLength: bits = 0, publicExponent: exponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (bits < rsaBitsMin) return "key_too_small";
  // With an exponent of 1 every text is its own signature; one of more than 32 bits only makes each look slow.
  const isGood = bits <= rsaBitsMax && exponent >= 3n && exponent % 2n === 1n && exponent < 2n ** 32n;
  return isGood ? undefined : "key_unusable";
};
