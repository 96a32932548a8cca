// Fault 8: 200 sidecars lose their Redis at once and come back to it, spread over time and without a storm.
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { openRedis, type RedisStores } from "../../src/sidecar/stores/redis/open.ts";
import { freePort, startRedis, type TestRedis } from "../fixtures/redis.ts";
import { outcome, request, until } from "./redis-outcomes.ts";

const sidecars = 200;
/** How long Redis is away, ms. */
const awayMs = 2_000;
/** Most of the sidecars that may come back within a tenth of a second. */
const atOnceMax = sidecars / 2;

let redis: TestRedis;
let door: Server;
let isClosed = false;
const sockets = new Set<Socket>();
/** When somebody knocked, ms. */
const knocks: number[] = [];
let url = "";
let stores: RedisStores[] = [];

beforeAll(async () => {
  redis = await startRedis({ args: ["--maxclients", "1000"] });
  const port = await freePort();
  url = `redis://127.0.0.1:${port}`;
  door = createServer((near) => {
    knocks.push(performance.now());
    if (isClosed) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(redis.port, "127.0.0.1");
    for (const [from, to] of [[near, far] as const, [far, near] as const]) {
      sockets.add(from);
      from.on("error", () => to.destroy()).on("close", () => to.destroy());
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => door.listen(port, "127.0.0.1", resolve));
});
afterAll(async () => {
  await Promise.all(stores.map((each) => each.close()));
  for (const socket of sockets) socket.destroy();
  door.close();
  await redis.stop();
});

test("200 sidecars come back within 5 s, not all at once, and each with at most two connections", async () => {
  stores = Array.from({ length: sidecars }, () => openRedis({ url, log: silentLog(), clock: systemClock }));
  await Promise.all(stores.map((each) => each.ready()));
  await until("all are connected", () => stores.every((each) => each.state().quota.up));
  isClosed = true;
  for (const socket of sockets) socket.destroy();
  await sleep(awayMs);
  const whileAway = knocks.length - sidecars;
  isClosed = false;
  const backMs = performance.now();
  await until("all are back", async () => {
    await Promise.all(
      stores.filter((each) => !each.state().quota.up).map((each) => outcome(() => each.quota.reserve(request()))),
    );
    return stores.every((each) => each.state().quota.up);
  });
  const after = knocks.filter((ms) => ms >= backMs);
  expect(after.length).toBeLessThanOrEqual(2 * sidecars);
  const tenths = new Map<number, number>();
  for (const ms of after) tenths.set(Math.floor(ms / 100), (tenths.get(Math.floor(ms / 100)) ?? 0) + 1);
  expect(Math.max(...tenths.values())).toBeLessThanOrEqual(atOnceMax);
  expect(whileAway / sidecars).toBeLessThan(awayMs / 100); // nobody knocks more often than ten times a second
});
