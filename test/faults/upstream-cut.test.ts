// The provider's answer breaks off: fault 15 (reset after k events, for every k), 16 (clean end), 17 (odd and malformed events).
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { chargedTokens, startGuarded } from "../fixtures/bad-input.ts";
import { ask, eventsOf, expectFault, expectSettled, lastOutcome } from "../fixtures/fault-calls.ts";
import type { TestGateway } from "../fixtures/sidecar.ts";

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGuarded();
});
afterEach(() => expectSettled(gateway));
afterAll(() => gateway.close());

/** Role, eight words, finish, usage, [DONE]. */
const chatEvents = 12;
const usage = { stream_options: { include_usage: true } };
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
/** What one call was charged, in tokens. */
const priceOf = async (call: () => Promise<unknown>): Promise<number> => {
  const before = await chargedTokens(gateway);
  await call();
  await expectSettled(gateway);
  return (await chargedTokens(gateway)) - before;
};

test("a whole chat stream has so many events, or the numbers below would mean nothing", async () => {
  const answer = await ask(gateway, { streamed: true, body: usage });
  expect(eventsOf(answer.text)).toHaveLength(chatEvents);
});

describe("fault 15: the provider resets", () => {
  test("before its answer begins: a 502, nobody else is asked, and it may be billed", async () => {
    const before = gateway.provider.requests.length;
    for (const streamed of [true, false]) {
      expectFault(await ask(gateway, { streamed, fake: "reset=0" }), {
        status: 502,
        code: "upstream_reset",
        retry: true,
      });
      expect(lastOutcome(gateway)).toMatchObject({ outcome: "uncertain", sent: true });
    }
    expect(gateway.provider.requests).toHaveLength(before + 2);
  });

  test.each(upTo(chatEvents).slice(1))("after %i events: they arrive, then an error frame", async (k) => {
    const answer = await ask(gateway, { streamed: true, fake: `reset=${k}`, body: usage });
    expectFault(answer, { status: 200, code: "upstream_truncated", isFrame: true });
    expect(eventsOf(answer.text)).toHaveLength(k + 1);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "uncertain", errorCode: "upstream_truncated" });
  });

  test("after the last event: the answer is whole", async () => {
    const answer = await ask(gateway, { streamed: true, fake: `reset=${chatEvents}`, body: usage });
    expect(answer.text).toMatch(/data: \[DONE\]\n\n$/);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "completed" });
  });

  test("costs what was held, early or late, and what the provider said once it has", async () => {
    const body = { ...usage, max_tokens: 500 };
    const whole = await priceOf(() => ask(gateway, { streamed: true, body }));
    const early = await priceOf(() => ask(gateway, { streamed: true, fake: "reset=1", body }));
    const late = await priceOf(() => ask(gateway, { streamed: true, fake: "reset=9", body }));
    const told = await priceOf(() => ask(gateway, { streamed: true, fake: `reset=${chatEvents - 1}`, body }));
    expect(early).toBeGreaterThan(500);
    expect(late).toBe(early);
    expect(told).toBe(whole);
    expect(whole).toBeLessThan(50);
  });

  test.each(upTo(chatEvents).slice(1))(
    "(FIN inside a chunk) after %i events: the cut event does not arrive",
    async (k) => {
      const answer = await ask(gateway, { streamed: true, fake: `fin=${k}`, body: usage });
      expectFault(answer, { status: 200, code: "upstream_truncated", isFrame: true });
      expect(eventsOf(answer.text)).toHaveLength(k + 1);
      expect(answer.text).not.toContain('"cut"');
    },
  );

  test.each([1, 2, 3, 4, 5, 6, 7, 8])("after %i eighths of a plain answer: a 502, none of it arrives", async (k) => {
    for (const end of ["reset", "fin"]) {
      const answer = await ask(gateway, { streamed: false, fake: `${end}=${k}` });
      expectFault(answer, { status: 502, code: "upstream_truncated" });
      expect(lastOutcome(gateway)).toMatchObject({ outcome: "uncertain" });
    }
  });

  test("a content length that is too large is a cut answer", async () => {
    expectFault(await ask(gateway, { streamed: false, fake: "length=5" }), { status: 502, code: "upstream_truncated" });
  });
});

describe("fault 16: the provider ends in good order, too early", () => {
  test.each(upTo(chatEvents))("after %i chat events: an error frame, since SDKs take it for success", async (k) => {
    const answer = await ask(gateway, { streamed: true, fake: `eof=${k}`, body: usage });
    expectFault(answer, { status: 200, code: "upstream_truncated", isFrame: true });
    expect(eventsOf(answer.text)).toHaveLength(k + 1);
  });

  test.each([0, 1, 4, 8])("after %i events of a Responses stream", async (k) => {
    const answer = await ask(gateway, { streamed: true, endpoint: "responses", fake: `eof=${k}` });
    expectFault(answer, { status: 200, code: "upstream_truncated", isFrame: true });
    expect(eventsOf(answer.text)).toHaveLength(k + 1);
  });

  test.each([0, 1, 4, 7])("after %i eighths of a plain answer: a 502", async (k) => {
    expectFault(await ask(gateway, { streamed: false, fake: `eof=${k}` }), {
      status: 502,
      code: "upstream_invalid_answer",
    });
  });

  test("an error of the provider's own in the stream arrives as it is, and is not followed by ours", async () => {
    const chat = await ask(gateway, { streamed: true, fake: "error=3" });
    expect(eventsOf(chat.text)).toHaveLength(4);
    expect(chat.text).not.toContain("upstream_");
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "failed" });
    const responses = await ask(gateway, { streamed: true, endpoint: "responses", fake: "failed=4" });
    expect(responses.text).toContain("response.failed");
    expect(responses.text).not.toContain("upstream_");
  });
});

describe("fault 17: odd events", () => {
  const odd = [
    "crlf",
    "cr",
    "bom",
    "nospace",
    "comment",
    "ids",
    "multidata",
    "emptydata",
    "noblank",
    "badutf8",
    "badjson",
    "nul",
  ];
  test.each(
    odd.flatMap((fake) => [
      { fake, endpoint: "chat" as const },
      { fake, endpoint: "responses" as const },
    ]),
  )("$endpoint with $fake pass, and the end is seen", async ({ fake, endpoint }) => {
    const answer = await ask(gateway, { streamed: true, endpoint, fake, body: endpoint === "chat" ? usage : {} });
    expect(answer.isWhole).toBe(true);
    expect(answer.text).not.toContain("upstream_");
    expect(answer.text.charCodeAt(0)).not.toBe(0xfeff);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "completed", usage: { outputTokens: 8 } });
  });

  test.each(["badjson", "junk"])("a plain answer with %s is a 502", async (fake) => {
    const knob = fake === "junk" ? "body=junk" : fake;
    expectFault(await ask(gateway, { streamed: false, fake: knob }), { status: 502, code: "upstream_invalid_answer" });
  });
});
