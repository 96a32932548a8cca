/** The ACL user that the sidecars of a namespace log in as: what it may do, and how it is made. */
import { createHash } from "node:crypto";
import { clusterHoldKey, clusterHoldsKey, clusterMarkKey, clusterNamespace, prefixOf } from "./keys.ts";

/** Name of the namespace's user. */
export const aclUserOf = (namespace: string): string => `sg-${namespace}`;

/** Whether a name is one of ours: the only users that the operator touches. */
export const isAclUser = (name: string): boolean => /^sg-[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name);

/**
 * Commands of a sidecar, and no others: what the scripts call, what the stores send, and what the client sends when it connects
 * (a test compares them with the code). HELLO, AUTH and QUIT are open to every user.
 */
export const aclCommands: readonly string[] = [
  // the scripts, by digest and by text
  "evalsha",
  "eval",
  // inside the scripts
  "time",
  "get",
  "set",
  "del",
  "hget",
  "hset",
  "hgetall",
  "hincrby",
  "hdel",
  "pexpire",
  "pexpireat",
  "zadd",
  "zrem",
  "zincrby",
  "zscore",
  "zcount",
  "zrangebyscore",
  "zremrangebyscore",
  // the client: its name, its database, whether Redis is loading and keeps what it is given, its probe, the nodes of a Cluster
  "client|setname",
  "select",
  "info",
  "ping",
  "cluster|slots",
  "cluster|info",
];

/** Largest number of passwords of one user. */
export const aclPasswordsMax = 16;

/** A quota over namespaces, by its own namespace (the operator's) and its name. */
export interface QuotaName {
  readonly namespace: string;
  readonly name: string;
}

/**
 * Keys of quotas over namespaces that a namespace's user reaches: the counters of those that count for it, and its own holds and marks. No key
 * of those has a slash, so the first pattern means counters alone; a limit's window may change without another rule.
 */
export const clusterKeyPatterns = (namespace: string, quotas: readonly QuotaName[]): readonly string[] => {
  if (quotas.length === 0) return [];
  const prefix = prefixOf(clusterNamespace);
  const counters = quotas.flatMap((quota) => [
    `${prefix}*:${quota.namespace}/${quota.name}/*`,
    `${prefix}concurrency:=share/*/${quota.namespace}/${quota.name}/*`, // who holds how much of it for when Redis is away
  ]);
  return [...new Set(counters)]
    .sort()
    .concat(clusterHoldKey(namespace, "*"), clusterHoldsKey(namespace), clusterMarkKey(namespace, "*"));
};

/**
 * Arguments of ACL SETUSER that make the user exactly this, whatever it was: Redis puts them in force as one. Passwords go as
 * SHA-256, so that the command's text discloses none; every one of them is valid, which is how a rotation interrupts nobody.
 */
export const aclSetUser = (
  namespace: string,
  passwords: readonly string[],
  clusterQuotas: readonly QuotaName[] = [],
): string[] => [
  "setuser",
  aclUserOf(namespace),
  "reset",
  "on",
  ...passwords.slice(0, aclPasswordsMax).map((password) => `#${createHash("sha256").update(password).digest("hex")}`),
  "resetchannels",
  `~${prefixOf(namespace)}*`,
  ...clusterKeyPatterns(namespace, clusterQuotas).map((pattern) => `~${pattern}`),
  "-@all",
  ...aclCommands.map((command) => `+${command}`),
];

/** Commands of the operator's own user in Redis; `~` below is read-only. docs/redis.md shows the whole rule. */
export const operatorAclCommands: readonly string[] = [
  "mget",
  "hgetall",
  "zscore",
  "zrangebyscore",
  "scan",
  "time",
  "info",
  "ping",
  "select",
  "client|setname",
  "cluster|slots",
  "cluster|info",
  "acl|setuser",
  "acl|deluser",
  "acl|users",
  "acl|whoami",
  "acl|dryrun",
];

/** The ACL rule of the operator's own user, for the docs and for messages: every key of ours, read only. */
export const operatorAclRule = `%R~sg:* resetchannels -@all ${operatorAclCommands.map((command) => `+${command}`).join(" ")}`;
