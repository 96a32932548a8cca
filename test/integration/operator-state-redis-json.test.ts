/** A sidecar follows its redis.json: rotated passwords and another place are taken without a restart. */
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { createLog } from "../../src/base/log.ts";
import { FollowingClient } from "../../src/redis/following-client.ts";
import { encodeRedisPlace, type RedisPlace } from "../../src/redis/place.ts";
import { withLogin } from "../../src/redis/url.ts";
import type { Stores } from "../../src/sidecar/options.ts";
import { openStores } from "../../src/sidecar/stores/stores.ts";
import { until } from "../fixtures/calls.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";

let folder: string;
let redis: TestRedis;
let lines: { msg: string; why?: string }[];
const ends: (() => Promise<unknown>)[] = [];
const log = () =>
  createLog({ name: "test", level: "info", destination: { write: (line) => void lines.push(JSON.parse(line)) } });
const said = (message: string): number => lines.filter(({ msg }) => msg.startsWith(message)).length;

const startOne = async (): Promise<TestRedis> => {
  const one = await startRedis();
  ends.push(() => one.stop());
  return one;
};
beforeEach(async () => {
  lines = [];
  folder = mkdtempSync(join(tmpdir(), "sidegate-redis-json-"));
  ends.push(async () => rmSync(folder, { recursive: true }));
  redis = await startOne();
});
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

let version = 0;
/** As the kubelet does: the new contents are there whole before the symlink moves. */
const publish = (text: string): string => {
  version++;
  writeFileSync(join(folder, `v${version}.json`), text);
  const link = join(folder, "link");
  symlinkSync(`v${version}.json`, link);
  renameSync(link, join(folder, "redis.json"));
  return join(folder, "redis.json");
};
const placeOf = (one: TestRedis, password: string): RedisPlace => ({
  url: withLogin(one.url, { username: "sg-team", password }),
});
const allow = (one: TestRedis, ...passwords: readonly string[]): Promise<string> =>
  one.command(`ACL SETUSER sg-team reset on ${passwords.map((each) => `>${each}`).join(" ")} ~sg:{team}:* +@all`);
const open = async (place: RedisPlace): Promise<Stores> => {
  const stores = await openStores({ redisFile: publish(encodeRedisPlace(place)), clock: systemClock, log: log() });
  ends.push(() => stores.close());
  return stores;
};
let serial = 0;
const reserves = async (stores: Stores): Promise<boolean> => {
  const claim = { counter: "n/q/l/all", window: { type: "Concurrency" }, max: 100, amount: 1, enforced: true } as const;
  const request = { namespace: "team", holdId: `h-${++serial}`, leaseMs: 60_000, claims: [claim] };
  return (await stores.quota.reserve(request).catch(() => undefined))?.admitted === true;
};

test("a password that was rotated is what it logs in with when the connection is lost", async () => {
  await allow(redis, "old");
  const stores = await open(placeOf(redis, "old"));
  expect(await reserves(stores)).toBe(true);
  await allow(redis, "new", "old");
  publish(encodeRedisPlace(placeOf(redis, "new")));
  await until("the change is seen", () => said("redis.json has changed") === 1);
  expect(await reserves(stores)).toBe(true);
  await allow(redis, "new");
  await redis.command("CLIENT KILL TYPE normal SKIPME yes");
  await until("it is back with the new one", () => reserves(stores), 5_000);
});

test("a password that comes before Redis knows it does no harm, and is used once it is known", async () => {
  await allow(redis, "old");
  const stores = await open(placeOf(redis, "wrong"));
  expect(await reserves(stores)).toBe(false);
  publish(encodeRedisPlace(placeOf(redis, "old")));
  await until("who could not log in tries the new one at once", () => reserves(stores), 5_000);
  const client = new FollowingClient({
    place: placeOf(redis, "old"),
    connectTimeoutMs: 1_000,
    name: "test",
    random: () => 0, // at once
    ready: () => undefined,
    lost: () => undefined,
  });
  ends.push(async () => client.close());
  await until("it is connected", () => client.isReady());
  client.follow(placeOf(redis, "coming"));
  const [former] = client.masters();
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(client.isReady()).toBe(true);
  expect(client.masters()[0]).toBe(former);
  await allow(redis, "coming");
  await until("the new login has taken over", () => client.masters()[0] !== former && client.isReady(), 5_000);
});

test("another server is gone to at once, and what was under way ends where it began", async () => {
  await allow(redis, "pw");
  const other = await startOne();
  await allow(other, "pw");
  const stores = await open(placeOf(redis, "pw"));
  expect(await reserves(stores)).toBe(true);
  publish(encodeRedisPlace(placeOf(other, "pw")));
  let refused = 0;
  await until("it counts there", async () => {
    if (!(await reserves(stores))) refused++;
    return (await other.command("ZCARD sg:{team}:holds")) !== ":0";
  });
  expect(refused).toBe(0);
});

test("a file that turns bad leaves the last good one in force and is reported once", async () => {
  await allow(redis, "pw");
  const stores = await open(placeOf(redis, "pw"));
  publish('{"url": "redis://sg-team:geheim@');
  await until("it is reported", () => said("redis.json refused") === 1);
  await new Promise((resolve) => setTimeout(resolve, 1_200)); // one more look
  expect(said("redis.json refused")).toBe(1);
  expect(JSON.stringify(lines)).not.toContain("geheim");
  expect(await reserves(stores)).toBe(true);
});
