/** `redis.json`: where a namespace's sidecars find Redis and as whom they log in. The operator writes it, sidecars follow it. */
import { parseRedisUrl, RedisUrlFault } from "./url.ts";

/** Name of the file in the config Secret. */
export const redisFileName = "redis.json";
/** Largest file, in bytes: a URL and a chain of certificates. */
export const redisFileBytesMax = 256 * 1024;

/** Where Redis is. */
export interface RedisPlace {
  /** With user and password. See parseRedisUrl for the forms. */
  readonly url: string;
  /** PEM of the authorities that may sign the server's certificate; absent: the system's. TLS only. */
  readonly ca?: string | undefined;
}

/** A redis.json that cannot be used. Its message holds no value of the file. */
export class RedisPlaceFault extends Error {
  override readonly name = "RedisPlaceFault";
}

/** The file's text: canonical, equal places have equal texts. Throws RedisPlaceFault for a place that no sidecar would take. */
export const encodeRedisPlace = ({ url, ca }: RedisPlace): string => {
  const text = `${JSON.stringify({ ...(ca !== undefined && { ca }), url })}\n`;
  decodeRedisPlace(text);
  return text;
};

/** Reads it. Throws RedisPlaceFault that names the field. */
export const decodeRedisPlace = (text: string): RedisPlace => {
  const value = parseJson(text);
  const { url, ca, ...others } = value;
  // Not which one: it may be a part of a password that went astray.
  if (Object.keys(others).length > 0) throw new RedisPlaceFault("has an unknown field; known are url and ca");
  if (typeof url !== "string") throw new RedisPlaceFault("url must be a string");
  if (ca !== undefined && (typeof ca !== "string" || !ca.includes("-----BEGIN CERTIFICATE-----")))
    throw new RedisPlaceFault("ca must be certificates in PEM");
  try {
    parseRedisUrl(url);
  } catch (fault) {
    if (fault instanceof RedisUrlFault) throw new RedisPlaceFault(`url: ${fault.message}`);
    throw fault;
  }
  return { url, ...(ca !== undefined && { ca }) };
};

const parseJson = (text: string): Record<string, unknown> => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which holds a password.
    throw new RedisPlaceFault("not JSON; was it written whole?");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new RedisPlaceFault("must be a JSON object");
  return value as Record<string, unknown>; // an object that JSON.parse made
};

/** Two places that differ at most in user and password: a connection to one is a connection to the other. */
export const isSameServer = (one: RedisPlace, other: RedisPlace): boolean =>
  one.ca === other.ca && serverOf(one.url) === serverOf(other.url);

const serverOf = (url: string): string => {
  const { username: _user, password: _password, sentinelPassword: _sentinel, ...server } = parseRedisUrl(url);
  return JSON.stringify(server);
};
