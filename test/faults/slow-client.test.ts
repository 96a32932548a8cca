// The client stops reading: fault 23. The provider is made to wait, little is buffered, and nothing is lost when it reads on.
import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startGuarded } from "../fixtures/bad-input.ts";
import { type ByteProvider, startByteProvider } from "../fixtures/byte-provider.ts";
import { callBytes, expectSettled, lastOutcome } from "../fixtures/fault-calls.ts";
import { openRaw, parseAnswers } from "../fixtures/raw-http.ts";
import type { TestGateway } from "../fixtures/sidecar.ts";

const mebibyte = 1024 * 1024;
/** Sockets, the sidecar's buffers and the provider's: far below what is sent. */
const bufferedBytesMax = 16 * mebibyte;
const event = Buffer.from(`data: {"x":"${"a".repeat(1_000)}"}\n\n`);
const events = 64 * 1024;
const done = Buffer.from("data: [DONE]\n\n");

let provider: ByteProvider;
let gateway: TestGateway;
let written = 0;
beforeAll(async () => {
  provider = await startByteProvider();
  // shorter than the client's pause: it is not the provider who is waited for
  gateway = await startGuarded({
    providerUrl: provider.url,
    rule: "timeouts: {firstByte: 5s, idle: 200ms, total: 60s}",
  });
});
afterEach(() => expectSettled(gateway, provider));
afterAll(async () => {
  await gateway.close();
  await provider.close();
});

const flood = (): void => {
  written = 0;
  provider.next(async (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (let i = 0; i < events; i++) {
      written += event.length;
      if (response.destroyed) return;
      if (!response.write(event))
        await new Promise((resolve) => response.once("drain", resolve).once("close", resolve));
    }
    response.end(done);
  });
};
/** Resolves when the provider has written no more for a while. */
const untilStill = async (): Promise<number> => {
  for (let before = -1; before !== written || written === 0; ) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  return written;
};

describe("fault 23: a client that stops reading", () => {
  test("makes the provider wait for as long as it takes, and gets every byte when it reads on", async () => {
    flood();
    const raw = await openRaw(gateway.url, { paused: true });
    raw.write(callBytes({ streamed: true }));
    const before = process.memoryUsage().rss;
    const waiting = await untilStill();
    expect(waiting).toBeLessThan(bufferedBytesMax);
    expect(process.memoryUsage().rss - before).toBeLessThan(3 * bufferedBytesMax);
    await new Promise((resolve) => setTimeout(resolve, 500)); // longer than the idle time
    expect(written).toBe(waiting);
    const chunks: Buffer[] = [];
    raw.socket.on("data", (chunk: Buffer) => void chunks.push(chunk));
    let bytes = 0;
    while (!chunks.at(-1)?.includes("0\r\n\r\n") && bytes !== -1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (raw.isClosed()) bytes = -1;
    }
    raw.socket.destroy();
    const [answer] = parseAnswers(Buffer.concat(chunks), true);
    const wanted = createHash("sha256");
    for (let i = 0; i < events; i++) wanted.update(event);
    wanted.update(done);
    expect(answer?.isWhole).toBe(true);
    expect(
      createHash("sha256")
        .update(answer?.body ?? "")
        .digest("hex"),
    ).toBe(wanted.digest("hex"));
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "completed" });
  });

  test("and then goes away ends the provider's call", async () => {
    flood();
    const raw = await openRaw(gateway.url, { paused: true });
    raw.write(callBytes({ streamed: true }));
    expect(await untilStill()).toBeLessThan(bufferedBytesMax);
    raw.reset();
    await expectSettled(gateway, provider);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "aborted" });
  });

  test("does not hold up anybody else", async () => {
    flood();
    const raw = await openRaw(gateway.url, { paused: true });
    raw.write(callBytes({ streamed: true }));
    await untilStill();
    const other = await openRaw(gateway.url);
    other.write(callBytes({ streamed: true }));
    const [answer] = await other.answered(1);
    expect(answer?.text).toMatch(/data: \[DONE\]\n\n$/);
    other.socket.destroy();
    raw.socket.destroy();
  });
});
