/** What create, revoke and rotate write. Pure but for the random parts of new keys. */
import { apiKeysMax } from "../../config/caller.ts";
import {
  type KeyEntry,
  type KeyMeaning,
  keyState,
  type NewKey,
  newKey,
  nextKeyId,
  randomKeyId,
  readKeyEntry,
  withExpiry,
} from "./entry.ts";
import { KeyFault } from "./fault.ts";
import { momentText } from "./moment.ts";
import type { Entries, EntryChanges } from "./store.ts";

/** A new key and what is to be written for it. */
export interface Creation {
  readonly key: NewKey;
  readonly changes: EntryChanges;
}

/** Most ids that a message lists. */
const idsShownMax = 10;

/** A key of this meaning. `id` undefined: a random one. Throws KeyFault where the id is taken, or the Secret is full or another's. */
export const creation = (entries: Entries | undefined, id: string | undefined, meaning: KeyMeaning): Creation => {
  if (id !== undefined && entries?.has(id))
    throw new KeyFault(`there is a key ${id} already: choose another --id, or sidegate key rotate ${id}`);
  refuseFull(entries);
  refuseForeign(entries);
  const key = newKey(id ?? randomKeyId(), meaning);
  return { key, changes: new Map([[key.id, key.entry]]) };
};

/** Takes the key away at once, or at `endMs` if that is before its own end. Throws KeyFault where there is none. */
export const revocation = (
  entries: Entries | undefined,
  id: string,
  endMs: number | undefined,
): { readonly changes: EntryChanges; readonly endsMs: number | undefined } => {
  if (endMs === undefined) {
    requireId(entries, id); // one that cannot be read may go, too
    return { changes: new Map([[id, undefined]]), endsMs: undefined };
  }
  const entry = entryOf(entries, id);
  const endsMs = Math.min(endMs, entry.expiresMs ?? endMs);
  return { changes: new Map([[id, withExpiry(entry, endsMs)]]), endsMs };
};

/** How a key is rotated. */
export interface RotationOptions {
  /** When the old key ends, unless it ends before. */
  readonly oldEndMs: number;
  /** When the new key ends; undefined: never; absent: not said, which is right only for a key that never ends. */
  readonly newEnd: { readonly expiresMs: number | undefined } | undefined;
  readonly nowMs: number;
}

/** A key of the same meaning and the next id; the old one ends after the overlap. Throws KeyFault. */
export const rotation = (
  entries: Entries | undefined,
  id: string,
  { oldEndMs, newEnd, nowMs }: RotationOptions,
): Creation & { readonly old: KeyEntry; readonly oldEndsMs: number } => {
  const old = entryOf(entries, id);
  if (old.expiresMs !== undefined && newEnd === undefined)
    throw new KeyFault(
      `key ${id} ends at ${momentText(old.expiresMs)}: say how long the new one is to hold, such as --expires 90d, or --expires never`,
    );
  if (keyState(old, nowMs) === "not yet")
    throw new KeyFault(
      `key ${id} is not in use before ${momentText(old.notBeforeMs ?? nowMs)}: revoke it and create another`,
    );
  refuseFull(entries);
  const { user, tenant, roles, groups } = old;
  const key = newKey(nextKeyId(id, new Set(entries?.keys())), {
    user,
    tenant,
    roles,
    groups,
    expiresMs: newEnd?.expiresMs,
  });
  const oldEndsMs = Math.min(oldEndMs, old.expiresMs ?? oldEndMs);
  const changes = new Map([
    [key.id, key.entry],
    [id, withExpiry(old, oldEndsMs)],
  ]);
  return { key, changes, old, oldEndsMs };
};

const refuseFull = (entries: Entries | undefined): void => {
  if ((entries?.size ?? 0) >= apiKeysMax)
    throw new KeyFault(
      `the Secret holds ${apiKeysMax} keys, the most there may be: revoke those that have expired (sidegate key list)`,
    );
};

/** A Secret that holds something, but no API key, is for something else: a provider's keys have the same label. Names are not shown. */
const refuseForeign = (entries: Entries | undefined): void => {
  const texts = [...(entries ?? [])];
  if (texts.length > 0 && texts.every(([id, text]) => typeof readKeyEntry(id, text) === "string"))
    throw new KeyFault(
      "the Secret holds no API key, but something else: give --secret the name that identity.apiKeys.secretRef has, or another one",
    );
};

const requireId = (entries: Entries | undefined, id: string): string => {
  const text = entries?.get(id);
  if (text !== undefined) return text;
  const ids = [...(entries?.keys() ?? [])].sort();
  const more = ids.length > idsShownMax ? ", ..." : "";
  const there = ids.length === 0 ? "it holds none" : `it holds ${ids.slice(0, idsShownMax).join(", ")}${more}`;
  throw new KeyFault(entries === undefined ? "there is no such Secret" : `there is no key ${id}: ${there}`);
};

const entryOf = (entries: Entries | undefined, id: string): KeyEntry => {
  const entry = readKeyEntry(id, requireId(entries, id));
  if (typeof entry === "string") throw new KeyFault(`${id} ${entry}`);
  return entry;
};
