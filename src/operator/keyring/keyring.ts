/** Master keys, their order in time, and what is derived from them. Pure: no clock, no randomness of its own. */
import { hkdfSync } from "node:crypto";
import { assert } from "../../base/assert.ts";
import { aclUserOf } from "../../redis/acl.ts";
import { encodeRedisPlace } from "../../redis/place.ts";
import { withLogin } from "../../redis/url.ts";
import type { NamespaceKeys } from "../ports.ts";

/** One master key. */
export interface MasterKey {
  /** Stands in what was sealed with it. */
  readonly id: string;
  /** From when on it seals, ms since the epoch. */
  readonly notBeforeMs: number;
  /** 32 bytes in base64. */
  readonly secret: string;
}

/** The master keys; at least one, oldest first. */
export interface Keyring {
  readonly keys: readonly MasterKey[];
}

/** A keyring.json that cannot be used. Its message holds no secret. */
export class KeyringFault extends Error {
  override readonly name = "KeyringFault";
}

/** Keys of one keyring. */
export const keyringKeysMax = 16;
/** How long a new key is only read with before it seals, ms: by then every sidecar has it. */
export const publishAheadMs = 10 * 60_000;
/** How long a superseded key is kept, ms: the longest TTL of what was sealed with it. */
export const keptAfterMs = 24 * 3_600_000;
/** Keys that are kept however old they are: the current and the previous one. */
const keysKeptMin = 2;
const secretBytes = 32;
const dayMs = 24 * 3_600_000;

/** `random` answers so many bytes. */
export type RandomBytes = (size: number) => Buffer;

/** Reads keyring.json. Throws KeyringFault that names the field. */
export const parseKeyring = (text: string): Keyring => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new KeyringFault("not JSON"); // the parser's own message quotes the text
  }
  const { keys, ...others } = membersOf(value, "keyring.json");
  refuseOthers(others, "");
  if (!Array.isArray(keys) || keys.length < 1 || keys.length > keyringKeysMax)
    throw new KeyringFault(`keys must be a list of 1 to ${keyringKeysMax} keys`);
  const parsed = keys.map((key, i) => parseKey(key, `keys[${i}]`));
  for (const [i, key] of parsed.entries()) {
    if (parsed.findIndex(({ id }) => id === key.id) !== i) throw new KeyringFault(`keys[${i}].id stands there twice`);
    if (key.notBeforeMs < (parsed[i - 1]?.notBeforeMs ?? 0))
      throw new KeyringFault(`keys[${i}].notBefore is before that of keys[${i - 1}]`);
  }
  return { keys: parsed };
};

const parseKey = (value: unknown, path: string): MasterKey => {
  const { id, notBefore, secret, ...others } = membersOf(value, path);
  refuseOthers(others, `${path}.`);
  if (typeof id !== "string" || !/^[a-z0-9-]{1,32}$/.test(id))
    throw new KeyringFault(`${path}.id must be 1 to 32 of a-z 0-9 -`);
  const isTime = typeof notBefore === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/.test(notBefore);
  const notBeforeMs = isTime ? Date.parse(notBefore) : Number.NaN;
  if (!Number.isFinite(notBeforeMs))
    throw new KeyringFault(`${path}.notBefore must be a time such as 2026-01-31T12:00:00Z`);
  const isSecret = typeof secret === "string" && /^[A-Za-z0-9+/]{43}=$/.test(secret);
  if (!isSecret) throw new KeyringFault(`${path}.secret must be ${secretBytes} bytes in base64`);
  return { id, notBeforeMs, secret };
};

const membersOf = (value: unknown, path: string): Record<string, unknown> => {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new KeyringFault(`${path} must be an object`);
  return value as Record<string, unknown>; // an object that JSON.parse made
};

const refuseOthers = (others: Readonly<Record<string, unknown>>, path: string): void => {
  const [name] = Object.keys(others);
  if (name !== undefined) throw new KeyringFault(`${path}${name.slice(0, 64)} is an unknown field`);
};

