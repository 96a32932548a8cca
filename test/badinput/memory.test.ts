// Huge input through a process with production's flags (a heap of 48 MiB): it survives, and what it takes is bounded.
import { request as httpRequest, type IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect } from "vitest";
import { badInputClass, type Row, wideQuotas } from "../fixtures/bad-input.ts";
import { type ByteProvider, pieces, type Script, startByteProvider, whole } from "../fixtures/byte-provider.ts";
import { chat, send, until } from "../fixtures/calls.ts";
import { openRoute } from "../fixtures/sidecar.ts";
import { type SidegateProcess, startSidegate } from "../fixtures/sidegate-process.ts";
import { jsonRows } from "./json.rows.ts";

/** One huge request, or one huge answer. */
interface HugeRow extends Row {
  /** Absent: /v1/chat/completions. */
  readonly path?: string;
  /** Absent: application/json. */
  readonly type?: string;
  /** A stream is sent without a length. */
  readonly body: () => Buffer | Readable;
  readonly script?: () => Script;
  readonly want: readonly [status: number, code?: string];
  /** It is an answer that is held as a whole, of up to 64 MiB. */
  readonly isHeld?: boolean;
}

const mebibyte = 1024 * 1024;
/** How much more than at rest may be resident at any time, in MiB: thrice the largest JSON body, and what the allocator keeps. */
const growthMebibytesMax = 96;
/** The same for an answer of 64 MiB that is held as a whole. */
const heldGrowthMebibytesMax = 160;
const form = "multipart/form-data; boundary=x";
const small = (stream: boolean): Buffer => Buffer.from(JSON.stringify(chat("hi", { stream, max_tokens: 5 })));
const filled = (count: number): Readable =>
  Readable.from(
    (function* () {
      const chunk = Buffer.alloc(mebibyte, 97);
      for (let i = 0; i < count; i++) yield chunk;
    })(),
  );

const bodies: readonly HugeRow[] = jsonRows
  .filter((row) => /,000,|00,000|MiB/.test(row.name))
  .map(({ name, body, want }) => ({
    name,
    body,
    want: want === "passes" ? [200] : want,
  }));

const uploads: readonly HugeRow[] = [
  {
    name: "a form of 33 MiB",
    path: "/v1/audio/transcriptions",
    type: form,
    body: () => Buffer.alloc(33 * mebibyte, 97),
    want: [413, "body_too_large"],
  },
  {
    name: "a form of 2 GiB of unknown length",
    path: "/v1/audio/transcriptions",
    type: form,
    body: () => filled(2048),
    want: [413, "body_too_large"],
  },
  {
    name: "a chat of 2 GiB of unknown length",
    body: () => filled(2048),
    want: [413, "json_too_large"],
  },
  {
    name: "an upload of 512 MiB, which passes through",
    path: "/v1/files",
    type: form,
    body: () => filled(512),
    want: [200],
  },
  {
    name: "an upload of 2 GiB, above its limit",
    path: "/v1/files",
    type: form,
    body: () => filled(2048),
    want: [413, "body_too_large"],
  },
];

const event = (size: number): string => `data: {"x":"${"a".repeat(size)}"}\n\n`;
const done = "data: [DONE]\n\n";
const packed = { "content-encoding": "gzip" };
const answers: readonly HugeRow[] = [
  {
    name: "an event of 7 MiB",
    body: () => small(true),
    script: () => pieces([event(7 * mebibyte), done]),
    want: [200],
  },
  {
    name: "an event of 64 MiB",
    body: () => small(true),
    script: () => pieces([event(64 * mebibyte), done]),
    want: [200, "upstream_too_large"],
  },
  {
    name: "an error of 80 MiB",
    body: () => small(false),
    script: () => whole("x".repeat(80 * mebibyte), {}, 500),
    want: [500, "upstream_error"],
  },
  {
    name: "an answer that unpacks to 256 MiB",
    body: () => small(false),
    script: () => whole(gzipSync(Buffer.alloc(256 * mebibyte, 32)), packed),
    want: [502, "upstream_too_large"],
  },
  {
    name: "a stream that unpacks to 256 MiB",
    body: () => small(true),
    script: () =>
      whole(gzipSync(": ping\n\n".repeat(32 * mebibyte)), { ...packed, "content-type": "text/event-stream" }),
    want: [200, "upstream_too_large"],
  },
  {
    name: "an answer in br that unpacks to 256 MiB",
    body: () => small(false),
    script: () =>
      whole(brotliCompressSync(Buffer.alloc(256 * mebibyte, 32), { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }), {
        "content-encoding": "br",
      }),
    want: [502, "upstream_too_large"],
  },
  {
    name: "an answer of 48 MiB",
    isHeld: true,
    body: () => small(false),
    script: () => whole(`{"x":"${"a".repeat(48 * mebibyte)}"}`),
    want: [200],
  },
  {
    name: "an answer of 80 MiB",
    isHeld: true,
    body: () => small(false),
    script: () => whole(`{"x":"${"a".repeat(80 * mebibyte)}"}`),
    want: [502, "upstream_too_large"],
  },
];

