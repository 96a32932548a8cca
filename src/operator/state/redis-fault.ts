/** Whether a Redis can keep quotas, and if not, why and what to do. */
import { operatorAclCommands } from "../../redis/acl.ts";
import { type RedisLink, RedisUnavailable } from "../../redis/link.ts";

/** Oldest Redis that has what the scripts use. */
export const redisVersionMin = 7;

/** What INFO of one node says. */
export interface RedisAbout {
  readonly version: string;
  /** undefined: it does not tell. */
  readonly evictionPolicy: string | undefined;
  readonly role: string;
}

/** Reads the text of INFO. */
export const aboutOf = (info: string): RedisAbout => ({
  version: /^redis_version:(.+?)\r?$/m.exec(info)?.[1] ?? "",
  evictionPolicy: /^maxmemory_policy:([a-z-]+)/m.exec(info)?.[1],
  role: /^role:([a-z]+)/m.exec(info)?.[1] ?? "",
});

/** Why a node cannot keep quotas; undefined: it can. */
export const nodeFault = (node: string, { version, evictionPolicy, role }: RedisAbout): string | undefined => {
  const major = Number.parseInt(version, 10);
  if (Number.isInteger(major) && major < redisVersionMin)
    return `Redis at ${node} is ${version}; ${redisVersionMin}.0 or newer is needed.`;
  if (role === "slave")
    return `Redis at ${node} is a replica and takes no writes; name its master, or use redis+sentinel://.`;
  if (evictionPolicy !== undefined && evictionPolicy !== "noeviction")
    return `Redis at ${node} may throw counters away: maxmemory-policy is ${evictionPolicy}; set it to noeviction.`;
  return undefined;
};

/** Asks every node that takes writes; `told` gets what INFO of each says. Never throws: a Redis that is away is the reason itself. */
export const redisFault = async (
  link: RedisLink,
  { managesUsers, told }: { readonly managesUsers: boolean; readonly told?: (node: string, info: string) => void },
): Promise<string | undefined> => {
  try {
    for (const node of link.masters()) {
      const info = String(await link.sendTo(node, ["info"]));
      told?.(node, info);
      const fault = nodeFault(node, aboutOf(info)) ?? (managesUsers ? await rightsFault(link, node) : undefined);
      if (fault !== undefined) return fault;
    }
    return undefined;
  } catch (fault) {
    if (fault instanceof RedisUnavailable) return awayText(fault);
    throw fault;
  }
};

const awayText = ({ word, message }: RedisUnavailable): string => {
  if (word === "WRONGPASS" || word === "NOAUTH")
    return `Redis refuses the operator's login (${word}); check user and password in SIDEGATE_REDIS_URL.`;
  if (word === "NOPERM") return `The operator's Redis user lacks a right; it needs ${rightsText}.`;
  return `${message}.`;
};

const rightsText = operatorAclCommands.map((command) => `+${command}`).join(" ");

/** Whether the operator may make users: asked with DRYRUN, so that nothing is made. */
const rightsFault = async (link: RedisLink, node: string): Promise<string | undefined> => {
  try {
    const user = String(await link.sendTo(node, ["acl", "whoami"]));
    for (const command of ["setuser", "deluser"]) {
      const answer = await link.sendTo(node, ["acl", "dryrun", user, "acl", command, "sg-probe"]);
      if (answer !== "OK") return lacking(node, `acl|${command}`);
    }
    return undefined;
  } catch (fault) {
    if (fault instanceof RedisUnavailable && fault.word === "NOPERM") return lacking(node, "acl|whoami or acl|dryrun");
    if (fault instanceof RedisUnavailable && fault.word === "ERR")
      return `Redis at ${node} does not offer ACL commands; set redis.users to Given and name a user in the sidecars' URL.`;
    throw fault;
  }
};

const lacking = (node: string, command: string): string =>
  `The operator's user in Redis at ${node} may not run ${command}; it needs ${rightsText}, or set redis.users to Given.`;
