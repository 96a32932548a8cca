import fc from "fast-check";
import { expect, test } from "vitest";
import { nodeUrl, parseRedisUrl, RedisUrlFault } from "./url.ts";

const standalone = {
  topology: "Standalone",
  isTls: false,
  database: 0,
  master: "",
  hosts: [{ host: "redis", port: 6379 }],
};

test.each([
  { url: "redis://redis", want: standalone },
  { url: "redis://redis:7000/3", want: { ...standalone, hosts: [{ host: "redis", port: 7000 }], database: 3 } },
  { url: "rediss://[::1]:7000", want: { ...standalone, hosts: [{ host: "::1", port: 7000 }], isTls: true } },
  { url: "redis://:p%40ss%2F@redis", want: { ...standalone, password: "p@ss/" } },
  { url: "redis://team:secret@redis", want: { ...standalone, username: "team", password: "secret" } },
  {
    url: "redis+sentinel://team:secret@a:1,b/quotas?database=2&sentinelPassword=s%3D",
    want: {
      topology: "Sentinel",
      isTls: false,
      database: 2,
      master: "quotas",
      username: "team",
      password: "secret",
      sentinelPassword: "s=",
      hosts: [
        { host: "a", port: 1 },
        { host: "b", port: 26379 },
      ],
    },
  },
  {
    url: "rediss+cluster://a,b:7001",
    want: {
      topology: "Cluster",
      isTls: true,
      database: 0,
      master: "",
      hosts: [
        { host: "a", port: 6379 },
        { host: "b", port: 7001 },
      ],
    },
  },
])("$url is understood", ({ url, want }) => {
  expect(parseRedisUrl(url)).toEqual(want);
});

test.each([
  { name: "another scheme", url: "http://redis" },
  { name: "no host", url: "redis://" },
  { name: "two hosts without a form that takes them", url: "redis://a,b" },
  { name: "a port that is none", url: "redis://redis:70000" },
  { name: "a database that is none", url: "redis://redis/x" },
  { name: "an unknown option", url: "redis://redis?tls=no" },
  { name: "a Sentinel without a master", url: "redis+sentinel://a:1" },
  { name: "a Cluster with a database", url: "redis+cluster://a/1" },
  { name: "a broken escape", url: "redis://:%zz@redis" },
  { name: "too many hosts", url: `redis+cluster://${Array(33).fill("a").join(",")}` },
])("$name is refused", ({ url }) => {
  expect(() => parseRedisUrl(url)).toThrow(RedisUrlFault);
});

test.each([
  ["redis://redis:6379/3", { host: "10.0.0.2", port: 6380 }, "redis://10.0.0.2:6380/3"],
  ["redis://:p%40ss@redis", { host: "10.0.0.2", port: 6380 }, "redis://:p%40ss@10.0.0.2:6380/0"],
  ["rediss+sentinel://u:p%2Fq@a,b/main?database=2", { host: "::1", port: 1 }, "rediss://u:p%2Fq@[::1]:1/2"],
  ["redis+cluster://u:p@a,b", { host: "node-1", port: 7000 }, "redis://u:p@node-1:7000/0"],
])("of %s one node is reached by the same login", (url, node, wanted) => {
  expect(nodeUrl(url, node)).toBe(wanted);
  const { username, password } = parseRedisUrl(url);
  expect(parseRedisUrl(wanted)).toMatchObject({
    topology: "Standalone",
    ...(username && { username }),
    ...(password && { password }),
  });
});

test("a refusal never shows the password", () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z0-9]{12,20}$/),
      fc.constantFrom("/x", "?a=b", ":99999", "/%", ","),
      (password, end) => {
        try {
          parseRedisUrl(`redis://user:${password}@redis${end}`);
        } catch (fault) {
          expect(String(fault)).not.toContain(password);
        }
      },
    ),
  );
});
