import { afterAll, beforeAll, expect, test } from "vitest";
import { badInputClass, expectNothingHeld, expectUnharmed, startGuarded } from "../fixtures/bad-input.ts";
import { type ByteProvider, pieces, startByteProvider } from "../fixtures/byte-provider.ts";
import { chat, until } from "../fixtures/calls.ts";
import { nextPacket, openRaw, type RawAnswer, request, sendRaw } from "../fixtures/raw-http.ts";
import type { TestGateway } from "../fixtures/sidecar.ts";
import { plainStream, responsesStream, type SseRow, sseRows } from "./sse.rows.ts";

let provider: ByteProvider;
let gateway: TestGateway;
beforeAll(async () => {
  provider = await startByteProvider();
  gateway = await startGuarded({ providerUrl: provider.url });
});
afterAll(async () => {
  await gateway.close();
  await provider.close();
});

const json = ["Content-Type: application/json"];
const bodies = {
  chat: JSON.stringify(chat("hi", { stream: true, stream_options: { include_usage: true } })),
  bare: JSON.stringify(chat("hi", { stream: true })),
  responses: JSON.stringify({ model: "gpt-4o", input: "hi", stream: true }),
};
const requestFor = ({ format = "chat", asksUsage }: Pick<SseRow, "format" | "asksUsage">): Buffer =>
  format === "chat"
    ? request("POST /v1/chat/completions HTTP/1.1", json, asksUsage === false ? bodies.bare : bodies.chat)
    : request("POST /v1/responses HTTP/1.1", json, bodies.responses);

/** The error frame as both SDKs raise it, with its code. */
function expectErrorFrame(frame: string, format: "chat" | "responses", code: string): void {
  const match = (format === "chat" ? /^data: (\{.*\})\n\n$/ : /^event: error\ndata: (\{.*\})\n\n$/).exec(frame);
  expect(match, `the error frame: ${JSON.stringify(frame.slice(0, 300))}`).not.toBeNull();
  const value = JSON.parse(match?.[1] ?? "{}") as Record<string, Record<string, unknown>>;
  expect(Object.keys(value.error ?? {}).sort()).toEqual(["code", "message", "param", "type"]);
  expect(value.error?.code).toBe(code);
  if (format === "responses") expect(value).toMatchObject({ type: "error", code, sequence_number: expect.any(Number) });
}

const expectBytes = (answer: RawAnswer | undefined, wanted: Buffer): void => {
  const got = answer?.body.subarray(0, wanted.length) ?? Buffer.alloc(0);
  if (!got.equals(wanted)) expect(got.toString()).toBe(wanted.toString());
};

badInputClass("SSE", sseRows, async (row) => {
  const parts = row.parts();
  provider.next(pieces(parts, row.type === undefined ? {} : { "content-type": row.type }));
  const [answer] = await sendRaw(gateway.url, [requestFor(row)], { timeoutMs: 10_000 });
  const wanted = Buffer.from(row.gets?.() ?? Buffer.concat(parts.map((part) => Buffer.from(part as string))));
  expect(answer?.status).toBe(200);
  expect(answer?.isWhole).toBe(true);
  expectBytes(answer, wanted);
  const rest = answer?.body.subarray(wanted.length).toString() ?? "";
  if (row.error === undefined) expect(rest).toBe("");
  else expectErrorFrame(rest, row.format ?? "chat", row.error);
  await until("the outcome", () => gateway.sidecar.gateway.running === 0);
  const outcome = gateway.audit.records.findLast((record) => record.record === "outcome");
  expect(outcome).toMatchObject({
    outcome: row.outcome ?? (row.error ? "uncertain" : "completed"),
    ...(row.error && { errorCode: row.books ?? row.error }),
  });
  if (row.tokens) expect(outcome?.usage).toMatchObject({ inputTokens: row.tokens[0], outputTokens: row.tokens[1] });
  await expectUnharmed(gateway, provider);
});

const lineEnds = { LF: ["\n"], CR: ["\r"], CRLF: ["\r\n"], mixed: ["\n", "\r\n", "\r"] } as const;
const withLineEnds = (text: string, ends: readonly string[]): Buffer => {
  let line = 0;
  return Buffer.from(text.replaceAll("\n", () => ends[line++ % ends.length] ?? "\n"));
};
const splitRows = Object.entries(lineEnds).flatMap(([name, ends]) => [
  { name: `chat with ${name}`, format: "chat" as const, bytes: withLineEnds(plainStream, ends) },
  { name: `Responses with ${name}`, format: "responses" as const, bytes: withLineEnds(responsesStream, ends) },
]);

// every split of the stream is a call of its own; eight run side by side
badInputClass("SSE cut in two at every byte", splitRows, async ({ format, bytes }) => {
  let cut = 1;
  const lane = async (): Promise<void> => {
    const raw = await openRaw(gateway.url);
    for (let answered = 1; cut < bytes.length; answered++) {
      const at = cut++;
      provider.next(pieces([bytes.subarray(0, at), bytes.subarray(at)]));
      raw.write(requestFor({ format }));
      const answer = (await raw.answered(answered)).at(-1);
      expect(answer?.body.equals(bytes), `cut at ${at}`).toBe(true);
    }
    raw.socket.destroy();
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  await expectNothingHeld(gateway, provider);
});

test("two pieces are two reads: or the cuts would show nothing", async () => {
  provider.next(pieces(["data: 1\n\n", "data: [DONE]\n\n"]));
  const raw = await openRaw(provider.url);
  let reads = 0;
  raw.socket.on("data", (chunk: Buffer) => {
    if (chunk.includes("data: ")) reads += 1;
  });
  raw.write(request("POST /v1/chat/completions HTTP/1.1", json, bodies.chat));
  await raw.answered(1);
  await nextPacket();
  raw.socket.destroy();
  expect(reads).toBe(2);
});
