/** HTTP/2 through the whole sidecar: every byte as over HTTP/1, and what is different about streams. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { headBytesMax } from "../../src/sidecar/server.ts";
import { chatAnswer, pieces, whole } from "../fixtures/byte-provider.ts";
import { until } from "../fixtures/calls.ts";
import { body, event, type Http2Stage, lastEvent, path, startHttp2, streamed } from "../fixtures/http2.ts";
import { answerOf, begin, overHttp2 } from "../fixtures/listener.ts";

let stage: Http2Stage;
let provider: Http2Stage["provider"];
let gateway: Http2Stage["gateway"];
let on: Http2Stage["on"];

beforeEach(async () => {
  stage = await startHttp2();
  ({ provider, gateway, on } = stage);
});
afterEach(() => stage.stop());

describe("what is sent", () => {
  test("a JSON body arrives byte for byte, with the client's headers and none of HTTP/2's own", async () => {
    const odd = ` {"model" : "gpt-4o",\n "messages":[{"role":"user","content":"\\u00e9é"}], "seed": 1.0e3 } `;
    const answer = await overHttp2(on, path, {
      body: odd,
      headers: { "x-own": "yes", authorization: "Bearer mine", te: "trailers" },
    });
    expect(answer.status).toBe(200);
    const [seen] = provider.requests;
    expect(seen?.body.toString()).toBe(odd);
    expect(seen?.headers).toMatchObject({
      "x-own": "yes",
      authorization: "Bearer sk-main-key",
      "content-length": String(Buffer.byteLength(odd)),
    });
    expect(seen?.rawHeaders.filter((name, i) => i % 2 === 0 && /^:|^te$/i.test(name))).toEqual([]);
    expect(seen?.headers.host).toBe(new URL(provider.url).host);
  });

  test("a form arrives byte for byte", async () => {
    const form = `--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n${"\0\xff\r\n--x".repeat(40_000)}\r\n--b--\r\n`;
    const bytes = Buffer.from(form, "latin1");
    const answer = await overHttp2(on, "/v1/audio/transcriptions", {
      body: bytes,
      headers: { "content-type": "multipart/form-data; boundary=b" },
    });
    expect(answer.status).toBe(200);
    expect(provider.requests[0]?.body.equals(bytes)).toBe(true);
  });

  test("an upload that is passed on unread arrives byte for byte, with its length or without", async () => {
    const bytes = Buffer.alloc(3_000_000, "0123456789abcdef");
    const headers = { "content-type": "multipart/form-data; boundary=b" };
    for (const more of [{}, { "content-length": String(bytes.length) }] as Record<string, string>[]) {
      const answer = await overHttp2(on, "/v1/files", { body: bytes, headers: { ...headers, ...more } });
      expect(answer.status).toBe(200);
      expect(provider.requests.at(-1)?.body.equals(bytes)).toBe(true);
    }
    expect(provider.requests.map(({ headers: sent }) => sent["content-length"])).toEqual([
      undefined,
      String(bytes.length),
    ]);
  });

  test("a body that is cut off reaches nobody", async () => {
    const cut = begin(on, path, { body: undefined, method: "POST", headers: { "content-type": "application/json" } });
    cut.on("error", () => undefined);
    cut.close(8);
    const stream = on.request(
      { ":path": path, ":method": "POST", "content-type": "application/json" },
      { endStream: false },
    );
    stream.on("error", () => undefined);
    stream.write(body); // whole, but nobody has said so
    await until("it has begun", () => gateway.sidecar.gateway.running > 0);
    stream.close(8);
    await stage.noneRuns();
    expect(provider.requests).toEqual([]);
  });

  test("100-continue is told before the body comes", async () => {
    const stream = on.request(
      { ":path": path, ":method": "POST", "content-type": "application/json", expect: "100-continue" },
      { endStream: false },
    );
    stream.once("continue", () => stream.end(body));
    expect((await answerOf(stream)).status).toBe(200);
  });
});

describe("what comes back", () => {
  test("a JSON answer byte for byte; fields of one HTTP/1 connection are left out, repeated ones stay", async () => {
    const text = chatAnswer("päng", { extra: 1 });
    provider.next((request, response) => {
      response.writeHead(200, [
        "content-type",
        "application/json",
        "keep-alive",
        "timeout=5",
        "x-twice",
        "a",
        "x-twice",
        "b",
        "content-length",
        String(Buffer.byteLength(text)),
      ]);
      response.end(text);
      void request;
    });
    const answer = await overHttp2(on, path, { body });
    expect(answer.text).toBe(text);
    expect(answer.headers).toMatchObject({ "x-twice": "a, b", "content-length": String(Buffer.byteLength(text)) });
    expect(answer.headers).not.toHaveProperty("keep-alive");
    expect(answer.headers).not.toHaveProperty("connection");
  });

  test("a stream byte for byte, however it is cut into pieces", async () => {
    const text = `: hi\n\n${event("ä")}${event("b".repeat(70_000))}${lastEvent}data: [DONE]\n\n`;
    const bytes = Buffer.from(text);
    const parts = [bytes.subarray(0, 8), bytes.subarray(8, 30_001), bytes.subarray(30_001)];
    provider.next(pieces(parts));
    const answer = await overHttp2(on, path, { body: streamed });
    expect([answer.headers["content-type"], answer.text]).toEqual(["text/event-stream; charset=utf-8", text]);
  });

  test("a stream that the provider cuts off ends with an error frame", async () => {
    provider.next(pieces([event("a")]));
    const answer = await overHttp2(on, path, { body: streamed });
    expect(answer.text).toContain('"code":"upstream_truncated"');
  });

  test.each([{ "content-length": "1000" }, {}])(
    "an unread answer that breaks off (%j) resets the stream, not the connection",
    async (length) => {
      provider.next((_request, response) => {
        response.writeHead(200, { "content-type": "audio/mpeg", ...length });
        response.write("half", () => response.destroy());
      });
      await expect(
        overHttp2(on, "/v1/audio/speech", { body: JSON.stringify({ model: "tts-1", input: "x", voice: "alloy" }) }),
      ).rejects.toThrow(/INTERNAL_ERROR|reset with 2/);
      expect((await overHttp2(on, path, { body })).status).toBe(200);
    },
  );

  test("an answer without a body, and errors in the provider's shape", async () => {
    provider.next(whole("", { "content-type": "application/json", "content-length": undefined }, 204));
    expect((await overHttp2(on, "/v1/files/file-1", { method: "DELETE" })).status).toBe(204);
    provider.next(
      whole(
        '{"error":{"message":"slow down","type":"x","param":null,"code":"rate_limit"}}',
        { "retry-after": "7" },
        429,
      ),
    );
    const refused = await overHttp2(on, path, { body });
    expect([refused.status, refused.headers["retry-after"], JSON.parse(refused.text).error.code]).toEqual([
      429,
      "7",
      "rate_limit",
    ]);
  });
});

describe("what is refused", () => {
  // [name, path, call, status, code]
  const rows: readonly (readonly [string, string, Parameters<typeof overHttp2>[2], number, string])[] = [
    ["an unknown endpoint", "/v1/nothing", { body }, 404, "unknown_endpoint"],
    ["another method", path, { method: "PUT", body }, 405, "method_not_allowed"],
    ["no JSON", path, { body: "{" }, 400, "invalid_json"],
    ["a coded body", path, { body, headers: { "content-encoding": "gzip" } }, 415, "unsupported_content_encoding"],
    ["another expectation", path, { body, headers: { expect: "tea" } }, 417, "invalid_header"],
    [
      "a host that is not the authority",
      path,
      { body, headers: { ":authority": "a", host: "b" } },
      400,
      "invalid_header",
    ],
    [
      "a body above its limit",
      path,
      { body: `{"model":"gpt-4o","messages":[],"x":"${"y".repeat(17_000_000)}"}` },
      413,
      "json_too_large",
    ],
    [
      "too many fields",
      path,
      { body, headers: Object.fromEntries(Array.from({ length: 220 }, (_, i) => [`x-${i}`, "1"])) },
      431,
      "headers_too_large",
    ],
  ];
  test.each(rows)("%s", async (_name, at, call, status, code) => {
    const answer = await overHttp2(on, at, call);
    expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([status, code]);
    expect(answer.headers["x-should-retry"]).toBe("false");
    expect((await overHttp2(on, path, { body })).status).toBe(200); // the connection is as good as before
    await stage.noneRuns();
  });

  test("a head above its limit", async () => {
    const wide = await stage.connect({ maxSendHeaderBlockLength: 1_000_000 });
    const answer = await overHttp2(wide, path, { body, headers: { "x-large": "y".repeat(headBytesMax) } });
    expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([431, "headers_too_large"]);
    expect((await overHttp2(wide, path, { body })).status).toBe(200);
    wide.destroy();
  });

  test("HEAD gets the head of its refusal and no body", async () => {
    const answer = await overHttp2(on, "/v1/models", { method: "HEAD" });
    expect([answer.status, answer.text]).toEqual([405, ""]);
  });

  test("while it drains: the stream that runs ends, another one is told to go elsewhere", async () => {
    provider.next(async (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(event("a"));
      setTimeout(() => response.end(`${lastEvent}data: [DONE]\n\n`), 100);
    });
    const running = overHttp2(on, path, { body: streamed });
    await until("it runs", () => provider.openRequests === 1);
    const stopped = gateway.sidecar.stop();
    await new Promise((resolve) => on.once("goaway", resolve));
    await expect(overHttp2(on, path, { body })).rejects.toThrow(/GOAWAY|REFUSED|cancel|close/i);
    expect((await running).text).toMatch(/\[DONE\]\n\n$/);
    expect(await stopped).toEqual([]);
  });
});