/** The text of keyring.json. Reads its own text back first. */
export const encodeKeyring = ({ keys }: Keyring): string => {
  const rows = keys.map(({ id, notBeforeMs, secret }) => ({
    id,
    notBefore: new Date(notBeforeMs).toISOString(),
    secret,
  }));
  const text = `${JSON.stringify({ keys: rows })}\n`;
  parseKeyring(text);
  return text;
};

const newKey = (notBeforeMs: number, random: RandomBytes): MasterKey => ({
  id: `k${random(6).toString("hex")}`,
  notBeforeMs,
  secret: random(secretBytes).toString("base64"),
});

/** A keyring with one key that seals from now on. */
export const newKeyring = (nowMs: number, random: RandomBytes): Keyring => ({ keys: [newKey(nowMs, random)] });

/**
 * The keyring as it should be now: with a new key when the newest one has come of age, whose `notBefore` lies 10 min ahead, and
 * without those that were superseded more than 24 h ago, though never without the current and the previous one. The same object
 * when there is nothing to do.
 */
export const rotated = (keyring: Keyring, nowMs: number, rotationDays: number, random: RandomBytes): Keyring => {
  const newest = keyring.keys.at(-1);
  const isOfAge = newest === undefined || nowMs >= newest.notBeforeMs + rotationDays * dayMs;
  const added = isOfAge ? [...keyring.keys, newKey(nowMs + publishAheadMs, random)] : keyring.keys;
  const inForce = added.findLastIndex(({ notBeforeMs }) => notBeforeMs <= nowMs);
  const kept = added.filter((_key, i) => {
    const successor = added[i + 1];
    return i > inForce - keysKeptMin || successor === undefined || nowMs < successor.notBeforeMs + keptAfterMs;
  });
  const bounded = kept.slice(-keyringKeysMax);
  return isOfAge || bounded.length < keyring.keys.length ? { keys: bounded } : keyring;
};

/** The keys in the order in which they are published: the one that seals, the older ones newest first, and last those to come. */
export const publishedOrder = ({ keys }: Keyring, nowMs: number): readonly MasterKey[] => {
  const inForce = keys.filter(({ notBeforeMs }) => notBeforeMs <= nowMs).reverse();
  return [...inForce, ...keys.filter(({ notBeforeMs }) => notBeforeMs > nowMs)];
};

/** HKDF-SHA-256 (RFC 5869). The purpose names the namespace, so that no two namespaces share anything. */
const derive = (key: MasterKey, purpose: string): Buffer =>
  Buffer.from(hkdfSync("sha256", Buffer.from(key.secret, "base64"), "sidegate", purpose, secretBytes));

const passwordOf = (key: MasterKey, namespace: string): string =>
  derive(key, `sidegate redis user ${namespace}`).toString("base64url");

/** Passwords of a namespace's Redis user: one for each key, so that whatever key a sidecar's redis.json came from is valid. The one in use stands first. */
export const redisPasswords = (keyring: Keyring, namespace: string, nowMs: number): readonly string[] =>
  publishedOrder(keyring, nowMs).map((key) => passwordOf(key, namespace));

/** Where the sidecars' Redis is. */
export interface SidecarRedis {
  /** As sidecars reach it. Given: with user and password. Managed: whatever login it has is replaced. */
  readonly sidecarRedisUrl: string;
  /** PEM; absent: the system's. */
  readonly ca?: string | undefined;
  readonly users: "Managed" | "Given";
}

/** What the sidecars of a namespace get. Equal input, equal output. Throws RedisPlaceFault or RedisUrlFault for a URL that is none. */
export const namespaceKeys = (
  keyring: Keyring,
  namespace: string,
  nowMs: number,
  { sidecarRedisUrl, ca, users }: SidecarRedis,
): NamespaceKeys => {
  const published = publishedOrder(keyring, nowMs);
  const [first] = published;
  assert(first, "a keyring has at least one key");
  const username = aclUserOf(namespace);
  const url =
    users === "Given"
      ? sidecarRedisUrl
      : withLogin(sidecarRedisUrl, { username, password: passwordOf(first, namespace) });
  return {
    keys: published.map((key) => ({
      id: key.id,
      secret: derive(key, `sidegate keys of namespace ${namespace}`).toString("base64"),
    })),
    redisJson: encodeRedisPlace({ url, ca }),
  };
};
