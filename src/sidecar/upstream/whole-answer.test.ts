// Against a bare socket server: what an answer does wrong is chosen byte by byte.
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { until } from "../../../test/fixtures/calls.ts";
import { Pools } from "./pools.ts";
import { type AnswerHead, type WholeCall, wholeAnswer } from "./whole-answer.ts";

let answer: (socket: Socket, request: string) => void;
const open = new Set<Socket>();
const server = createServer((socket) => {
  open.add(socket);
  socket.on("error", () => undefined).once("close", () => open.delete(socket));
  socket.on("data", (chunk) => answer(socket, chunk.toString("latin1")));
});
const pools = new Pools();
let url: URL;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/path?q=1`);
});
afterEach(() => {
  for (const socket of open) socket.destroy();
});
afterAll(async () => {
  await pools.destroy();
  server.close();
});

const call = (more: Partial<WholeCall> = {}) =>
  wholeAnswer(pools, {
    ...{ url, method: "GET", headers: ["x-own", "yes"], timeoutMs: 2_000, bytesMax: 20 },
    fault: (failure, message, cause) => new Error(`${failure}: ${message}`, { cause }),
    ...more,
  });
const with200 = (body: string, more = ""): string =>
  `HTTP/1.1 200 OK\r\n${more}content-length: ${body.length}\r\n\r\n${body}`;

test("sends what it is told to, once, and answers head and body whole, whatever was said before", async () => {
  const seen: string[] = [];
  answer = (socket, request) => {
    seen.push(request);
    socket.write("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n");
    socket.write(with200("hello", "x-id: 7\r\n"));
  };
  expect(await call({ method: "POST", body: "secret" })).toMatchObject({
    ...{ status: 200, body: "hello" },
    headers: { "x-id": "7" },
  });
  expect(seen).toHaveLength(1);
  expect(seen[0]).toMatch(/^POST \/path\?q=1 HTTP\/1\.1\r\n/);
  expect(seen[0]).toMatch(/x-own: yes\r\naccept-encoding: identity\r\n[\s\S]*content-length: 6\r\n\r\nsecret$/);
});

test("takes every status, a redirect too, which it does not follow", async () => {
  answer = (socket) => socket.write("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
  expect(await call()).toMatchObject({ status: 302, body: "" });
});

test("a head that is refused ends the call: the body is not waited for", async () => {
  answer = (socket) => socket.write("HTTP/1.1 500 No\r\ncontent-length: 9\r\n\r\n");
  const refusal = ({ status }: AnswerHead): Error => new Error(`no ${status}`);
  await expect(call({ refusal })).rejects.toThrow("no 500");
  await until("its connection is closed", () => open.size === 0);
});

test.each<{ name: string; how: (socket: Socket) => unknown; want: string; more?: Partial<WholeCall> }>([
  {
    name: "an answer that is too long",
    how: (socket) => socket.write(with200("x".repeat(21))),
    want: "invalid: 127.0.0.1:PORT answered more than 20 bytes",
  },
  {
    ...{ name: "silence", how: () => undefined, more: { timeoutMs: 80 } },
    want: "timeout: 127.0.0.1:PORT did not answer within 80 ms",
  },
  {
    name: "half an answer",
    how: (socket) => socket.write(with200("xxxxxx").slice(0, -2)),
    more: { timeoutMs: 80 },
    want: "timeout: 127.0.0.1:PORT did not answer within 80 ms",
  },
  {
    name: "a connection that breaks",
    how: (socket) => socket.end(with200("xxxxxx").slice(0, -2)),
    want: "unavailable: 127.0.0.1:PORT broke the connection off",
  },
])("$name ends the call and its connection", async ({ how, want, more }) => {
  answer = (socket) => void how(socket);
  await expect(call(more)).rejects.toThrow(want.replace("PORT", url.port));
  await until("its connection is closed", () => open.size === 0);
});

test("what cannot be reached was not sent", async () => {
  await expect(call({ url: new URL("http://127.0.0.1:1/") })).rejects.toThrow(
    "unavailable: 127.0.0.1:1 cannot be reached",
  );
});
