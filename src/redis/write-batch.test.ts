import { setImmediate as endOfTurn } from "node:timers/promises";
import { Command, type Redis } from "ioredis";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WriteBatch } from "./write-batch.ts";

/** What reached the socket: one entry for each system call. */
let written: string[];
let corked: string[] | undefined;
let stream: { writable: boolean };
let client: { status: string; stream: typeof stream };
let batch: WriteBatch;

const openStream = (): typeof stream => {
  const own = {
    writable: true,
    write: (chunk: string | Buffer) => {
      if (corked) corked.push(chunk.toString());
      else written.push(chunk.toString());
    },
    cork: () => {
      corked = [];
    },
    uncork: () => {
      written.push(corked?.join("") ?? "");
      corked = undefined;
    },
  };
  return own;
};

beforeEach(() => {
  written = [];
  stream = openStream();
  const refused: Command[] = [];
  const fake = {
    ...{ status: "ready", stream, refused },
    sendCommand: (command: Command, sink?: Redis["stream"]) => {
      if (sink) sink.write(command.toWritable(sink));
      else refused.push(command);
    },
  };
  client = fake;
  batch = new WriteBatch(fake as unknown as Redis);
});
afterEach(() => void vi.useRealTimers());

const get = (key: string): Command => new Command("get", [key]);
const textOf = (...keys: string[]): string => keys.map((key) => get(key).toWritable({})).join("");
const send = (keys: readonly string[], isLazy = false): void => {
  for (const key of keys) batch.send(get(key), isLazy);
};

test("commands of one turn leave at its end in one write, in their order", async () => {
  send(["a", "b"]);
  expect(written).toEqual([]);
  await endOfTurn();
  expect(written).toEqual([textOf("a", "b")]);
});

test("in a long turn eight leave at once, and the rest at its end", async () => {
  const keys = [..."abcdefghij"];
  send(keys);
  expect(written).toEqual([textOf(...keys.slice(0, 8))]);
  await endOfTurn();
  expect(written).toEqual([textOf(...keys.slice(0, 8)), textOf(...keys.slice(8))]);
});

test("a lazy command waits a millisecond for others, and never falls behind one that was sent after it", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  send(["lazy"], true);
  await endOfTurn();
  expect(written).toEqual([]);
  send(["after"]);
  await endOfTurn();
  expect(written).toEqual([textOf("lazy", "after")]);
  send(["alone"], true);
  vi.advanceTimersByTime(1);
  expect(written.at(-1)).toBe(textOf("alone"));
  expect(vi.getTimerCount()).toBe(0);
});

test("bytes stay in their place between texts, and all leaves in one system call", async () => {
  send(["a"]);
  batch.send(new Command("set", ["b", Buffer.from([0x41])]), false);
  send(["c"]);
  await endOfTurn();
  const set = "*3\r\n$3\r\nset\r\n$1\r\nb\r\n$1\r\nA\r\n";
  expect(written).toEqual([`${textOf("a")}${set}${textOf("c")}`]);
});

test("nothing is written to a socket that has ended meanwhile, nor to the one that came after it", async () => {
  send(["a"]);
  stream.writable = false;
  client.stream = openStream();
  await endOfTurn();
  expect(written).toEqual([]);
  send(["b"]);
  await endOfTurn();
  expect(written).toEqual([textOf("b")]);
});

test("without a connection ioredis says what is wrong", async () => {
  client.status = "reconnecting";
  send(["a"]);
  await endOfTurn();
  expect(written).toEqual([]);
  expect((client as unknown as { refused: readonly Command[] }).refused).toHaveLength(1);
});
