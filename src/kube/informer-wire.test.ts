import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { json, type Script, startScriptedServer, status } from "../../test/fixtures/scripted-api-server.ts";
import { silentLog } from "../base/log.ts";
import { Informer } from "./informer.ts";
import { resources } from "./port.ts";
import { FakeTimers } from "./timers.ts";

const stops: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** What the server holds, and what it does with requests instead of answering them. */
class FaultyServer {
  version = 10;
  readonly names = new Set(["a", "b"]);
  readonly watches = new Set<ServerResponse>();
  lists = 0;
  /** Takes the next request of this kind; true: it is dealt with. */
  onList: ((answer: ServerResponse) => boolean) | undefined;
  onWatch: ((answer: ServerResponse) => boolean) | undefined;

  readonly script: Script = ({ url }, answer) => {
    if (url.includes("watch=true")) {
      if (this.onWatch?.(answer)) return;
      const from = Number(new URL(url, "http://x").searchParams.get("resourceVersion"));
      if (from < this.version) return json(answer, 410, status(410, "Expired"));
      answer.writeHead(200).flushHeaders();
      this.watches.add(answer);
    } else {
      this.lists += 1;
      if (this.onList?.(answer)) return;
      const items = [...this.names].map((name) => this.object(name));
      json(answer, 200, { metadata: { resourceVersion: String(this.version) }, items });
    }
  };

  object(name: string, version = this.version) {
    return { metadata: { namespace: "team", name, resourceVersion: String(version) } };
  }

  /** The state moves on without a word to any watch. */
  change(): void {
    this.version += 1;
    this.names.delete("a");
    this.names.add("c");
  }

  /** Something is written to every watch. */
  write(text: string): void {
    for (const watch of this.watches) watch.write(text);
  }
}

const line = (type: string, object: unknown): string => `${JSON.stringify({ type, object })}\n`;

/** Answers the first `times` requests in this way. */
const first = (times: number, act: (answer: ServerResponse) => void) => {
  let left = times;
  return (answer: ServerResponse): boolean => {
    if (left-- <= 0) return false;
    act(answer);
    return true;
  };
};

const refused =
  (code: number, reason: string, headers = {}) =>
  (answer: ServerResponse) =>
    json(answer, code, status(code, reason), headers);

interface Fault {
  readonly name: string;
  readonly strike: (server: FaultyServer) => void;
}

const eachWatch = ({ watches }: FaultyServer, act: (watch: ServerResponse) => unknown): void => {
  for (const watch of watches) act(watch);
  watches.clear();
};

const endAll = (server: FaultyServer): void => eachWatch(server, (watch) => watch.end());

const faults: readonly Fault[] = [
  { name: "410 in the stream", strike: (server) => server.write(line("ERROR", status(410, "Expired"))) },
  { name: "410 as the answer to a watch", strike: endAll },
  {
    name: "410 on the list that follows",
    strike: (server) => {
      server.onList = first(1, refused(410, "Expired"));
      endAll(server);
    },
  },
  { name: "a TCP reset", strike: (server) => eachWatch(server, (watch) => watch.socket?.resetAndDestroy()) },
  { name: "a stall without a byte", strike: () => undefined },
  {
    name: "401 a few times",
    strike: (server) => {
      server.onWatch = first(4, refused(401, "Unauthorized"));
      endAll(server);
    },
  },
  {
    name: "429 with Retry-After",
    strike: (server) => {
      server.onList = first(3, refused(429, "TooManyRequests", { "retry-after": "12" }));
      endAll(server);
    },
  },
  {
    name: "500 on watches and lists",
    strike: (server) => {
      server.onWatch = first(2, refused(500, "InternalError"));
      server.onList = first(2, refused(500, "InternalError"));
      endAll(server);
    },
  },
  { name: "a truncated line", strike: (server) => eachWatch(server, (watch) => watch.end('{"type":"MOD')) },
  { name: "a line that is no JSON", strike: (server) => server.write("<html>\n") },
  {
    name: "events twice and out of order, then the end",
    strike: (server) => {
      for (const [name, version] of [
        ["b", 9],
        ["b", 10],
        ["b", 10],
        ["b", 3],
      ] as const)
        server.write(line("MODIFIED", server.object(name, version)));
      setTimeout(() => endAll(server), 20);
    },
  },
];

test.each(faults)("after $name it is up to date within 60 s, with at most one list a second", async ({ strike }) => {
  const server = new FaultyServer();
  const time = new FakeTimers();
  const { api, stop } = await startScriptedServer(server.script, time);
  stops.push(stop);
  const informer = new Informer({
    api,
    resource: resources.configMaps,
    project: ({ metadata }) => metadata.name,
    clock: time,
    timers: time,
    log: silentLog(),
  });
  stops.push(() => informer.stop());
  informer.start();
  for (let i = 0; i < 500 && server.watches.size === 0; i++) {
    await sleep(2);
    await time.pass(0);
  }
  await sleep(10);
  expect(informer.list().sort()).toEqual(["a", "b"]);
  await time.pass(1_000);
  server.change();
  const startMs = time.monotonicMs();
  const listsBefore = server.lists;
  strike(server);
  while (informer.list().sort().join() !== "b,c" && time.monotonicMs() - startMs <= 60_000) {
    await sleep(2); // sockets are real, time is not
    await time.pass(250);
  }
  const tookMs = time.monotonicMs() - startMs;
  expect(informer.list().sort()).toEqual(["b", "c"]);
  expect(tookMs).toBeLessThanOrEqual(60_000);
  expect(server.lists - listsBefore).toBeLessThanOrEqual(1 + tookMs / 1_000);
  expect(informer.stalenessMs).toBeLessThan(1_000);
});
