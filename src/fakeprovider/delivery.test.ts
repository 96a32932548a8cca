import { connect } from "node:net";
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { FakeProvider } from "./provider.ts";
import { startFakeProvider } from "./provider.ts";

let provider: FakeProvider;
beforeAll(async () => {
  provider = await startFakeProvider();
});
afterAll(() => provider.close());
beforeEach(() => provider.reset());

interface Heard {
  readonly bytes: Buffer;
  /** Pieces as the socket brought them. */
  readonly pieces: number;
  readonly end: "fin" | "reset" | "quiet";
}

/** Sends one chat request over a plain socket and hears all that comes, for at most `quietMs` of silence. */
const ask = (fake: string, options: { stream?: boolean; quietMs?: number; path?: string } = {}): Promise<Heard> =>
  new Promise((resolve) => {
    const messages = [{ role: "user", content: "hi" }];
    const body = JSON.stringify({ model: "gpt-4o", messages, user: `fake:${fake}`, stream: options.stream ?? true });
    const socket = connect(provider.port, "127.0.0.1");
    const chunks: Buffer[] = [];
    const done = (end: Heard["end"]) => {
      socket.destroy();
      resolve({ bytes: Buffer.concat(chunks), pieces: chunks.length, end });
    };
    if (options.quietMs !== undefined) socket.setTimeout(options.quietMs, () => done("quiet"));
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("end", () => done("fin"));
    socket.on("error", () => done("reset"));
    const path = options.path ?? "/v1/chat/completions";
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\nconnection: close\r\n` +
        `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  });

const headOf = ({ bytes }: Heard): string => bytes.toString("latin1", 0, bytes.indexOf("\r\n\r\n"));

/** The body without its chunk frames; what is cut stays cut. */
const bodyOf = ({ bytes }: Heard): Buffer => {
  const head = bytes.indexOf("\r\n\r\n");
  let rest = bytes.subarray(head + 4);
  if (!/transfer-encoding: chunked/i.test(bytes.toString("latin1", 0, head))) return rest;
  const parts: Buffer[] = [];
  while (rest.length > 0) {
    const line = rest.indexOf("\r\n");
    const size = Number.parseInt(rest.toString("latin1", 0, line), 16);
    if (!(size > 0)) break;
    parts.push(rest.subarray(line + 2, line + 2 + size));
    rest = rest.subarray(line + 2 + size + 2);
  }
  return Buffer.concat(parts);
};

const eventCount = (heard: Heard): number => bodyOf(heard).toString().split("data: {").length - 1;

