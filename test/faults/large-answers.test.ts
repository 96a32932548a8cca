// Large events and large answers: fault 18, and the bombs of fault 20 that the encodings among the bad inputs do not cover.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startGuarded } from "../fixtures/bad-input.ts";
import { until } from "../fixtures/calls.ts";
import { ask, bothWays, eventsOf, expectFault, expectSettled, lastOutcome } from "../fixtures/fault-calls.ts";
import type { TestGateway } from "../fixtures/sidecar.ts";

const mebibyte = 1024 * 1024;
let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGuarded({ rule: "timeouts: {firstByte: 10s, idle: 10s, total: 20s}" });
});
afterEach(() => expectSettled(gateway));
afterAll(() => gateway.close());

describe("fault 18: one event", () => {
  test.each([1, 7])("of %i MiB passes whole", async (size) => {
    const answer = await ask(gateway, { streamed: true, fake: `big=${size * mebibyte}`, timeoutMs: 15_000 });
    expect(answer.body.length).toBeGreaterThan(size * mebibyte);
    expect(answer.text).toMatch(/data: \[DONE\]\n\n$/);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "completed" });
  });

  test.each([8, 64])("of %i MiB and its envelope is an error frame, and the provider's call is ended", async (size) => {
    const answer = await ask(gateway, { streamed: true, fake: `big=${size * mebibyte}`, timeoutMs: 15_000 });
    expectFault(answer, { status: 200, code: "upstream_too_large", isFrame: true });
    expect(eventsOf(answer.text)).toHaveLength(2);
    expect(answer.body.length).toBeLessThan(10_000);
    // 8 MiB fit into the sockets in between, so the provider may have written all of it before the call is ended
    if (size > 8) await until("the call is ended", () => gateway.provider.requests.at(-1)?.aborted === true);
  });

  test.each([1, 8, 48])("(%i MiB, not streamed) passes whole", async (size) => {
    const answer = await ask(gateway, { streamed: false, fake: `big=${size * mebibyte}`, timeoutMs: 15_000 });
    expect(answer.status).toBe(200);
    expect(answer.body.length).toBeGreaterThan(size * mebibyte);
    expect(answer.isWhole).toBe(true);
  });

  test("(64 MiB and its envelope, not streamed) is a 502", async () => {
    const answer = await ask(gateway, { streamed: false, fake: `big=${64 * mebibyte}`, timeoutMs: 15_000 });
    expectFault(answer, { status: 502, code: "upstream_too_large" });
  });
});

describe.each(bothWays)("fault 20, $how: an answer that is compressed though nobody asked", ({ streamed }) => {
  test.each(["gzip", "br", "zstd", "deflate"])("in %s is unpacked", async (encoding) => {
    const answer = await ask(gateway, { streamed, fake: `encoding=${encoding}` });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-encoding"]).toBeUndefined();
    expect(answer.text).toContain(streamed ? "data: [DONE]" : '"chat.completion"');
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "completed", usage: { outputTokens: 8 } });
    expect(gateway.provider.requests.at(-1)?.headers["accept-encoding"]).toBe("identity");
  });

  test.each(["gzip,gzip", "wrong"])("in %s is no answer", async (encoding) => {
    const answer = await ask(gateway, { streamed, fake: `encoding=${encoding}` });
    expectFault(answer, { status: 502, code: "upstream_invalid_answer", isFrame: answer.status === 200 });
  });

  test("that unpacks to far more than it is a 502, or an error frame", async () => {
    const fake = streamed ? `encoding=gzip;big=${7 * mebibyte};chunks=1` : `encoding=gzip;big=${40 * mebibyte}`;
    const answer = await ask(gateway, { streamed, fake, timeoutMs: 15_000 });
    expectFault(answer, { status: 502, code: "upstream_too_large", isFrame: streamed });
  });
});
