import { createGzip } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { badInputClass, expectOurError, expectUnharmed, startGuarded } from "../fixtures/bad-input.ts";
import { type ByteProvider, startByteProvider } from "../fixtures/byte-provider.ts";
import { chat } from "../fixtures/calls.ts";
import { nextPacket, openRaw, type RawAnswer, request, sendRaw } from "../fixtures/raw-http.ts";
import type { TestGateway } from "../fixtures/sidecar.ts";
import { type AnswerRow, answerRows, requestRows } from "./encodings.rows.ts";

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

const line = "POST /v1/chat/completions HTTP/1.1";
const json = "Content-Type: application/json";
const body = (stream: boolean): string => JSON.stringify(chat("hi", { stream, max_tokens: 5 }));
const headerOf = (answer: RawAnswer | undefined) => (name: string) => answer?.headers[name];

badInputClass("encodings of requests", requestRows, async ({ coding, body: sent, want }) => {
  const before = provider.requests.length;
  const head = coding === "" ? [json] : [json, `Content-Encoding: ${coding}`];
  const [answer] = await sendRaw(gateway.url, [request(line, head, sent)]);
  if (want === 200) expect(answer?.status, answer?.text).toBe(200);
  else {
    const [status, code] = want;
    expectOurError(
      { status: answer?.status ?? 0, text: answer?.text ?? "", header: headerOf(answer) },
      { status, code },
    );
    expect(provider.requests).toHaveLength(before);
  }
  await expectUnharmed(gateway, provider);
});

badInputClass("encodings of answers", answerRows, async (row) => {
  provider.next(async (_request, response) => {
    const type = row.type ?? (row.streamed ? "text/event-stream" : "application/json");
    response.writeHead(200, { "content-type": type, ...(row.coding && { "content-encoding": row.coding }) });
    for (const part of row.parts()) {
      response.write(part);
      await nextPacket();
    }
    response.end();
  });
  const [answer] = await sendRaw(gateway.url, [request(line, [json], body(row.streamed))], { timeoutMs: 10_000 });
  expectOutcome(row, answer);
  await expectUnharmed(gateway, provider);
});

function expectOutcome(row: AnswerRow, answer: RawAnswer | undefined): void {
  const { want, streamed } = row;
  expect(answer?.isWhole).toBe(true);
  if ("gets" in want) {
    expect(answer?.status, answer?.text.slice(0, 300)).toBe(200);
    expect(answer?.headers["content-encoding"]).toBeUndefined();
    expect(answer?.text === want.gets, answer?.text.slice(0, 300)).toBe(true);
    return;
  }
  if (answer?.status === 200 && streamed) {
    const last = answer.text.split("\n\n").at(-2) ?? "";
    expect(JSON.parse(last.replace(/^data: /, "")).error.code).toBe(want.code);
    if (want.before !== undefined) expect(answer.text.replaceAll(want.before, "")).toBe(`${last}\n\n`);
    return;
  }
  const seen = { status: answer?.status ?? 0, text: answer?.text ?? "", header: headerOf(answer) };
  expectOurError(seen, { status: 502, code: want.code });
}

test("a compressed event is passed on before the next one is sent", async () => {
  let sendMore = (): void => undefined;
  provider.next((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream", "content-encoding": "gzip" });
    const packer = createGzip();
    packer.pipe(response);
    packer.write('data: {"choices":[]}\n\n');
    packer.flush();
    sendMore = () => packer.end("data: [DONE]\n\n");
  });
  const raw = await openRaw(gateway.url);
  raw.write(request(line, [json], body(true)));
  await raw.saw('data: {"choices":[]}');
  sendMore();
  await raw.answered(1);
  raw.socket.destroy();
  await expectUnharmed(gateway, provider);
});
