import { afterAll, beforeAll, expect } from "vitest";
import { badInputClass, expectOurError, expectUnharmed, startGuarded } from "../fixtures/bad-input.ts";
import { type ByteProvider, startByteProvider } from "../fixtures/byte-provider.ts";
import { request, sendRaw } from "../fixtures/raw-http.ts";
import type { TestGateway } from "../fixtures/sidecar.ts";
import { headerRows } from "./headers.rows.ts";

const body = '{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}';
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

badInputClass("headers", headerRows, async ({ head, want, type = "application/json" }) => {
  const before = provider.requests.length;
  const lines = type === "" ? head : [`Content-Type: ${type}`, ...head];
  const [answer] = await sendRaw(gateway.url, [request("POST /v1/chat/completions HTTP/1.1", lines, body)]);
  const came = provider.requests.slice(before);
  if (Array.isArray(want)) {
    const [status, code] = want as readonly [number, string];
    expect(came).toEqual([]);
    if (answer)
      expectOurError(
        { status: answer.status, text: answer.text, header: (name) => answer.headers[name] },
        { status, code },
      );
  } else {
    expect(answer?.status, answer?.text).toBe(200);
    const seen = came[0]?.headers ?? {};
    const picked = Object.keys(want).map((name) => [name, seen[name] ?? ""]);
    const wanted = Object.entries(want).map(([name, value]) => [name, name === "content-length" ? seen[name] : value]);
    expect(picked).toEqual(wanted);
    // what the provider reads is what was sent, whatever the head says
    expect(JSON.parse(came[0]?.body.toString() ?? "").messages).toEqual(JSON.parse(body).messages);
  }
  await expectUnharmed(gateway, provider);
});
