import { afterAll, beforeAll, expect } from "vitest";
import { badInputClass, expectOurError, expectUnharmed, startGuarded } from "../fixtures/bad-input.ts";
import { type ByteProvider, startByteProvider, whole } from "../fixtures/byte-provider.ts";
import { chunked, openRaw, request, sendRaw } from "../fixtures/raw-http.ts";
import type { TestGateway } from "../fixtures/sidecar.ts";
import { formRows, wholeForm } from "./multipart.rows.ts";

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

const formType = "multipart/form-data; boundary=x";

badInputClass(
  "multipart",
  formRows,
  async ({ path = "/v1/audio/transcriptions", type = formType, body, isChunked, want }) => {
    const before = provider.requests.length;
    const sent = body();
    const head = type === "" ? [] : [`Content-Type: ${type}`];
    const line = `POST ${path} HTTP/1.1`;
    const [answer] = await sendRaw(gateway.url, [isChunked ? chunked(line, head, sent) : request(line, head, sent)]);
    const came = provider.requests.slice(before);
    if (want === "passes") {
      expect(answer?.status, answer?.text.slice(0, 300)).toBe(200);
      expect(came[0]?.headers["content-type"]).toBe(type);
      expect(came[0]?.body.equals(sent)).toBe(true);
    } else {
      const [status, code] = want;
      expect(answer?.isWhole).toBe(true);
      const seen = {
        status: answer?.status ?? 0,
        text: answer?.text ?? "",
        header: (name: string) => answer?.headers[name],
      };
      expectOurError(seen, { status, code });
      expect(came).toEqual([]);
    }
    await expectUnharmed(gateway, provider);
  },
);

badInputClass("multipart cut at every offset", [{ name: "a transcription" }], async () => {
  const before = provider.requests.length;
  const last = wholeForm.length - 2; // the form ends at its last dash, not at the line break behind
  const raw = await openRaw(gateway.url);
  for (let cut = 0; cut < last; cut++)
    raw.write(
      request("POST /v1/audio/transcriptions HTTP/1.1", [`Content-Type: ${formType}`], wholeForm.subarray(0, cut)),
    );
  const answers = await raw.answered(last);
  raw.socket.destroy();
  expect(answers).toHaveLength(last);
  for (const answer of answers)
    expectOurError({ ...answer, header: (name) => answer.headers[name] }, { status: 400, code: "invalid_multipart" });
  expect(provider.requests).toHaveLength(before);
  await expectUnharmed(gateway, provider);
});

badInputClass(
  "multipart streamed",
  [
    { name: "a transcription that streams is read as a stream" },
    { name: "a stream that breaks ends in an error frame" },
  ],
  async ({ name }) => {
    const events = 'data: {"type":"transcript.text.delta","delta":"hi"}\n\n';
    const done = 'data: {"type":"transcript.text.done","text":"hi"}\n\n';
    const breaks = name.includes("breaks");
    provider.next(whole(breaks ? events : events + done, { "content-type": "text/event-stream" }));
    const body = wholeForm
      .toString("latin1")
      .replace("--x--", '--x\r\nContent-Disposition: form-data; name="stream"\r\n\r\ntrue\r\n--x--');
    const head = [`Content-Type: ${formType}`];
    const [answer] = await sendRaw(gateway.url, [
      request("POST /v1/audio/transcriptions HTTP/1.1", head, Buffer.from(body, "latin1")),
    ]);
    expect(answer?.text.startsWith(events)).toBe(true);
    expect(answer?.text.slice(events.length)).toMatch(
      breaks ? /^event: error\ndata: .*upstream_truncated.*\n\n$/ : done,
    );
    await expectUnharmed(gateway, provider);
  },
);
