// What a call is charged when the provider's usage is missing or cannot be believed: fault 19.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { chargedTokens, shortTimeouts } from "../fixtures/bad-input.ts";
import { type ByteProvider, pieces, type Script, startByteProvider } from "../fixtures/byte-provider.ts";
import { chat } from "../fixtures/calls.ts";
import { ask, bothWays, callBytes, errorIn, expectSettled, lastOutcome } from "../fixtures/fault-calls.ts";
import { openRaw, request, sendRaw } from "../fixtures/raw-http.ts";
import { openRoute, quotaYaml, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

let gateway: TestGateway;
/** `backends`: YAML of them, made from the provider's URL. */
const start = async (
  reservation: string,
  more: { rule?: string; providerUrl?: string; backends?: (url: string) => string } = {},
): Promise<void> => {
  const limit = "{name: tph, resource: TotalTokens, limit: 1000000, window: {type: Fixed, duration: 1h}}";
  gateway = await startTestGateway({
    yaml: (url) =>
      openRoute(more.providerUrl ?? url, {
        rule: more.rule ?? shortTimeouts,
        ...(more.backends && { backends: more.backends(url) }),
        quotas: quotaYaml([limit], { extra: `reservation: ${reservation}` }),
      }),
  });
};
afterEach(async () => {
  await expectSettled(gateway);
  await gateway.close();
});

/** What was held for the last call, in tokens. */
const heldParts = (): { input: number; output: number } => {
  const intent = gateway.audit.records.findLast((record) => record.record === "intent");
  return (intent?.heldTokens ?? { input: Number.NaN, output: Number.NaN }) as { input: number; output: number };
};
const held = (): number => heldParts().input + heldParts().output;
const endpoints = ["chat", "responses"] as const;
const cases = bothWays.flatMap((way) => endpoints.map((endpoint) => ({ ...way, endpoint })));

describe.each(cases)("fault 19: $endpoint, $how,", ({ streamed, endpoint }) => {
  const body = endpoint === "chat" ? { max_tokens: 500 } : { max_output_tokens: 500 };

  test.each(["none", "negative", "huge"])("with usage=%s is charged what was held", async (usage) => {
    await start("{onUnknownUsage: ChargeReserved}");
    const answer = await ask(gateway, { streamed, endpoint, fake: `usage=${usage}`, body });
    expect(answer.status).toBe(200);
    await expectSettled(gateway);
    expect(await chargedTokens(gateway)).toBe(held());
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "completed", usage: null });
  });

  test.each(["none", "negative", "huge"])(
    "with usage=%s is charged what was seen, where the quota says so and it was streamed",
    async (usage) => {
      await start("{onUnknownUsage: ChargeObserved}");
      await ask(gateway, { streamed, endpoint, fake: `usage=${usage}`, body });
      await expectSettled(gateway);
      const charged = await chargedTokens(gateway);
      if (streamed) expect(charged).toBeLessThan(held() - 400);
      else expect(charged).toBe(held());
      expect(charged).toBeGreaterThan(8);
    },
  );

  test("with its usage told twice is charged once", async () => {
    await start("{onUnknownUsage: ChargeReserved}");
    await ask(gateway, { streamed, endpoint, fake: "usage=twice", body });
    await expectSettled(gateway);
    const usage = lastOutcome(gateway).usage as { totalTokens: number };
    expect(usage.totalTokens).toBeLessThan(50);
    expect(await chargedTokens(gateway)).toBe(usage.totalTokens);
  });

  test("with more output than was held is charged what the provider reports", async () => {
    await start("{onUnknownUsage: ChargeReserved}");
    await ask(gateway, { streamed, endpoint, fake: "reasoning=2000", body });
    await expectSettled(gateway);
    expect(await chargedTokens(gateway)).toBeGreaterThan(2000);
  });
});

describe.each(endpoints.map((endpoint) => ({ endpoint })))("a stream that breaks off, $endpoint,", ({ endpoint }) => {
  const body = endpoint === "chat" ? { max_tokens: 500 } : { max_output_tokens: 500 };
  const ends = ["reset=1", "fin=3", "eof=3", "hang=mid;k=3"];

  test.each(ends)("with %s is charged what was held: more may have been written than came", async (fake) => {
    await start("{onUnknownUsage: ChargeReserved}");
    await ask(gateway, { streamed: true, endpoint, fake, body });
    await expectSettled(gateway);
    expect(await chargedTokens(gateway)).toBe(held());
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "uncertain", usage: null });
  });

  test.each(ends)("with %s is charged what was seen, where the quota says so", async (fake) => {
    await start("{onUnknownUsage: ChargeObserved}");
    await ask(gateway, { streamed: true, endpoint, fake, body });
    await expectSettled(gateway);
    const { observedOutputTokens: seen } = lastOutcome(gateway);
    expect(seen).toBeLessThan(20);
    expect(await chargedTokens(gateway)).toBe(held() - 500 + Number(seen));
  });
});

