// Many streams through one process with the flags of production: nothing is lost, and nothing is left.
import { request as httpRequest, type IncomingMessage } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { wideQuotas } from "../fixtures/bad-input.ts";
import { type ByteProvider, startByteProvider } from "../fixtures/byte-provider.ts";
import { chat, until } from "../fixtures/calls.ts";
import { nextPacket } from "../fixtures/raw-http.ts";
import { openRoute } from "../fixtures/sidecar.ts";
import { type SidegateProcess, startSidegate } from "../fixtures/sidegate-process.ts";

const mebibyte = 1024 * 1024;
const growthBytesMax = 20 * mebibyte;
/** What the process may have at most while 200 streams run: its budget under load. */
const loadBytesMax = 190 * mebibyte;
const concurrency = 200;

let provider: ByteProvider;
let sidegate: SidegateProcess;
beforeAll(async () => {
  provider = await startByteProvider();
  const rule = "timeouts: {firstByte: 60s, idle: 60s}";
  sidegate = await startSidegate(openRoute(provider.url, { rule, quotas: wideQuotas }));
});
afterAll(async () => {
  await sidegate.stop();
  await provider.close();
});

const body = JSON.stringify(chat("hi", { stream: true }));
const chunkOf = (stream: number, i: number): string =>
  `data: {"id":"c${stream}","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"${i}"}}]}\n\n`;
const done = "data: [DONE]\n\n";

/** Starts a call; resolves with its answer's head. Every call has a connection of its own. */
const call = (): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const url = new URL(sidegate.url);
    const request = httpRequest({
      host: url.hostname,
      port: url.port,
      path: "/v1/chat/completions",
      method: "POST",
      agent: false,
      headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
    });
    request.once("response", resolve).once("error", reject);
    request.end(body);
  });

const untilNothingIsLeft = async (): Promise<void> => {
  await until("the provider's calls have ended", () => provider.openRequests === 0, 10_000);
  await until(
    "nothing runs and nothing is held",
    async () => {
      const { requests, holds } = await sidegate.status();
      return requests.running === 0 && holds.live === 0 && holds.settlementsPending === 0;
    },
    10_000,
  );
};

test("200 streams of 500 chunks side by side arrive whole", { timeout: 60_000 }, async () => {
  const chunks = 500;
  let streams = 0;
  const script = async (_request: unknown, response: import("node:http").ServerResponse): Promise<void> => {
    const stream = streams++;
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (let i = 0; i < chunks; i++) {
      response.write(chunkOf(stream, i));
      await nextPacket();
    }
    response.end(done);
  };
  for (let i = 0; i < concurrency; i++) provider.next(script);
  sidegate.resetPeak();
  const texts = await Promise.all(
    Array.from({ length: concurrency }, async () => {
      const answer = await call();
      let text = "";
      for await (const chunk of answer.setEncoding("utf8")) text += chunk;
      return text;
    }),
  );
  const peak = sidegate.peakBytes();
  const seen = new Set<string>();
  for (const text of texts) {
    const stream = Number(/"id":"c(\d+)"/.exec(text)?.[1]);
    const whole = Array.from({ length: chunks }, (_, i) => chunkOf(stream, i)).join("") + done;
    expect(text === whole, `stream ${stream}: ${text.length} of ${whole.length} characters`).toBe(true);
    seen.add(text);
  }
  expect(seen.size).toBe(concurrency);
  process.stdout.write(`200 streams of 500 chunks: peak ${Math.round(peak / mebibyte)} MiB resident\n`);
  expect(peak).toBeLessThan(loadBytesMax);
  await untilNothingIsLeft();
});

test("10,000 streams that are aborted leave no hold, no socket and at most 20 MiB", { timeout: 120_000 }, async () => {
  const hang = (_request: unknown, response: import("node:http").ServerResponse): void => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write(chunkOf(0, 0) + chunkOf(0, 1));
  };
  /** Streams that are aborted at their first bytes, `concurrency` side by side. */
  const abort = async (count: number): Promise<void> => {
    let left = count;
    const lane = async (): Promise<void> => {
      while (left-- > 0) {
        provider.next(hang);
        const answer = await call();
        answer.on("error", () => undefined); // its own abort
        await new Promise((resolve) => answer.once("data", resolve));
        answer.destroy();
      }
    };
    await Promise.all(Array.from({ length: concurrency }, lane));
    await untilNothingIsLeft();
  };
  await untilNothingIsLeft(); // the 200 streams before have given pools, compiled code and buffers their size
  const before = sidegate.rssBytes();
  const sockets = provider.openSockets;
  await abort(10_000);
  await until("the sockets to the provider are closed", () => provider.openSockets <= sockets, 10_000);
  // memory that only waits to be collected is no leak
  await until("it has settled", () => sidegate.rssBytes() - before < growthBytesMax, 5_000);
  const growth = sidegate.rssBytes() - before;
  process.stdout.write(
    `10,000 aborted streams: ${(growth / mebibyte).toFixed(1)} MiB more than the ${Math.round(before / mebibyte)} MiB before\n`,
  );
  expect(growth).toBeLessThan(growthBytesMax);
  const { records } = sidegate.audit();
  const aborted = records.filter((record) => record.outcome === "aborted");
  expect(aborted).toHaveLength(10_000);
  expect(new Set(records.map((record) => `${record.record} ${record.id}`)).size).toBe(records.length);
});
