/** Whom a verified token is of: its user, tenant, roles and groups, from where the route says that they stand. */
import { callerValueLengthMax, callerValuesMax, type IssuerConfig } from "../../config/caller.ts";
import type { CallerReason } from "./reasons.ts";
import type { Members } from "./token.ts";
import type { Caller, CallerRefusal } from "./verdict.ts";

/** The cluster's own names begin with it; no other issuer can give one. */
export const reservedPrefix = "system:";
/** How the API server names service accounts. */
const serviceAccountPattern = /^system:serviceaccount:[a-z0-9-]{1,63}:[a-z0-9.-]{1,253}$/;

/** Controls, line and paragraph separators, and what turns the direction of a text: whoever reads it in a record would see another. */
const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;
/** What nobody sees before a name: with it a name of the cluster's would only look like one. */
const unseen = /^[\s\p{Cf}]+/u;

type Kind = "user" | "tenant" | "roles" | "groups";
/** What is wrong with one text of a kind. */
type Fault = "malformed" | "too_long" | "reserved";

/** Reads the values of a token. Bounds hold for what the token says; `prefix` is put on afterwards. */
export const callerOf = (claims: Members, issuer: IssuerConfig): Caller | CallerRefusal => {
  const { user: userPath, tenant: tenantPath, roles: rolesPath, groups: groupsPath } = issuer.claims;
  const isCluster = issuer.type === "Cluster";
  const user = textOf("user", valueAt(claims, isCluster ? ["sub"] : userPath), isCluster);
  if (typeof user === "object") return user;
  if (user === undefined) return { reason: "user_missing" };
  if (isCluster && !serviceAccountPattern.test(user)) return { reason: "subject_not_a_service_account" };
  const tenant = tenantPath && textOf("tenant", valueAt(claims, tenantPath), isCluster);
  if (typeof tenant === "object") return tenant;
  const roles = rolesPath && textsOf("roles", claims, rolesPath, isCluster);
  if (roles && "reason" in roles) return roles;
  const groups = groupsPath && textsOf("groups", claims, groupsPath, isCluster);
  if (groups && "reason" in groups) return groups;
  const caller: Caller = {
    user,
    ...(tenant !== undefined && { tenant }),
    ...(roles && { roles }),
    ...(groups && { groups }),
  };
  return isCluster || issuer.prefix === "" ? caller : prefixed(caller, issuer.prefix);
};

const prefixed = ({ user, tenant, roles, groups }: Caller, prefix: string): Caller => {
  const put = (text: string): string => prefix + text;
  return {
    user: put(user),
    ...(tenant !== undefined && { tenant: put(tenant) }),
    ...(roles && { roles: roles.map(put) }),
    ...(groups && { groups: groups.map(put) }),
  };
};

/** What stands at a path; undefined: nothing. Members of prototypes do not count. */
const valueAt = (claims: Members, path: readonly string[]): unknown => {
  let value: unknown = claims;
  for (const name of path) {
    if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, name))
      return undefined;
    value = (value as Members)[name]; // an object of JSON that has it
  }
  return value;
};

const textFault = (text: unknown, mayBeReserved: boolean): Fault | undefined => {
  if (typeof text !== "string" || text === "" || unprintable.test(text) || !text.isWellFormed()) return "malformed";
  if (text.length > callerValueLengthMax) return "too_long";
  return !mayBeReserved && text.replace(unseen, "").startsWith(reservedPrefix) ? "reserved" : undefined;
};

const refusal = (kind: Kind, fault: Fault | "too_many"): CallerRefusal => {
  const reason: `${Kind}_${Fault}` | `${"roles" | "groups"}_too_many` =
    fault === "too_many" ? (kind === "roles" ? "roles_too_many" : "groups_too_many") : `${kind}_${fault}`;
  return { reason: reason satisfies CallerReason };
};

const textOf = (
  kind: "user" | "tenant",
  value: unknown,
  mayBeReserved: boolean,
): string | undefined | CallerRefusal => {
  if (value === undefined) return undefined;
  const fault = textFault(value, mayBeReserved);
  return fault ? refusal(kind, fault) : String(value);
};

/** A list of texts, or one; RFC 8693 section 4.2 (and RFC 9068): `scope` is a list in one text. */
const textsOf = (
  kind: "roles" | "groups",
  claims: Members,
  path: readonly string[],
  mayBeReserved: boolean,
): readonly string[] | undefined | CallerRefusal => {
  const value = valueAt(claims, path);
  if (value === undefined) return undefined;
  const isScope = ["scope", "scp"].includes(path.at(-1) ?? "");
  const values: readonly unknown[] = Array.isArray(value)
    ? value
    : isScope && typeof value === "string"
      ? value.split(" ").filter((each) => each !== "")
      : [value];
  if (values.length > callerValuesMax) return refusal(kind, "too_many");
  for (const each of values) {
    const fault = textFault(each, mayBeReserved);
    if (fault) return refusal(kind, fault);
  }
  return values as readonly string[]; // each was looked at
};