/** Sends a call and leaves when this has come. */
async function leaveAt(bytes: Buffer, what: string | RegExp): Promise<void> {
  const raw = await openRaw(gateway.url);
  raw.write(bytes);
  await raw.saw(what);
  raw.socket.destroy();
  await expectSettled(gateway, { openRequests: 0 });
}

describe("background work that is streamed", () => {
  const body = { max_output_tokens: 500 };

  test.each(["ChargeReserved", "ChargeObserved"])(
    "goes on when its client leaves: it is charged what was held, under %s",
    async (how) => {
      await start(`{onUnknownUsage: ${how}}`);
      const call = { streamed: true, endpoint: "responses", fake: "hang=mid;k=6" } as const;
      await leaveAt(callBytes({ ...call, body }), "output_text.delta");
      const seen = await chargedTokens(gateway);
      expect(seen).toBeLessThan(held() - 400);
      await leaveAt(callBytes({ ...call, body: { ...body, background: true } }), "output_text.delta");
      expect((await chargedTokens(gateway)) - seen).toBe(held());
      expect(lastOutcome(gateway)).toMatchObject({ outcome: "aborted", observedOutputTokens: null });
    },
  );

  test("is known as such where the rule makes it that", async () => {
    await start("{onUnknownUsage: ChargeObserved}", { rule: "request: {defaults: {background: true}}" });
    const call = { streamed: true, endpoint: "responses", fake: "hang=mid;k=6", body } as const;
    await leaveAt(callBytes(call), "output_text.delta");
    expect(await chargedTokens(gateway)).toBe(held());
  });

  test("that comes to its end is charged its usage", async () => {
    await start("{onUnknownUsage: ChargeReserved}");
    await ask(gateway, { streamed: true, endpoint: "responses", body: { ...body, background: true } });
    await expectSettled(gateway);
    expect(await chargedTokens(gateway)).toBeLessThan(50);
  });
});

