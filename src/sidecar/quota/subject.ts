/** Whom a quota counts by: the words of a counter's key that tell one subject from another. */
import { createHash } from "node:crypto";
import type { QuotaConfig, SubjectKind } from "../../config/quota.ts";
import { subjectPartNames } from "../../config/quota-subject.ts";
import { epochCharsMax } from "../../redis/epoch.ts";
import { sharedSubject } from "../../redis/keys.ts";
import { refuse } from "../errors.ts";
import type { Authorized, QuotaTarget } from "../exchange.ts";
import { saidModel } from "../said-names.ts";
import { addressOf, sourceSubject } from "./source-ip.ts";

/** Most groups of a caller that a quota counts by. A caller who is in more is refused: which of them to leave out is nobody's guess. */
export const groupsCountedMax = 16;

/** Stands for what a caller does not have. */
const nothing = "-";

const subjectValues: Record<Exclude<SubjectKind, "Group">, (exchange: Authorized) => string> = {
  ServiceAccount: (x) => `${x.identity.namespace}/${x.identity.serviceAccount}`,
  Namespace: (x) => x.identity.namespace,
  Pod: (x) => x.identity.pod ?? nothing,
  Model: (x) => (saidModel(x.model) === x.model ? nameInKey(x.model) : digestInKey(x.model)),
  Endpoint: (x) => x.match.endpoint.name,
  User: (x) => partInKey(x.identity.user),
  Tenant: (x) => partInKey(x.identity.tenant),
  ClientKey: (x) => partInKey(x.identity.clientKey),
  SourceIP: (x) => partInKey(sourceSubject(addressOf(x))),
  App: (x) => partInKey(x.identity.app),
  Backend: ({ quotaTarget }) => (quotaTarget ? targetInKey(quotaTarget) : nothing),
};

/** Two routes may call different accounts by one name, so the route is part of it. */
const targetInKey = ({ route, backend }: QuotaTarget): string => `${nameInKey(route)}/${nameInKey(backend)}`;

/** Characters of a name that a key takes as it stands; a longer one is told by its digest. */
const nameInKeyCharsMax = 128;

/** A client's text as part of a counter's key: other characters than those of names become `=XX`, so two names never meet. */
export function nameInKey(text: string): string {
  const plain = text.replaceAll(/[^A-Za-z0-9._-]/gu, (character) => `=${Buffer.from(character).toString("hex")}`);
  if (plain.length <= nameInKeyCharsMax) return plain;
  return digestInKey(text);
}

const digestInKey = (text: string): string => `sha256=${createHash("sha256").update(text).digest("hex")}`;

/** A name, or the sign for none; a name that is that sign is written otherwise. */
const partInKey = (text: string | undefined): string => {
  if (text === undefined) return nothing;
  return text === nothing ? "=2d" : nameInKey(text);
};

/** Longest counter that a store takes (ports/quota-store.ts), and longest name of a limit with its reset, in characters. */
const counterCharsMax = 512;
const limitCharsMax = 63 + epochCharsMax;

/** The subject, or its digest where the key would be too long: many long parts, or one of them very long. */
const fitting = ({ namespace, name }: QuotaConfig, subject: string): string => {
  const room = counterCharsMax - namespace.length - name.length - limitCharsMax - 3;
  return subject.length <= room ? subject : digestInKey(subject);
};

/**
 * The values that a quota counts by: `sa=team/bot:model=gpt-4o`; `all` for one shared counter. More than one where it counts by Group and
 * the caller is in several: each of them must admit. Refuses a caller who is in too many; in mode Audit only the first of them are counted.
 * None where it counts by Backend and there is none to call.
 */
export const subjectsOf = (quota: QuotaConfig, exchange: Authorized): readonly string[] => {
  if (quota.per.length === 0) return [sharedSubject];
  if (exchange.quotaTarget === undefined && quota.per.includes("Backend")) return [];
  const groups = quota.per.includes("Group") ? groupsOf(quota, exchange) : [undefined];
  return groups.map((group) => {
    const parts = quota.per.map((kind) =>
      kind === "Group" ? partOf(kind, partInKey(group)) : partOf(kind, valueIn(quota, kind, exchange)),
    );
    return fitting(quota, parts.join(":"));
  });
};

/** Names that another namespace may use for something else. */
const namesOfNamespaces: ReadonlySet<SubjectKind> = new Set(["Pod", "App", "ClientKey", "Backend"]);

const partOf = (kind: SubjectKind, value: string): string => `${subjectPartNames[kind]}=${value}`;

/** A quota over namespaces tells them apart: `pod=team/bot-0`. */
const valueIn = ({ scope }: QuotaConfig, kind: Exclude<SubjectKind, "Group">, exchange: Authorized): string => {
  const value = subjectValues[kind](exchange);
  return scope !== undefined && namesOfNamespaces.has(kind) ? `${exchange.identity.namespace}/${value}` : value;
};

const groupsOf = ({ namespace, name, mode }: QuotaConfig, { identity }: Authorized): (string | undefined)[] => {
  const groups = [...new Set(identity.groups ?? [])].sort(); // in any order they are the same caller's
  if (groups.length > groupsCountedMax && mode === "Enforce")
    throw refuse("too_many_groups", `${namespace}/${name}`, String(groups.length), String(groupsCountedMax));
  return groups.length === 0 ? [undefined] : groups.slice(0, groupsCountedMax);
};
