// The client goes away, in every phase of a call: fault 22. The provider's call ends within a second, and it is settled once.
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { chargedTokens, startGuarded } from "../fixtures/bad-input.ts";
import { type ByteProvider, startByteProvider } from "../fixtures/byte-provider.ts";
import { until } from "../fixtures/calls.ts";
import { ask, bothWays, callBytes, expectSettled, type FaultCall, lastOutcome } from "../fixtures/fault-calls.ts";
import { openRaw, type RawConnection } from "../fixtures/raw-http.ts";
import type { TestGateway } from "../fixtures/sidecar.ts";

const abortMsMax = 1_000;
let gateway: TestGateway;
let bytes: ByteProvider;
let bare: TestGateway;
beforeAll(async () => {
  const rule = "timeouts: {firstByte: 60s, idle: 60s, total: 60s}";
  gateway = await startGuarded({ rule });
  bytes = await startByteProvider();
  bare = await startGuarded({ providerUrl: bytes.url, rule });
});
afterEach(async () => {
  await expectSettled(gateway);
  await expectSettled(bare, bytes);
});
afterAll(async () => {
  await gateway.close();
  await bare.close();
  await bytes.close();
});

/** How a client goes: the socket is closed, or it is reset. */
const leave: Readonly<Record<string, (raw: RawConnection) => void>> = {
  closes: (raw) => void raw.socket.destroy(),
  resets: (raw) => raw.reset(),
};

/** Starts a call and leaves once `when` has come; answers how long the provider's call went on, in ms. */
async function leaveWhen(
  call: FaultCall,
  how: string,
  when: (raw: RawConnection) => Promise<unknown>,
): Promise<number> {
  const before = gateway.provider.requests.length;
  const raw = await openRaw(gateway.url);
  raw.write(callBytes(call));
  await until("the provider has the request", () => gateway.provider.requests.length > before);
  await when(raw);
  const leftMs = performance.now();
  leave[how]?.(raw);
  await until("the provider's call is ended", () => gateway.provider.openRequests === 0, abortMsMax);
  return performance.now() - leftMs;
}

