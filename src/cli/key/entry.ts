/** An API key, and its entry in a Secret: the digest and what the key stands for. The key itself is printed once and kept nowhere. */
import { createHash, randomBytes } from "node:crypto";
import { apiKeyIdPattern, parseApiKeyEntry } from "../../api/api-key.ts";
import { Secret } from "../../base/secret.ts";
import { momentText } from "./moment.ts";

/** Whose a key is. */
export interface KeyMeaning {
  readonly user: string;
  readonly tenant?: string | undefined;
  readonly roles: readonly string[];
  readonly groups: readonly string[];
  /** Milliseconds since the epoch; absent: always, for ever. */
  readonly notBeforeMs?: number | undefined;
  readonly expiresMs?: number | undefined;
}

/** An entry that was read: without its digest, which nobody needs to see. */
export interface KeyEntry extends KeyMeaning {
  readonly id: string;
  /** The entry's text as it stands, from which a changed one is made. */
  readonly text: Secret;
}

/** A new key, to be printed once. */
export interface NewKey {
  readonly id: string;
  /** `sgk-ID-SECRET`. */
  readonly key: Secret;
  /** The value of the data key `id`. */
  readonly entry: string;
}

const idLengthMax = 63;

/** Whether it is an id: lower-case letters, digits and '-', at most 63. */
export const isKeyId = (id: string): boolean => apiKeyIdPattern.test(id);

/** An id of 10 random hexadecimal digits. */
export const randomKeyId = (): string => randomBytes(5).toString("hex");

/** The id of the key that follows: `web` and `web-2` give `web-2` and `web-3`, or the next that is free. */
export const nextKeyId = (id: string, taken: ReadonlySet<string>): string => {
  const [, base = id, digits] = /^(.*?)-(\d{1,6})$/.exec(id) ?? [];
  for (let number = Number(digits ?? 1) + 1; ; number += 1) {
    const suffix = `-${number}`;
    const next = base.slice(0, idLengthMax - suffix.length).replace(/-+$/, "") + suffix;
    if (!taken.has(next)) return next;
  }
};

/** Makes a key of 256 random bits. The digest is SHA-256 over 16 bytes of salt and the key's text. */
export const newKey = (id: string, meaning: KeyMeaning): NewKey => {
  const key = `sgk-${id}-${randomBytes(32).toString("base64url")}`;
  const salt = randomBytes(16);
  const hash = createHash("sha256").update(salt).update(key, "utf8").digest("base64url");
  const { user, tenant, roles, groups, notBeforeMs, expiresMs } = meaning;
  const entry = JSON.stringify({
    salt: salt.toString("base64url"),
    hash,
    user,
    ...(tenant !== undefined && { tenant }),
    ...(roles.length > 0 && { roles }),
    ...(groups.length > 0 && { groups }),
    ...(notBeforeMs !== undefined && { notBefore: momentText(notBeforeMs) }),
    ...(expiresMs !== undefined && { expires: momentText(expiresMs) }),
  });
  return { id, key: new Secret(key), entry };
};

/** Reads the entry of a data key; a text says why it is none, without any of its value. */
export const readKeyEntry = (id: string, text: string): KeyEntry | string => {
  if (!isKeyId(id)) return "is no id of an API key";
  const parsed = parseApiKeyEntry(text);
  if ("fault" in parsed) return `is no API key: ${parsed.fault}`;
  const { user, tenant, roles, groups, notBefore, expires } = parsed.entry;
  const ends = { notBeforeMs: momentMs(notBefore), expiresMs: momentMs(expires) };
  return { id, user, tenant, roles, groups, ...ends, text: new Secret(text) };
};

const momentMs = (text: string | undefined): number | undefined => (text === undefined ? undefined : Date.parse(text));

/** The entry's text with another end. */
export const withExpiry = ({ text }: KeyEntry, expiresMs: number): string => {
  const value: unknown = JSON.parse(text.reveal());
  return JSON.stringify({ ...(value as object), expires: momentText(expiresMs) }); // readKeyEntry has seen that it is an object
};

/** Whether a key is good at a moment. Its end is the first moment that is too late. */
export const keyState = ({ notBeforeMs, expiresMs }: KeyMeaning, nowMs: number): "active" | "expired" | "not yet" => {
  if (expiresMs !== undefined && nowMs >= expiresMs) return "expired";
  return notBeforeMs !== undefined && nowMs < notBeforeMs ? "not yet" : "active";
};
