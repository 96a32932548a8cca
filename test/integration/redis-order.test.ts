// Replies come in the order of the commands: whoever asks, and by whichever way, gets his own.
import { setImmediate as endOfTurn } from "node:timers/promises";
import { Command } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Client, openClient } from "../../src/redis/client.ts";
import { parseRedisUrl } from "../../src/redis/url.ts";
import { until } from "../fixtures/calls.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";

let redis: TestRedis;
let client: Client;
beforeAll(async () => {
  redis = await startRedis();
  const ready = Promise.withResolvers<void>();
  client = openClient({
    ...{ target: parseRedisUrl(redis.url), connectTimeoutMs: 1_000, name: "test", random: () => 0 },
    ready: () => ready.resolve(),
    lost: () => undefined,
  });
  await ready.promise;
});
afterAll(async () => {
  client.close();
  await redis.stop();
});

/** Says its own number, as text or as bytes; one in four not through the batch; some wait for others. */
const echo = async (number: number): Promise<unknown> => {
  const text = String(number);
  if (number % 4 === 3) return (await client.masters()[0]?.echo(text)) ?? "";
  const command = new Command("echo", [number % 5 === 0 ? Buffer.from(text) : text], { replyEncoding: "utf8" });
  client.send(command, number % 3 === 0);
  return command.promise;
};

test("what is asked beside the batch keeps its place among what waits there", async () => {
  const told: Promise<unknown>[] = [];
  for (let number = 0; number < 400; number++) {
    told.push(echo(number));
    if (number % 29 === 0) await endOfTurn();
  }
  expect(await Promise.all(told)).toEqual(Array.from({ length: 400 }, (_, number) => String(number)));
});

test("what waits when the connection is dropped leaves before", async () => {
  const command = new Command("set", ["left", "yes"], { replyEncoding: "utf8" });
  client.send(command, true);
  client.reconnect();
  await command.promise.catch(() => undefined); // its answer may be lost with the connection
  await until("it has left", async () => (await redis.command("GET left")) === "yes");
  await until("the client is back", () => client.isReady());
});
