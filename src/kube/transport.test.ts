import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import {
  faultOf,
  json,
  type Script,
  type ScriptedServer,
  startScriptedServer,
  status,
  until,
} from "../../test/fixtures/scripted-api-server.ts";
import { createKubeApi, type KubeClient } from "./client.ts";
import { resources, type WatchEvent } from "./port.ts";
import { FakeTimers } from "./timers.ts";

const { pods } = resources;
const pod = { metadata: { namespace: "team", name: "a", resourceVersion: "7" } };
const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

const serve = async (script: Script, time?: FakeTimers): Promise<ScriptedServer> => {
  const server = await startScriptedServer(script, time);
  stops.push(server.stop);
  return server;
};

const watch = (api: KubeClient, onEvent: (event: WatchEvent) => void = () => undefined, signal?: AbortSignal) =>
  api.watch(pods, { resourceVersion: "5", timeoutSeconds: 45 }, onEvent, signal ?? new AbortController().signal);

describe("connections", () => {
  test("are kept", async () => {
    const { api, sockets } = await serve((_, answer) => json(answer, 200, pod));
    for (let i = 0; i < 5; i++) await api.get(pods, { namespace: "team", name: "a" });
    expect(sockets.size).toBe(1);
  });

  test("that were closed while they lay idle are replaced without a fault", async () => {
    const { api, sockets, seen } = await serve((_, answer, count) => {
      if (count === 2) answer.socket?.resetAndDestroy();
      else json(answer, 200, pod);
    });
    await api.get(pods, { namespace: "team", name: "a" });
    await expect(api.replace(pods, pod)).resolves.toMatchObject(pod);
    expect([sockets.size, seen.length]).toEqual([2, 3]);
  });

  test("that we close ourselves are not opened anew", async () => {
    const { api, sockets, seen } = await serve((_, answer, count) => {
      if (count === 1) json(answer, 200, pod);
    });
    await api.get(pods, { namespace: "team", name: "a" });
    const asked = faultOf(api.get(pods, { namespace: "team", name: "a" }));
    await until(() => seen.length === 2);
    api.close();
    expect(await asked).toMatchObject({ status: 0 });
    expect([sockets.size, seen.length]).toEqual([1, 2]);
  });

  test("that are closed on a POST are a fault: it may have been carried out", async () => {
    const { api, sockets, seen } = await serve((_, answer, count) => {
      if (count === 2) answer.socket?.resetAndDestroy();
      else json(answer, 200, pod);
    });
    await api.get(pods, { namespace: "team", name: "a" });
    expect(await faultOf(api.create(pods, pod))).toMatchObject({ status: 0 });
    expect([sockets.size, seen.length]).toEqual([1, 2]);
  });

  test("an answer that does not come is a fault after 10 s", async () => {
    const time = new FakeTimers();
    const { api, seen } = await serve(() => undefined, time);
    const asked = faultOf(api.get(pods, { namespace: "team", name: "a" }));
    await until(() => seen.length === 1);
    await time.pass(10_000);
    expect((await asked).message).toBe("GET /api/v1/namespaces/team/pods/a: no answer within 10000 ms");
  });

  test("an answer that stops half-way is a fault", async () => {
    const { api } = await serve((_, answer) => {
      answer.writeHead(200, { "content-length": "100" }).write('{"metadata":');
      setTimeout(() => answer.destroy(), 20);
    });
    expect(await faultOf(api.get(pods, { namespace: "team", name: "a" }))).toMatchObject({ status: 0 });
  });

  test("nobody at the port is a fault that says so", async () => {
    const connection = {
      url: "http://127.0.0.1:1",
      namespace: undefined,
      credentials: async () => ({ headers: {}, tls: {} }),
    };
    expect((await faultOf(createKubeApi(connection).raw("/version"))).message).toBe("GET /version: ECONNREFUSED");
  });
});

describe("a watch", () => {
  test("asks for bookmarks, hands events on as they come and resolves when the server ends it", async () => {
    const { api, seen } = await serve((_, answer) => {
      answer.writeHead(200);
      answer.write(`${JSON.stringify({ type: "ADDED", object: pod })}\n{"type":"BOOK`);
      setTimeout(() => answer.end('MARK","object":{"metadata":{"resourceVersion":"9"}}}\n'), 10);
    });
    const types: string[] = [];
    await watch(api, ({ type }) => types.push(type));
    expect(types).toEqual(["ADDED", "BOOKMARK"]);
    expect(seen[0]?.url).toBe("/api/v1/pods?watch=true&allowWatchBookmarks=true&resourceVersion=5&timeoutSeconds=45");
  });

  test.each([
    {
      name: "410 as its answer",
      end: (answer: ServerResponse) => json(answer, 410, status(410, "Expired")),
      want: 410,
    },
    {
      name: "a connection that is reset",
      end: (answer: ServerResponse) => void answer.socket?.resetAndDestroy(),
      want: 0,
    },
    { name: "a body that is cut", end: (answer: ServerResponse) => void answer.destroy(), want: 0 },
    { name: "an end inside a line", end: (answer: ServerResponse) => void answer.end('{"type":"ADD'), want: 0 },
    {
      name: "an ERROR event",
      end: (answer: ServerResponse) =>
        void answer.end(`${JSON.stringify({ type: "ERROR", object: status(410, "Expired") })}\n`),
      want: 410,
    },
  ])("throws at $name", async ({ end, want }) => {
    const { api } = await serve((_, answer) => {
      if (want === 0) answer.writeHead(200).flushHeaders();
      setTimeout(() => end(answer), 20);
    });
    expect(await faultOf(watch(api))).toMatchObject({ status: want });
  });

  test("that falls silent is broken off 5 s after it should have ended, and bytes put that off", async () => {
    const time = new FakeTimers();
    let answered: ServerResponse | undefined;
    const { api } = await serve((_, answer) => {
      answer.writeHead(200).flushHeaders();
      answered = answer;
    }, time);
    let isOver = false;
    let events = 0;
    const watched = faultOf(watch(api, () => (events += 1))).finally(() => {
      isOver = true;
    });
    await until(() => answered !== undefined);
    for (let i = 0; i < 30; i++) await sleep(1);
    await time.pass(49_000);
    answered?.write(`${JSON.stringify({ type: "ADDED", object: pod })}\n`);
    await until(() => events === 1);
    await time.pass(49_000);
    expect(isOver).toBe(false);
    await time.pass(1_000);
    expect((await watched).message).toBe("GET /api/v1/pods: silent for 50000 ms");
  });

  test("ends when it is called off, also before it began", async () => {
    const { api, seen } = await serve((_, answer) => answer.writeHead(200).flushHeaders());
    const ended = new AbortController();
    const watched = faultOf(watch(api, undefined, ended.signal));
    await until(() => seen.length === 1);
    ended.abort();
    expect(await watched).toMatchObject({ status: 0 });
    expect(await faultOf(watch(api, undefined, ended.signal))).toMatchObject({ status: 0 });
  });
});
