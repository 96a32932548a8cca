import { afterAll, beforeAll, expect } from "vitest";
import { badInputClass, expectOurError, expectUnharmed, startGuarded } from "../fixtures/bad-input.ts";
import { type ByteProvider, startByteProvider } from "../fixtures/byte-provider.ts";
import { chunked, openRaw, request, sendRaw } from "../fixtures/raw-http.ts";
import type { TestGateway } from "../fixtures/sidecar.ts";
import { jsonRows } from "./json.rows.ts";

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
const type = "Content-Type: application/json";

badInputClass("JSON shape", jsonRows, async ({ body, want, isChunked }) => {
  const before = provider.requests.length;
  const sent = body();
  const [answer] = await sendRaw(gateway.url, [isChunked ? chunked(line, [type], sent) : request(line, [type], sent)]);
  const came = provider.requests.slice(before);
  if (want === "passes") {
    expect(answer?.status, answer?.text.slice(0, 300)).toBe(200);
    expect(came[0]?.body.equals(sent)).toBe(true);
  } else {
    const [status, code] = want;
    expect(answer?.isWhole).toBe(true);
    expectOurError(
      { status: answer?.status ?? 0, text: answer?.text ?? "", header: (name) => answer?.headers[name] },
      { status, code },
    );
    expect(came).toEqual([]);
  }
  await expectUnharmed(gateway, provider);
});

interface CutRow {
  readonly name: string;
  readonly body: string;
}
const cutRows: readonly CutRow[] = [
  {
    name: "a chat request",
    body: '{"model":"gpt-4o","messages":[{"role":"user","content":"h\\u00e9 \u{1f600}"}],"n":1.5e0,"stop":null,"store":true}',
  },
  {
    name: "a Responses request",
    body: ' {"model" : "gpt-4o", "input":[ {"role":"user", "content":[{"type":"input_text","text":"\\"\\\\"}]} ] } ',
  },
];

// every offset is a request of its own on one connection
badInputClass("JSON cut at every offset", cutRows, async ({ body }) => {
  const bytes = Buffer.from(body);
  const end = Buffer.from(body.trimEnd()).length;
  const before = provider.requests.length;
  const raw = await openRaw(gateway.url);
  for (let cut = 0; cut < end; cut++) raw.write(request(line, [type], bytes.subarray(0, cut)));
  const answers = await raw.answered(end);
  raw.socket.destroy();
  expect(answers).toHaveLength(end);
  for (const answer of answers)
    expectOurError(
      { status: answer.status, text: answer.text, header: (name) => answer.headers[name] },
      { status: 400, code: "invalid_json" },
    );
  expect(provider.requests).toHaveLength(before);
  await expectUnharmed(gateway, provider);
});
