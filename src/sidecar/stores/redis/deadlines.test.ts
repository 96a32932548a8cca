import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { systemClock } from "../../../base/clock.ts";
import { Deadlines } from "./deadlines.ts";

test("what is not done in time expires, in order, and nothing else does", async () => {
  const deadlines = new Deadlines(20, systemClock);
  const expired: string[] = [];
  deadlines.add(() => expired.push("first"));
  const done = deadlines.add(() => expired.push("done"));
  deadlines.add(() => expired.push("second"));
  done.isDone = true;
  await sleep(10);
  deadlines.add(() => expired.push("later"));
  await sleep(15);
  expect(expired).toEqual(["first", "second"]);
  await sleep(20);
  expect(expired).toEqual(["first", "second", "later"]);
});

test("after a pause of this process what was answered meanwhile is not late", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it listens on TCP
  const client = connect(port, "127.0.0.1");
  const [near] = (await once(server, "connection")) as [Socket];
  const deadlines = new Deadlines(20, systemClock);
  let expired = 0;
  const pending = deadlines.add(() => expired++);
  client.once("data", () => {
    pending.isDone = true;
  });
  // From here the event loop goes on with its timers, then reads its sockets: the answer lies there, and the timer is overdue.
  await new Promise((resolve) => setImmediate(resolve));
  near.write("answer");
  for (const startMs = performance.now(); performance.now() - startMs < 40; );
  await sleep(10);
  expect([pending.isDone, expired]).toEqual([true, 0]);
  client.destroy();
  server.close();
});
