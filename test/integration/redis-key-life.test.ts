// How long a counter's key lives in Redis: never shorter than the window of any slot in it, and never for good.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { slotMsOf, spanOf, type WindowSpec } from "../../src/base/window.ts";
import { counterKey } from "../../src/redis/keys.ts";
import { openRedis, type RedisStores } from "../../src/sidecar/stores/redis/open.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";

const namespace = "team";
const day = 86_400_000;
const marginMs = 60_000;
let redis: TestRedis;
let stores: RedisStores;
let serial = 0;
beforeAll(async () => {
  redis = await startRedis();
  stores = openRedis({ url: redis.url, log: silentLog(), clock: systemClock, commandTimeoutMs: 5_000 });
  await stores.ready();
});
afterAll(async () => {
  await stores.close();
  await redis.stop();
});

const charge = async (counter: string, window: WindowSpec): Promise<void> => {
  const claims = [{ counter, window, max: 100, amount: 1, enforced: true }];
  await stores.quota.reserve({ namespace, holdId: `hold-${++serial}`, leaseMs: 60_000, claims });
};
/** When the key ends, ms since the epoch; below 0: never, or it is gone. */
const endOf = async (counter: string, window: WindowSpec): Promise<number> =>
  Number((await redis.command(`PEXPIRETIME ${counterKey(namespace, counter, window)}`)).slice(1));

test.each([
  { type: "Fixed", durationMs: 28 * day },
  { type: "Sliding", durationMs: 16 * day },
] as const)("a clock that was set back does not shorten the life of a $type counter", async (window) => {
  const counter = `q/set-back/${window.type}`;
  const key = counterKey(namespace, counter, window);
  const later = spanOf(window, Date.now() + slotMsOf(window));
  await redis.command(`HSET ${key} ${later.slot} 5`);
  await redis.command(`PEXPIREAT ${key} ${later.endsMs + marginMs}`);
  await charge(counter, window);
  expect(await redis.command(`HLEN ${key}`)).toBe(":2");
  expect(await endOf(counter, window)).toBe(later.endsMs + marginMs);
});

test("a counter whose slots are all past ends after the one that is charged now", async () => {
  const window = { type: "Fixed", durationMs: 500 } as const;
  await charge("q/past/all", window);
  const first = await endOf("q/past/all", window);
  await sleep(500);
  await charge("q/past/all", window);
  expect(await redis.command(`HLEN ${counterKey(namespace, "q/past/all", window)}`)).toBe(":1");
  expect(await endOf("q/past/all", window)).toBeGreaterThan(first);
});
