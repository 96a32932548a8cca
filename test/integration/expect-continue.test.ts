/** `Expect: 100-continue`: a body is asked for when it is about to be read, and never of whom the head alone refuses. Over bare sockets, and HTTP/2. */
import type { ClientHttp2Session } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { chat } from "../fixtures/calls.ts";
import { selfSigned } from "../fixtures/certificate.ts";
import { answerOf, apiKey, listenerRoute, session } from "../fixtures/listener.ts";
import { openRaw } from "../fixtures/raw-http.ts";
import { startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

const body = JSON.stringify(chat("hello"));
const path = "/v1/chat/completions";
const interim = "HTTP/1.1 100 Continue\r\n\r\n";
const certificate = selfSigned();
const identity = "identity: {require: APIKey, apiKeys: {secretRef: {name: callers}}}";
const key = `Authorization: Bearer ${apiKey.text}`;
const json = "Content-Type: application/json";

let gateway: TestGateway;
let seen: number;
beforeAll(async () => {
  gateway = await startTestGateway({
    yaml: (url) => listenerRoute(url, { certificate }).replace("  listener: ", `  ${identity}\n  listener: `),
  });
});
afterAll(() => gateway.close());
beforeEach(() => {
  seen = gateway.provider.requests.length;
});

const head = (lines: readonly string[], { target = path, version = "1.1", length = body.length } = {}): string =>
  [
    `POST ${target} HTTP/${version}`,
    ...["Host: g", "Expect: 100-continue", `Content-Length: ${length}`, ...lines],
    "\r\n",
  ].join("\r\n");

describe("over HTTP/1", () => {
  test("who may call is asked for the body once; the connection goes on", async () => {
    const raw = await openRaw(gateway.url);
    for (const count of [1, 2]) {
      raw.write(head([key, json]));
      await raw.saw(new RegExp(`(?:100 Continue[^]*){${count}}`));
      expect(raw.answers()).toHaveLength(count - 1);
      raw.write(body);
      const answers = await raw.answered(count);
      expect(answers.map(({ status }) => status)).toEqual(Array(count).fill(200));
    }
    expect(raw.bytes().toString("latin1").split(interim)).toHaveLength(3);
    raw.socket.destroy();
  });

  test("an upload that is passed on is asked for, too", async () => {
    const raw = await openRaw(gateway.url);
    const part = (name: string, text: string) =>
      `--b\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`;
    const form = `${part("purpose", "batch")}${part('file"; filename="a.jsonl', "{}")}--b--\r\n`;
    const type = "Content-Type: multipart/form-data; boundary=b";
    raw.write(head([key, type], { target: "/v1/files", length: form.length }));
    await raw.saw(interim);
    expect(raw.answers()).toEqual([]);
    raw.write(form);
    expect((await raw.answered(1))[0]?.status).toBe(200);
    raw.socket.destroy();
  });

  test.each([
    { who: "nobody", lines: [json], want: [401, "api_key_missing"] },
    {
      who: "a stranger",
      lines: [json, `Authorization: Bearer sgk-other-${"A".repeat(43)}`],
      want: [401, "api_key_refused"],
    },
    { who: "no endpoint", lines: [json, key], target: "/v1/nothing", want: [404, "unknown_endpoint"] },
    { who: "another media type", lines: ["Content-Type: text/plain", key], want: [415, "unsupported_media_type"] },
    {
      who: "another coding",
      lines: [json, key, "Content-Encoding: gzip"],
      want: [415, "unsupported_content_encoding"],
    },
    { who: "too much", lines: [json, key], length: 500_000_000, want: [413, "body_too_large"] },
    {
      who: "too large an upload",
      lines: [key],
      target: "/v1/files",
      length: 900_000_000,
      want: [413, "body_too_large"],
    },
  ])("$who is refused at once, and not asked", async ({ lines, want, ...how }) => {
    const raw = await openRaw(gateway.url);
    raw.write(head(lines, how));
    const [answer] = await raw.answered(1, 2_000);
    expect([answer?.status, (JSON.parse(answer?.text ?? "") as { error: { code: string } }).error.code]).toEqual(want);
    expect(raw.bytes().toString("latin1")).not.toContain("100 Continue");
    expect(answer?.headers.connection).toBe("close"); // whether the body comes all the same, nobody knows
    expect(gateway.provider.requests).toHaveLength(seen);
    raw.socket.destroy();
  });

  test("who is refused and sends the body all the same has the answer whole, and no second one", async () => {
    const raw = await openRaw(gateway.url);
    const large = "x".repeat(3_000_000);
    raw.write(head([json], { length: large.length }));
    await raw.answered(1);
    raw.write(large);
    raw.write(head([json, key]));
    while (!raw.isClosed()) await sleep(5);
    expect(raw.answers().map(({ status, isWhole }) => [status, isWhole])).toEqual([[401, true]]);
  });

  test("who does not wait is asked in vain, and served", async () => {
    const raw = await openRaw(gateway.url);
    raw.write(head([key, json]) + body);
    expect((await raw.answered(1))[0]?.status).toBe(200);
    raw.socket.destroy();
  });

  test("HTTP/1.0 has one answer", async () => {
    const raw = await openRaw(gateway.url);
    raw.write(head([key, json], { version: "1.0" }));
    await sleep(30);
    expect(raw.bytes()).toHaveLength(0);
    raw.write(body);
    expect((await raw.answered(1))[0]?.status).toBe(200);
    expect(raw.bytes().toString("latin1")).not.toContain("100 Continue");
    raw.socket.destroy();
  });
});

describe("over HTTP/2", () => {
  let on: ClientHttp2Session;
  beforeAll(async () => {
    on = await session(gateway.url.replace("http", "https"), certificate.cert);
  });
  afterAll(() => on.destroy());
  const begin = (more: Record<string, string>) => {
    const headers = { ":path": path, ":method": "POST", "content-type": "application/json", expect: "100-continue" };
    const stream = on.request({ ...headers, ...more }, { endStream: false });
    const told = { asked: 0 };
    stream.on("continue", () => void told.asked++);
    return { stream, told };
  };

  test("who may call is asked for the body", async () => {
    const { stream, told } = begin({ authorization: `Bearer ${apiKey.text}` });
    stream.once("continue", () => stream.end(body));
    expect((await answerOf(stream)).status).toBe(200);
    expect(told.asked).toBe(1);
  });

  test("who is refused is not", async () => {
    const { stream, told } = begin({});
    expect((await answerOf(stream)).status).toBe(401);
    expect(told.asked).toBe(0);
    expect(gateway.provider.requests).toHaveLength(seen);
  });
});
