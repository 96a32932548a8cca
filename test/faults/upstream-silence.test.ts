// The provider falls silent or is very slow: fault 13 (headers or some events, then nothing) and 14 (a byte now and then).
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { chargedTokens, shortTimeouts, startGuarded } from "../fixtures/bad-input.ts";
import { type ByteProvider, startByteProvider } from "../fixtures/byte-provider.ts";
import { until } from "../fixtures/calls.ts";
import { ask, callBytes, eventsOf, expectFault, expectSettled, lastOutcome } from "../fixtures/fault-calls.ts";
import { openRaw } from "../fixtures/raw-http.ts";
import type { TestGateway } from "../fixtures/sidecar.ts";

let gateway: TestGateway;
let bytes: ByteProvider;
let bare: TestGateway;
beforeAll(async () => {
  gateway = await startGuarded({ rule: shortTimeouts });
  bytes = await startByteProvider();
  bare = await startGuarded({ providerUrl: bytes.url, rule: shortTimeouts });
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

describe("fault 13: silence", () => {
  test("after the headers of a stream is an error frame at the idle time, and the provider's socket is closed", async () => {
    const sockets = gateway.provider.openSockets;
    const answer = await ask(gateway, { streamed: true, fake: "hang=body" });
    expectFault(answer, { status: 200, code: "upstream_idle_timeout", isFrame: true });
    expect(eventsOf(answer.text)).toHaveLength(1);
    await until("the call is ended", () => gateway.provider.requests.at(-1)?.aborted === true);
    await until("the socket is closed", () => gateway.provider.openSockets <= sockets);
  });

  test.each([1, 3, 8])("after %i events of a stream: they arrive, then the error frame", async (k) => {
    const answer = await ask(gateway, { streamed: true, fake: `hang=mid;k=${k}` });
    expectFault(answer, { status: 200, code: "upstream_idle_timeout", isFrame: true });
    expect(eventsOf(answer.text)).toHaveLength(k + 1);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "uncertain", errorCode: "upstream_idle_timeout" });
  });

  test("after events of a Responses stream: the error frame carries the next sequence number", async () => {
    const answer = await ask(gateway, { streamed: true, endpoint: "responses", fake: "hang=mid;k=4" });
    expectFault(answer, { status: 200, code: "upstream_idle_timeout", isFrame: true });
    expect(eventsOf(answer.text).at(-1)).toMatch(/^event: error\ndata: \{"type":"error",.*"sequence_number":4/);
  });

  test("after [DONE] is success: the client has its whole answer", async () => {
    const events = eventsOf((await ask(gateway, { streamed: true })).text).length + 1; // and the usage frame
    const answer = await ask(gateway, { streamed: true, fake: `hang=mid;k=${events}` });
    expect(answer.text).toMatch(/data: \[DONE\]\n\n$/);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "completed" });
  });

  test.each(["hang=body", "hang=mid;k=4"])(
    "in an answer that is not streamed (%s) is a 504 at the price of what was held",
    async (fake) => {
      const before = await chargedTokens(gateway);
      const answer = await ask(gateway, { streamed: false, fake, body: { max_tokens: 70 } });
      expectFault(answer, { status: 504, code: "upstream_idle_timeout" });
      await expectSettled(gateway);
      expect((await chargedTokens(gateway)) - before).toBeGreaterThan(70);
    },
  );

  test("in the body of an error is told too", async () => {
    bytes.next((_request, response) => void response.writeHead(500).flushHeaders());
    expectFault(await ask(bare, { streamed: true }), { status: 504, code: "upstream_idle_timeout" });
  });
});

describe("fault 14: a slow provider", () => {
  test("is given up at the total time where nothing is streamed", async () => {
    const startedMs = performance.now();
    const answer = await ask(gateway, { streamed: false, fake: "slow=20" });
    expectFault(answer, { status: 504, code: "upstream_total_timeout" });
    expect(performance.now() - startedMs).toBeLessThan(1_500);
  });

  test("may stream for longer than the total time, and each event is passed on when it comes", async () => {
    const raw = await openRaw(gateway.url);
    const startedMs = performance.now();
    raw.write(callBytes({ streamed: true, fake: "every=150;tokens=6" }));
    await raw.saw('"delta"');
    const firstMs = performance.now() - startedMs;
    const [answer] = await raw.answered(1);
    raw.socket.destroy();
    expect(performance.now() - startedMs).toBeGreaterThan(900);
    expect(firstMs).toBeLessThan(700);
    expect(answer?.text).toMatch(/data: \[DONE\]\n\n$/);
  });

  test("may write one event byte by byte: the bytes are signs of life", async () => {
    bytes.next(async (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const byte of 'data: {"a":1}\n\n') {
        response.write(byte);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      response.end("data: [DONE]\n\n");
    });
    const answer = await ask(bare, { streamed: true });
    expect(answer.text).toBe('data: {"a":1}\n\ndata: [DONE]\n\n');
  });

  test("that pauses longer than the idle time is given up", async () => {
    const answer = await ask(gateway, { streamed: true, fake: "every=600" });
    expectFault(answer, { status: 200, code: "upstream_idle_timeout", isFrame: true });
    expect(eventsOf(answer.text)).toHaveLength(2);
  });
});