describe.each(Object.keys(leave).map((how) => ({ how })))("fault 22: a client that $how", ({ how }) => {
  test("in the middle of its headers leaves nothing behind", async () => {
    const raw = await openRaw(gateway.url);
    raw.write("POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nContent-Le");
    leave[how]?.(raw);
    await expectSettled(gateway);
  });

  test("in the middle of its upload never reaches the provider", async () => {
    const before = gateway.provider.requests.length;
    const raw = await openRaw(gateway.url);
    const whole = callBytes({ streamed: true });
    raw.write(whole.subarray(0, whole.length - 10));
    await until("it is taken up", () => gateway.sidecar.gateway.running === 1);
    leave[how]?.(raw);
    await expectSettled(gateway);
    expect(gateway.provider.requests).toHaveLength(before);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "refused", sent: false });
  });

  test("while its record is written never reaches the provider, and gets back what was held", async () => {
    const before = { requests: gateway.provider.requests.length, charged: await chargedTokens(gateway) };
    const { write } = gateway.audit;
    let isWriting = false;
    gateway.audit.write = async (line) => {
      isWriting = true;
      gateway.audit.write = write;
      await until("the client has gone", () => raw.socket.destroyed);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return write(line);
    };
    const raw = await openRaw(gateway.url);
    raw.write(callBytes({ streamed: true, body: { max_tokens: 50 } }));
    await until("it is written", () => isWriting);
    leave[how]?.(raw);
    await until("it has ended", () => gateway.sidecar.gateway.running === 0);
    await expectSettled(gateway);
    expect(gateway.provider.requests).toHaveLength(before.requests);
    expect(await chargedTokens(gateway)).toBe(before.charged);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "refused", sent: false });
  });

  test("in the middle of an upload that passes through ends the provider's call", async () => {
    const raw = await openRaw(gateway.url);
    const head = [
      "POST /v1/files HTTP/1.1",
      "Host: g",
      "Content-Type: multipart/form-data; boundary=x",
      "Content-Length: 1000000",
    ];
    raw.write(`${head.join("\r\n")}\r\n\r\n${"x".repeat(1_000)}`);
    await until("the provider takes it", () => gateway.provider.openRequests === 1);
    leave[how]?.(raw);
    await until("the provider's call is ended", () => gateway.provider.openRequests === 0, abortMsMax);
    await expectSettled(gateway);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "aborted", sent: true });
  });

  describe.each(bothWays)("and whose call is $how", ({ streamed }) => {
    test("before the first byte ends the provider's call, at the price of what was held", async () => {
      const before = await chargedTokens(gateway);
      const fake = { streamed, fake: "hang=headers", body: { max_tokens: 90 } };
      expect(await leaveWhen(fake, how, async () => undefined)).toBeLessThan(abortMsMax);
      await expectSettled(gateway);
      expect(lastOutcome(gateway)).toMatchObject({ outcome: "aborted", sent: true });
      expect((await chargedTokens(gateway)) - before).toBeGreaterThan(90);
    });

    test("after the headers ends the provider's call", async () => {
      const call = { streamed, fake: "hang=body" };
      const headers = async (raw: RawConnection): Promise<unknown> => (streamed ? raw.saw("200 OK") : undefined);
      expect(await leaveWhen(call, how, headers)).toBeLessThan(abortMsMax);
      await expectSettled(gateway);
      expect(lastOutcome(gateway)).toMatchObject({ outcome: "aborted" });
    });

    test("in the middle of the answer ends the provider's call", async () => {
      const call = { streamed, fake: "hang=mid;k=5" };
      const middle = async (raw: RawConnection): Promise<unknown> =>
        streamed ? raw.saw(/("delta".*){5}/s) : undefined;
      expect(await leaveWhen(call, how, middle)).toBeLessThan(abortMsMax);
      await expectSettled(gateway);
      expect(lastOutcome(gateway)).toMatchObject({ outcome: "aborted" });
    });
  });

  test("in the middle of a tool call ends the provider's call, at the price of what came", async () => {
    const before = await chargedTokens(gateway);
    const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }];
    const call = {
      streamed: true,
      fake: 'hang=mid;k=3;tool=weather;args={"city":"Paris"}',
      body: { tools, max_tokens: 900 },
    };
    expect(await leaveWhen(call, how, (raw) => raw.saw("tool_calls"))).toBeLessThan(abortMsMax);
    await expectSettled(gateway);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "aborted", observedOutputTokens: expect.any(Number) });
    expect((await chargedTokens(gateway)) - before).toBeLessThan(900);
  });

  test("in the middle of a Responses stream ends the provider's call", async () => {
    const call = { streamed: true, endpoint: "responses", fake: "hang=mid;k=6" } as const;
    expect(await leaveWhen(call, how, (raw) => raw.saw("output_text.delta"))).toBeLessThan(abortMsMax);
    await expectSettled(gateway);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "aborted" });
  });

  test("in the middle of an answer that passes through ends the provider's call", async () => {
    bytes.next((_request, response) => void response.writeHead(200, { "content-type": "audio/mpeg" }).write("ID3"));
    const raw = await openRaw(bare.url);
    const body = '{"model":"tts-1","input":"hi","voice":"alloy"}';
    raw.write(
      `POST /v1/audio/speech HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await raw.saw("ID3");
    leave[how]?.(raw);
    await until("the provider's call is ended", () => bytes.openRequests === 0, abortMsMax);
    await expectSettled(bare, bytes);
    expect(lastOutcome(bare)).toMatchObject({ outcome: "aborted" });
  });

  test("in the middle of a compressed stream that has ended at the provider leaves nothing behind", async () => {
    // the first answer hangs, so the second one waits for its turn: the provider is done with it, the client has nothing of it
    bytes.next(
      (_request, response) => void response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders(),
    );
    const head = { "content-type": "text/event-stream", "content-encoding": "gzip" };
    const packed = gzipSync(`data: {"x":"${"a".repeat(1_000)}"}\n\n`.repeat(700));
    bytes.next((_request, response) => void response.writeHead(200, head).end(packed));
    const raw = await openRaw(bare.url);
    const before = bytes.requests.length;
    raw.write(callBytes({ streamed: true }));
    await until("the first one hangs", () => bytes.requests.length === before + 1);
    raw.write(callBytes({ streamed: true }));
    await until(
      "the provider is done with the second",
      () => bytes.requests.length === before + 2 && bytes.openRequests === 1,
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(bare.sidecar.gateway.running).toBe(2);
    leave[how]?.(raw);
    await expectSettled(bare, bytes);
    expect(lastOutcome(bare)).toMatchObject({ outcome: "aborted" });
  });

  test("after [DONE] has had its whole answer", async () => {
    const events = (await ask(gateway, { streamed: true })).text.match(/\n\n/g)?.length ?? 0;
    const call = { streamed: true, fake: `hang=mid;k=${events + 1}` };
    await leaveWhen(call, how, (raw) => raw.saw("[DONE]"));
    await expectSettled(gateway);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "completed", usage: { outputTokens: 8 } });
  });

  test("after response.completed has had its whole answer", async () => {
    const text = (await ask(gateway, { streamed: true, endpoint: "responses" })).text;
    const call = {
      streamed: true,
      endpoint: "responses",
      fake: `hang=mid;k=${text.match(/\n\n/g)?.length ?? 0}`,
    } as const;
    await leaveWhen(call, how, (raw) => raw.saw("response.completed"));
    await expectSettled(gateway);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "completed", usage: { outputTokens: 8 } });
  });
});

test("a client that sends its end of the connection is taken for gone: a process that has died looks so", async () => {
  const raw = await openRaw(gateway.url);
  raw.write(callBytes({ streamed: true, fake: "hang=mid;k=3" }));
  await raw.saw("delta");
  raw.socket.end();
  await until("the provider's call is ended", () => gateway.provider.openRequests === 0, abortMsMax);
  await expectSettled(gateway);
  expect(lastOutcome(gateway)).toMatchObject({ outcome: "aborted" });
});