let provider: ByteProvider;
let sidegate: SidegateProcess;
let restingBytes = 0;
let highest = 0;
beforeAll(async () => {
  provider = await startByteProvider({ keepBodies: false });
  const yaml = openRoute(provider.url, { quotas: wideQuotas });
  // uploads may be larger than anything else
  const files = `- name: files
      matches: [{endpoints: [Files]}]
      request: {limits: {bodyBytes: 600Mi}}
      backendRefs: [{name: main}]
    - name: all`;
  sidegate = await startSidegate(
    yaml.replace("- name: all", files).replace("ChatCompletionsState, Files,", "ChatCompletionsState,"),
  );
  for (let i = 0; i < 100; i++) await send(`${sidegate.url}/v1/chat/completions`, { body: chat("good") });
  restingBytes = sidegate.rssBytes();
});
afterAll(async () => {
  const figures = `${Math.round(restingBytes / mebibyte)} MiB at rest, at most ${Math.round(highest)} MiB more`;
  process.stdout.write(`huge input: ${figures}\n`);
  await sidegate.stop();
  await provider.close();
});

/** Sends it; resolves with what came, even where the sidecar closes before it has read all. */
const exchange = ({
  path = "/v1/chat/completions",
  type = "application/json",
  body,
}: HugeRow): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(sidegate.url);
    const content = body();
    const length = Buffer.isBuffer(content) ? { "content-length": String(content.length) } : {};
    const request = httpRequest({
      host: hostname,
      port,
      path,
      method: "POST",
      agent: false,
      headers: { "content-type": type, ...length },
    });
    let isAnswered = false;
    request.once("response", (answer: IncomingMessage) => {
      isAnswered = true;
      if (!Buffer.isBuffer(content)) content.destroy();
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.once("end", () =>
        resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString("latin1") }),
      );
      answer.once("error", reject);
    });
    request.on("error", (fault) => {
      if (!isAnswered) reject(fault);
    });
    if (Buffer.isBuffer(content)) request.end(content);
    else content.pipe(request);
  });

badInputClass("huge input", [...bodies, ...uploads, ...answers], async (row) => {
  if (row.script) provider.next(row.script());
  sidegate.resetPeak();
  const { status, text } = await exchange(row);
  const growth = (sidegate.peakBytes() - restingBytes) / mebibyte;
  const [wanted, code] = row.want;
  expect(status, text.slice(0, 300)).toBe(wanted);
  if (code !== undefined) expect(text.slice(-1_000)).toContain(`"code":"${code}"`);
  else expect(text.slice(-1_000)).not.toContain('"error"');
  expect(growth).toBeLessThan(row.isHeld ? heldGrowthMebibytesMax : growthMebibytesMax);
  const good = await send(`${sidegate.url}/v1/chat/completions`, { body: chat("good") });
  expect(good.status).toBe(200);
  await until("nothing is left", async () => {
    const { requests, holds } = await sidegate.status();
    return requests.running === 0 && holds.live === 0 && provider.openRequests === 0;
  });
  highest = Math.max(highest, row.isHeld ? 0 : growth);
});
