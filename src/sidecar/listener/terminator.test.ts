import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, expect, test } from "vitest";
import { until } from "../../../test/fixtures/calls.ts";
import { selfSigned } from "../../../test/fixtures/certificate.ts";
import { Terminator } from "./terminator.ts";

const ends: (() => unknown)[] = [];
afterEach(() => {
  for (const end of ends.splice(0).toReversed()) end();
});

const { cert, key } = selfSigned();
const tls = { certificate: cert, key, minVersion: "TLSv1.2" } as const;

const start = async (): Promise<{ port: number; spoken: string[]; failures: () => number; terminator: Terminator }> => {
  const spoken: string[] = [];
  let failures = 0;
  const terminator = new Terminator({
    tls,
    http1: (socket) => {
      spoken.push(String(socket.alpnProtocol));
      socket.end();
    },
    http2: () => undefined,
    failed: () => failures++,
    handshakeMs: 50,
  });
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on("error", () => undefined));
    terminator.take(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, spoken, failures: () => failures, terminator };
};

test("a handshake that takes too long is given up, and counted", async () => {
  const { port, failures } = await start();
  const slow = connect(port, "127.0.0.1", () => slow.write(Buffer.from([0x16, 3, 1])));
  ends.push(() => slow.destroy());
  slow.on("error", () => undefined);
  await until("it is closed", () => slow.destroyed || slow.readableEnded);
  expect(failures()).toBe(1);
});

test.each([
  ["TLS of nothing", Buffer.from([0x16, 3, 1, 0, 2, 1, 1])],
  ["a record that is too long", Buffer.concat([Buffer.from([0x16, 3, 1, 0xff, 0xff]), Buffer.alloc(1_000)])],
  ["a client that leaves", undefined],
])("%s fails the handshake and nothing else", async (_name, bytes) => {
  const { port, failures } = await start();
  const client = connect(port, "127.0.0.1", () => (bytes ? client.write(bytes) : client.end(Buffer.from([0x16]))));
  ends.push(() => client.destroy());
  client.on("error", () => undefined).resume();
  await until("it has failed", () => failures() === 1);
});

test.each([
  [["http/1.1"], "http/1.1"],
  [[], "false"],
])("a client that offers %j gets %s", async (offered, agreed) => {
  const { port, spoken } = await start();
  const client = connectTls({ port, host: "127.0.0.1", ca: cert, ALPNProtocols: offered });
  ends.push(() => client.destroy());
  await until("it is agreed", () => spoken.length === 1);
  expect(spoken).toEqual([agreed]);
});

test("a client that knows neither HTTP/1.1 nor HTTP/2 is refused", async () => {
  const { port, failures } = await start();
  const client = connectTls({ port, host: "127.0.0.1", ca: cert, ALPNProtocols: ["h3"] });
  const why = await new Promise<string>((resolve) => client.once("error", ({ message }) => resolve(message)));
  expect(why).toMatch(/no application protocol/i);
  await until("it is counted", () => failures() === 1);
});

test("a certificate that cannot be used is thrown, and the one before it stays", async () => {
  const { port, spoken, terminator } = await start();
  expect(() => terminator.renew({ ...tls, key: selfSigned().key })).toThrow();
  const client = connectTls({ port, host: "127.0.0.1", ca: cert });
  ends.push(() => client.destroy());
  await until("it is agreed", () => spoken.length === 1);
});