describe("broken ends of a stream", () => {
  test.each([0, 1, 2, 5, 10])("reset=%i resets the connection after that many events", async (k) => {
    const heard = await ask(`reset=${k}`);
    expect(heard.end).toBe("reset");
    expect(heard.bytes.length === 0).toBe(k === 0);
    expect(eventCount(heard)).toBe(k);
  });

  test("fin=2 ends the connection inside a chunk", async () => {
    const heard = await ask("fin=2");
    expect(heard.end).toBe("fin");
    expect(heard.bytes.toString().split("chat.completion.chunk")).toHaveLength(3);
    expect(heard.bytes.toString()).toMatch(/ffff\r\ndata: \{"id":"cut$/);
  });

  test("eof=2 ends in good order without [DONE]", async () => {
    const heard = await ask("eof=2");
    expect(heard.bytes.toString().endsWith("0\r\n\r\n")).toBe(true);
    expect([eventCount(heard), heard.bytes.includes("[DONE]")]).toEqual([2, false]);
  });

  test("error=2 reports an error, then ends without [DONE]", async () => {
    const body = bodyOf(await ask("error=2")).toString();
    expect(body.trimEnd().split("\n\n").at(-1)).toMatch(/^data: \{"error":\{"message":/);
    expect(body).not.toContain("[DONE]");
  });

  test.each([
    { fake: "hang=headers", events: 0, hasHead: false },
    { fake: "hang=body", events: 0, hasHead: true },
    { fake: "hang=mid;k=3", events: 3, hasHead: true },
  ])("$fake is silent from there on", async ({ fake, events, hasHead }) => {
    const heard = await ask(fake, { quietMs: 80 });
    expect(heard.end).toBe("quiet");
    expect(eventCount(heard)).toBe(events);
    expect(heard.bytes.length > 0).toBe(hasHead);
  });
});

describe("the look of a stream", () => {
  test.each([
    { fake: "crlf=1", want: /^data: \{[^\n]+\}\r\n\r\ndata: / },
    { fake: "cr=1", want: /^data: \{[^\n]+\}\r\rdata: / },
    { fake: "nospace=1", want: /^data:\{/ },
    { fake: "comment=1", want: /^: ping\n\ndata: / },
    { fake: "ids=1", want: /^id: 0\nretry: 3000\ndata: / },
    { fake: "multidata=1", want: /^data: \{\ndata: {2}"id": / },
    { fake: "emptydata=1", want: /\n\ndata:\n\ndata: / },
    { fake: "bom=1", want: /^\u{feff}data: /u },
    { fake: "noblank=1", want: /data: \[DONE\]\n$/ },
    { fake: "badjson=1", want: /^data: \{.+\}\n\ndata: \{[^}]+\n\n/ },
    { fake: "nul=1", want: /\0/ },
    { fake: "badutf8=1", want: /\u{fffd}/u },
    { fake: "split=byte", want: /data: \[DONE\]\n\n$/ },
    { fake: "split=7;crlf=1", want: /data: \[DONE\]\r\n\r\n$/ },
  ])("$fake", async ({ fake, want }) => {
    expect(bodyOf(await ask(fake)).toString()).toMatch(want);
  });

  test("split=byte arrives in many packets", async () => {
    expect((await ask("split=byte;chunks=1;answer=x")).pieces).toBeGreaterThan(100);
  });
});

describe("compression that nobody asked for", () => {
  test.each([
    { encoding: "gzip", decode: gunzipSync },
    { encoding: "deflate", decode: inflateSync },
    { encoding: "br", decode: brotliDecompressSync },
    { encoding: "zstd", decode: zstdDecompressSync },
    { encoding: "gzip,br", decode: (bytes: Buffer) => gunzipSync(brotliDecompressSync(bytes)) },
  ])("$encoding decodes to the plain stream and to a plain answer", async ({ encoding, decode }) => {
    const streamed = await ask(`encoding=${encoding}`);
    expect(headOf(streamed)).toContain(`content-encoding: ${encoding.replace(",", ", ")}`);
    expect(decode(bodyOf(streamed)).toString()).toMatch(/data: \[DONE\]\n\n$/);
    const plain = await ask(`encoding=${encoding};big=300000`, { stream: false });
    expect(decode(bodyOf(plain)).length).toBeGreaterThan(300_000);
  });

  test("every compressed event can be decoded when it arrives", async () => {
    const heard = await ask("encoding=gzip;hang=mid;k=3", { quietMs: 80 });
    const text = gunzipSync(bodyOf(heard), { finishFlush: 2 /* Z_SYNC_FLUSH: the end is missing */ }).toString();
    expect(text.split("data: {")).toHaveLength(4);
  });

  test("encoding=wrong lies", async () => {
    const heard = await ask("encoding=wrong", { stream: false });
    expect(headOf(heard)).toContain("content-encoding: gzip");
    expect(JSON.parse(bodyOf(heard).toString())).toHaveProperty("choices");
  });
});

describe("plain answers", () => {
  test.each([
    { fake: "body=html", type: "text/html", body: /^<html>/ },
    { fake: "body=empty", type: "application/json", body: /^$/ },
    { fake: "body=junk;status=503", type: "application/json", body: /^upstream connect error/ },
    { fake: "body=truncated", type: "application/json", body: /^\{"id".+[^}]$/ },
    { fake: "raw=%7B%7D;type=text/odd", type: "text/odd", body: /^\{\}$/ },
    { fake: "usage=twice", type: "application/json", body: /"usage":.+"usage":/ },
    { fake: "usage=negative", type: "application/json", body: /"total_tokens":-/ },
    { fake: "usage=huge", type: "application/json", body: /"prompt_tokens":9000000000000/ },
    { fake: "badutf8=1", type: "application/json", body: /\u{fffd}/u },
    { fake: "split=3", type: "application/json", body: /^\{"id".+\}$/ },
  ])("$fake", async ({ fake, type, body }) => {
    const heard = await ask(fake, { stream: false });
    expect(headOf(heard)).toContain(`content-type: ${type}`);
    expect(bodyOf(heard).toString()).toMatch(body);
  });

  test.each([
    { fake: "redirect=http://127.0.0.2/x", want: ["HTTP/1.1 307", "location: http://127.0.0.2/x"] },
    {
      fake: "status=429;retry-after=soon;retry-after-ms=5;should-retry=true",
      want: ["429", "retry-after: soon", "retry-after-ms: 5", "x-should-retry: true"],
    },
    { fake: "header=X-Odd: yes;header-bytes=5000", want: ["x-odd: yes", "x-fake-filler-1: fffff"] },
  ])("$fake shows in the headers", async ({ fake, want }) => {
    const head = headOf(await ask(fake, { stream: false }));
    for (const part of want) expect(head).toContain(part);
  });

  test("length=9 promises more than it sends", async () => {
    const heard = await ask("length=9;raw=abc", { stream: false });
    expect(headOf(heard)).toContain("content-length: 12");
    expect(bodyOf(heard).toString()).toBe("abc");
  });

  test.each(["reset=4", "fin=4"])("%s breaks a plain answer off in the middle", async (fake) => {
    const heard = await ask(fake, { stream: false });
    expect(heard.bytes.includes('{"id"')).toBe(true);
    expect(heard.bytes.includes("system_fingerprint")).toBe(false);
  });
});

describe("time", () => {
  test.each([
    { fake: "delay=60", leastMs: 55 },
    { fake: "first=60", leastMs: 55 },
    { fake: "every=10", leastMs: 80 },
    { fake: "slow=20000;answer=x", leastMs: 30 },
  ])("$fake takes its time", async ({ fake, leastMs }) => {
    const startedMs = performance.now();
    expect((await ask(fake)).bytes.includes("[DONE]")).toBe(true);
    expect(performance.now() - startedMs).toBeGreaterThan(leastMs);
  });
});
