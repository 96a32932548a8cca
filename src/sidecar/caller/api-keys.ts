/** Judges API keys: `sgk-ID-SECRET`, of which the config has a salted digest. Made once for each config. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { ApiKeyConfig } from "../../config/caller.ts";
import { textFault } from "./token.ts";
import type { Caller, CallerJudge, CallerVerdict } from "./verdict.ts";

/** SECRET is 32 random bytes in base64url; it may hold hyphens itself, so it is told by its length. */
const keyPattern = /^sgk-([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)-[A-Za-z0-9_-]{43}$/;

interface KnownKey {
  readonly salt: Buffer;
  readonly hash: Buffer;
  readonly notBeforeMs: number;
  readonly expiresMs: number;
  readonly verdict: CallerVerdict;
}

/** Stands in for keys that are not known, so that they take as long. No text has this digest. */
const nobody: KnownKey = {
  salt: Buffer.alloc(16),
  hash: Buffer.alloc(32),
  notBeforeMs: 0,
  expiresMs: 0,
  verdict: { kind: "refused", reason: "api_key_unknown" },
};

/** SHA-256 of the salt and the whole key. A key has 256 random bits: no slow hash is needed to keep it from being guessed. */
const digestOf = (salt: Buffer, text: string): Buffer =>
  createHash("sha256").update(salt).update(text, "utf8").digest();

/** Makes the judge of a route's API keys. */
export const apiKeyJudge = (keys: readonly ApiKeyConfig[]): CallerJudge => {
  const known = new Map(keys.map((key) => [key.id, knownKeyOf(key)]));
  return (text, nowMs) => {
    const fault = textFault(text);
    if (fault) return { kind: "refused", ...fault };
    const id = keyPattern.exec(text)?.[1];
    if (id === undefined) return { kind: "refused", reason: "not_an_api_key" };
    const key = known.get(id) ?? nobody;
    // Nothing is said of a key before its secret is proven: whether there is one, and whether it has expired, too.
    if (!timingSafeEqual(digestOf(key.salt, text), key.hash)) return nobody.verdict;
    if (nowMs < key.notBeforeMs) return { kind: "refused", reason: "api_key_not_yet_valid" };
    if (nowMs >= key.expiresMs) return { kind: "refused", reason: "api_key_expired" };
    return key.verdict;
  };
};

const knownKeyOf = ({
  id,
  salt,
  hash,
  user,
  tenant,
  roles,
  groups,
  notBeforeMs,
  expiresMs,
}: ApiKeyConfig): KnownKey => {
  const caller: Caller = { user, clientKey: id, ...(tenant !== undefined && { tenant }), roles, groups };
  return {
    salt: Buffer.from(salt, "base64url"),
    hash: Buffer.from(hash, "base64url"),
    notBeforeMs: notBeforeMs ?? 0,
    expiresMs: expiresMs ?? Number.POSITIVE_INFINITY,
    verdict: { kind: "proven", caller },
  };
};
