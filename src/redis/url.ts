/** Where Redis is, parsed from one URL. */
export interface RedisTarget {
  readonly topology: "Standalone" | "Sentinel" | "Cluster";
  /** One for Standalone; Sentinels or seed nodes else. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly isTls: boolean;
  /** Absent: the default user. */
  readonly username?: string;
  readonly password?: string;
  /** 0 for Cluster. */
  readonly database: number;
  /** Sentinel's name of the master; "" else. */
  readonly master: string;
  readonly sentinelPassword?: string;
}

/** The URL is not one of the forms. Its message never contains the URL, which may hold a password. */
export class RedisUrlFault extends Error {
  override readonly name = "RedisUrlFault";
}

/** Hosts of one URL. */
export const redisHostsMax = 32;

const forms = /^(rediss?)(\+sentinel|\+cluster)?:\/\/(?:([^@/]*)@)?([^@/?#]+)(?:\/([^/?#]*))?(?:\?([^#]*))?$/;

/**
 * Reads
 * - `redis://[USER:PASSWORD@]HOST[:6379][/DATABASE]`
 * - `redis+sentinel://[USER:PASSWORD@]HOST[:26379],.../MASTER[?database=N&sentinelPassword=...]`
 * - `redis+cluster://[USER:PASSWORD@]HOST[:6379],...`
 *
 * and the same with `rediss` for TLS. User and password are percent-encoded. Throws RedisUrlFault.
 */
export const parseRedisUrl = (url: string): RedisTarget => {
  const match = forms.exec(url);
  if (match === null) throw new RedisUrlFault("not a redis://, rediss://, redis+sentinel:// or redis+cluster:// URL");
  const [, scheme, form, userinfo, hostList = "", path = "", query = ""] = match;
  const topology = form === "+sentinel" ? "Sentinel" : form === "+cluster" ? "Cluster" : "Standalone";
  const hosts = hostList.split(",").map((host) => parseHost(host, topology === "Sentinel" ? 26379 : 6379));
  if (hosts.length > redisHostsMax) throw new RedisUrlFault(`at most ${redisHostsMax} hosts`);
  if (topology === "Standalone" && hosts.length !== 1) throw new RedisUrlFault("redis:// takes one host");
  if (topology === "Sentinel" && path === "")
    throw new RedisUrlFault("redis+sentinel:// needs the master's name as its path");
  if (topology === "Cluster" && path !== "")
    throw new RedisUrlFault("redis+cluster:// takes no path: a Cluster has one database");
  const options = parseQuery(query, topology);
  const sentinelPassword = options.get("sentinelPassword");
  return {
    topology,
    hosts,
    isTls: scheme === "rediss",
    ...parseUser(userinfo),
    database: parseDatabase(topology === "Standalone" ? path : (options.get("database") ?? "")),
    master: topology === "Sentinel" ? decode(path) : "",
    ...(sentinelPassword !== null && { sentinelPassword }),
  };
};

/** The same URL with another user and password, whatever it had. Throws RedisUrlFault. */
export const withLogin = (url: string, login: { readonly username: string; readonly password: string }): string => {
  parseRedisUrl(url);
  const userinfo = `${encodeURIComponent(login.username)}:${encodeURIComponent(login.password)}@`;
  return url.replace(/^([a-z+]+:\/\/)(?:[^@/]*@)?/, (_whole, scheme: string) => `${scheme}${userinfo}`);
};

/** The URL of one node, with the login of `url`, whatever its topology. Throws RedisUrlFault. */
export const nodeUrl = (url: string, { host, port }: { readonly host: string; readonly port: number }): string => {
  const { isTls, username, password, database } = parseRedisUrl(url);
  const userinfo =
    username === undefined && password === undefined
      ? ""
      : `${encodeURIComponent(username ?? "")}:${encodeURIComponent(password ?? "")}@`;
  return `redis${isTls ? "s" : ""}://${userinfo}${host.includes(":") ? `[${host}]` : host}:${port}/${database}`;
};

const parseHost = (text: string, portDefault: number): { host: string; port: number } => {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(text);
  if (match === null) throw new RedisUrlFault("a host is a name or an address, IPv6 in brackets, and a port");
  const port = match[2] === undefined ? portDefault : Number(match[2]);
  if (port < 1 || port > 65_535) throw new RedisUrlFault("a port is 1 to 65535");
  return { host: (match[1] ?? "").replace(/^\[|\]$/g, ""), port };
};

const parseUser = (userinfo: string | undefined): { username?: string; password?: string } => {
  if (userinfo === undefined || userinfo === "") return {};
  const colon = userinfo.indexOf(":");
  const username = decode(colon < 0 ? userinfo : userinfo.slice(0, colon));
  const password = colon < 0 ? "" : decode(userinfo.slice(colon + 1));
  return { ...(username !== "" && { username }), ...(password !== "" && { password }) };
};

const parseDatabase = (text: string): number => {
  if (text === "") return 0;
  if (!/^\d{1,5}$/.test(text)) throw new RedisUrlFault("a database is a number");
  return Number(text);
};

const parseQuery = (query: string, topology: RedisTarget["topology"]): URLSearchParams => {
  const options = new URLSearchParams(query);
  for (const name of options.keys()) {
    const isKnown = topology === "Sentinel" && (name === "database" || name === "sentinelPassword");
    if (!isKnown)
      throw new RedisUrlFault("has an unknown option; known are database and sentinelPassword, of Sentinels");
  }
  return options;
};

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RedisUrlFault("user and password are percent-encoded");
  }
};