describe("what a provider of odd streams is paid:", () => {
  let bytes: ByteProvider;
  beforeAll(async () => {
    bytes = await startByteProvider();
  });
  afterAll(() => bytes.close());
  const startOdd = (onUnknownUsage = "ChargeReserved") =>
    start(`{onUnknownUsage: ${onUnknownUsage}}`, { providerUrl: bytes.url });
  const event = (type: string, more: object): string =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
  const callTo = (path: string, body: object): Buffer =>
    request(`POST /v1/${path} HTTP/1.1`, ["Content-Type: application/json"], JSON.stringify(body));

  const media = [
    {
      what: "an image",
      call: callTo("images/generations", { model: "gpt-image-1", prompt: "a cat", stream: true, partial_images: 3 }),
      part: event("image_generation.partial_image", { b64_json: "A".repeat(400_000), partial_image_index: 0 }),
      mark: "partial_image_index",
    },
    {
      what: "speech",
      call: callTo("audio/speech", { model: "gpt-4o-mini-tts", input: "hi", voice: "alloy", stream_format: "sse" }),
      part: event("speech.audio.delta", { audio: "A".repeat(40_000), index: 0 }),
      mark: '"index"',
    },
    {
      what: "audio in a chat",
      call: callTo("chat/completions", { ...chat("hi", { stream: true }), modalities: ["text", "audio"] }),
      part: `data: ${JSON.stringify({ choices: [{ index: 0, delta: { audio: { data: "A".repeat(40_000) } } }], n: 7 })}\n\n`,
      mark: '"n":7',
    },
  ];
  const withoutEnd =
    (...parts: readonly string[]): Script =>
    (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const part of parts) response.write(part);
    };

  test.each(media)("$what whose client leaves is charged what was held: its tokens cannot be seen", async (one) => {
    await startOdd("ChargeObserved");
    bytes.next(withoutEnd(one.part));
    await leaveAt(one.call, one.mark);
    expect(await chargedTokens(gateway)).toBe(held());
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "aborted", observedOutputTokens: null });
  });

  test.each(media)("$what that fails in its middle is charged what was held", async ({ call, part }) => {
    await startOdd("ChargeObserved");
    bytes.next(
      pieces([part, 'event: error\ndata: {"type":"error","error":{"code":"server_error","message":"m"}}\n\n']),
    );
    await sendRaw(gateway.url, [call]);
    await expectSettled(gateway, bytes);
    expect(await chargedTokens(gateway)).toBe(held());
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "uncertain", errorCode: "server_error" });
  });

  test("an image that was refused before anything came is charged its input", async () => {
    await startOdd();
    bytes.next(pieces([event("error", { error: { code: "moderation_blocked", message: "m" } })]));
    await sendRaw(gateway.url, [media[0]?.call ?? Buffer.alloc(0)]);
    await expectSettled(gateway, bytes);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "failed", observedOutputTokens: 0 });
    expect(await chargedTokens(gateway)).toBe(heldParts().input);
  });

  test("an image whose last event is too large is charged what was held", async () => {
    await startOdd("ChargeObserved");
    const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 };
    bytes.next(pieces([event("image_generation.completed", { b64_json: "A".repeat(9 * 1024 * 1024), usage })]));
    await sendRaw(gateway.url, [media[0]?.call ?? Buffer.alloc(0)]);
    await expectSettled(gateway, bytes);
    expect(await chargedTokens(gateway)).toBe(held());
  });

  const usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  const told = `data: ${JSON.stringify({ choices: [], usage })}\n\n`;
  const word = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: "word " } }] })}\n\n`;

  test("a usage that came on the way is not the whole: what was seen counts, and the input as held", async () => {
    await startOdd();
    bytes.next(withoutEnd(told, word.repeat(9), 'data: {"mark":1}\n\n'));
    await leaveAt(callBytes({ streamed: true, body: { max_tokens: 500 } }), "mark");
    expect(await chargedTokens(gateway)).toBe(held() - 500 + 15);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "aborted", usage: null, observedOutputTokens: 15 });
  });

  test("a usage that came on the way counts where it says more than was seen", async () => {
    await startOdd("ChargeObserved");
    bytes.next(pieces([word, told.replace('"completion_tokens":0', '"completion_tokens":321')]));
    await ask(gateway, { streamed: true, body: { max_tokens: 500 } });
    await expectSettled(gateway, bytes);
    expect(await chargedTokens(gateway)).toBe(held() - 500 + 321);
  });
});

describe("an error answer of Azure", () => {
  const azure = (url: string): string =>
    `- {name: main, type: AzureOpenAI, endpoint: "${url}", credentials: [{type: Secret, secretRef: {name: keys, key: main}}]}`;
  const body = { max_tokens: 500 };

  test.each([...bothWays])("that blocks a prompt is billed: charged what was held, $how", async ({ streamed }) => {
    await start("{onUnknownUsage: ChargeReserved}", { backends: azure });
    const answer = await ask(gateway, { streamed, fake: "code=content_filter", body });
    expect([answer.status, errorIn(answer).code]).toEqual([400, "content_filter"]);
    await expectSettled(gateway);
    expect(await chargedTokens(gateway)).toBe(held());
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "uncertain", status: 400, errorCode: "content_filter" });
  });

  test("that says 408 is billed, whatever its body", async () => {
    await start("{onUnknownUsage: ChargeReserved}", { backends: azure });
    await ask(gateway, { streamed: false, fake: "status=408;body=html", body });
    await expectSettled(gateway);
    expect(await chargedTokens(gateway)).toBe(held());
  });

  test.each(["code=context_length_exceeded", "status=429", "status=500", "status=502", "status=504"])(
    "with %s costs nothing",
    async (fake) => {
      await start("{onUnknownUsage: ChargeReserved}", { backends: azure });
      await ask(gateway, { streamed: false, fake, body });
      await expectSettled(gateway);
      expect(await chargedTokens(gateway)).toBe(0);
    },
  );

  test("costs nothing where another provider says it", async () => {
    await start("{onUnknownUsage: ChargeReserved}");
    for (const fake of ["code=content_filter", "status=408"]) await ask(gateway, { streamed: false, fake, body });
    await expectSettled(gateway);
    expect(await chargedTokens(gateway)).toBe(0);
  });
});
