import { describe, expect, test } from "vitest";
import { decodeRedisPlace, encodeRedisPlace, isSameServer, RedisPlaceFault } from "./place.ts";
import { parseRedisUrl, withLogin } from "./url.ts";

const ca = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

test("a place reads back as it was written, and equal places have equal texts", () => {
  const place = { url: "rediss://sg-team:pw@redis:6379", ca };
  expect(decodeRedisPlace(encodeRedisPlace(place))).toEqual(place);
  expect(encodeRedisPlace({ ca, url: place.url })).toBe(encodeRedisPlace(place));
  expect(decodeRedisPlace('{"url":"redis://redis"}')).toEqual({ url: "redis://redis" });
});

test.each([
  { name: "no JSON", text: '{"url":"redis://u:geheim@r"', says: "not JSON" },
  { name: "a list", text: "[]", says: "must be a JSON object" },
  { name: "no url", text: "{}", says: "url must be a string" },
  { name: "a url that is none", text: '{"url":"http://u:geheim@r"}', says: "url: not a redis://" },
  { name: "a ca that is none", text: '{"url":"redis://r","ca":"geheim"}', says: "ca must be certificates" },
  { name: "an unknown field", text: '{"url":"redis://r","tls":true}', says: "has an unknown field" },
])("$name is refused by its field, and shows no secret", ({ text, says }) => {
  expect(() => decodeRedisPlace(text)).toThrow(RedisPlaceFault);
  expect(() => decodeRedisPlace(text)).toThrow(says);
  expect(() => decodeRedisPlace(text)).not.toThrow("geheim");
});

describe("two places", () => {
  const place = { url: "redis+sentinel://a:pw@s1,s2/quotas?sentinelPassword=x" };
  test.each([
    {
      name: "that differ in login",
      other: { url: "redis+sentinel://b:pw2@s1,s2/quotas?sentinelPassword=y" },
      same: true,
    },
    {
      name: "that differ in host",
      other: { url: "redis+sentinel://a:pw@s1,s3/quotas?sentinelPassword=x" },
      same: false,
    },
    { name: "that differ in CA", other: { ...place, ca }, same: false },
    { name: "that differ in TLS", other: { url: place.url.replace("redis+", "rediss+") }, same: false },
  ])("$name: the same server is $same", ({ other, same }) => {
    expect(isSameServer(place, other)).toBe(same);
  });
});

test.each([
  "redis://redis",
  "redis://old:secret@redis/2",
  "rediss+cluster://:x@a,b",
  "redis+sentinel://a@s/m?database=1",
])("%s with a login is the same place with that login", (url) => {
  const login = { username: "sg-team", password: "p@ss/:%" };
  const { username: _user, password: _password, ...before } = parseRedisUrl(url);
  expect(parseRedisUrl(withLogin(url, login))).toEqual({ ...before, ...login });
});
