// A sidecar that ends: an answer that has ended, but that its client has not read yet, is not cut off, over HTTP/1 and HTTP/2.
import { afterEach, expect, test } from "vitest";
import { chatAnswer, startByteProvider, whole } from "../fixtures/byte-provider.ts";
import { chat, until } from "../fixtures/calls.ts";
import { selfSigned } from "../fixtures/certificate.ts";
import { answerOf, begin, listenerRoute, session } from "../fixtures/listener.ts";
import { openRaw } from "../fixtures/raw-http.ts";
import { openRoute, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

const gateways: TestGateway[] = [];
afterEach(async () => {
  for (const gateway of gateways.splice(0)) await gateway.close();
});
const start = async (yaml: (url: string) => string): Promise<TestGateway> => {
  const gateway = await startTestGateway({ yaml, graceMs: 4_000 });
  gateways.push(gateway);
  return gateway;
};

test("over HTTP/1 a client that reads slowly gets all of its answer, though the sidecar has long done with it", async () => {
  const provider = await startByteProvider();
  provider.next(whole(chatAnswer("x".repeat(8_000_000))));
  const gateway = await start(() => openRoute(provider.url));
  const raw = await openRaw(gateway.url, { paused: true });
  const body = JSON.stringify(chat("hello"));
  raw.write(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await until("the answer has ended", () => provider.requests.length === 1 && gateway.sidecar.gateway.running === 0);
  expect(gateway.sidecar.gateway.leaving).toBe(1);
  const stopped = gateway.sidecar.stop();
  await new Promise((resolve) => setTimeout(resolve, 400)); // idle connections are looked for every 250 ms
  const chunks: Buffer[] = [];
  const ended = new Promise((resolve) => raw.socket.once("close", resolve));
  raw.socket.on("data", (chunk: Buffer) => void chunks.push(chunk));
  await ended;
  const text = Buffer.concat(chunks).toString("latin1");
  const [head = "", answer = ""] = text.split("\r\n\r\n");
  expect(answer.length).toBeGreaterThan(8_000_000);
  expect(answer.length).toBe(Number(/content-length: (\d+)/.exec(head)?.[1]));
  await stopped;
  await provider.close();
});

test("over HTTP/2 the end of a stream is sent before its connection is closed", async () => {
  const certificate = selfSigned();
  for (let i = 0; i < 10; i++) {
    const gateway = await start((url) => listenerRoute(url, { certificate }));
    gateway.provider.behaveFor("sk-main-key", "every=10");
    const on = await session(gateway.url.replace("http", "https"), certificate.cert);
    const running = begin(on, "/v1/chat/completions", { body: JSON.stringify(chat("one two", { stream: true })) });
    const ended = answerOf(running); // rejects when it is cut off
    await until("it runs", () => gateway.sidecar.gateway.running === 1);
    expect(await gateway.sidecar.stop()).toEqual([]);
    expect((await ended).text).toMatch(/data: \[DONE\]\n\n$/);
  }
});
