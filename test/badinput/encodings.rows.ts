/** Compression and text encodings, of requests and of answers. */
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import type { Row } from "../fixtures/bad-input.ts";
import { chatAnswer } from "../fixtures/byte-provider.ts";

/** A request with a content-encoding. */
export interface RequestRow extends Row {
  readonly coding: string;
  readonly body: Buffer;
  readonly want: readonly [status: number, code: string] | 200;
}

/** An answer with a content-encoding. */
export interface AnswerRow extends Row {
  readonly coding: string | undefined;
  /** Written one packet each. */
  readonly parts: () => readonly Buffer[];
  /** Absent: application/json, or text/event-stream when streamed. */
  readonly type?: string;
  readonly streamed: boolean;
  /** What the client gets as 200 and whole; or the code of the error that it gets, as 502 or (streamed) in an error frame. */
  readonly want: { readonly gets: string } | { readonly code: string; readonly before?: string };
}

const sent = Buffer.from('{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"max_tokens":5}');
const refused = [415, "unsupported_content_encoding"] as const;
const json = chatAnswer("héllo ".repeat(50));
const frame = `data: {"choices":[{"index":0,"delta":{"content":"${"héllo ".repeat(20)}"}}]}\n\n`;
const stream = `${frame.repeat(20)}data: [DONE]\n\n`;
const mebibyte = 1024 * 1024;

/** Requests: none may be compressed, since nobody could look into them. */
export const requestRows: readonly RequestRow[] = [
  { name: "a request in gzip", coding: "gzip", body: gzipSync(sent), want: refused },
  { name: "a request in x-gzip", coding: "x-gzip", body: gzipSync(sent), want: refused },
  { name: "a request in br", coding: "br", body: brotliCompressSync(sent), want: refused },
  { name: "a request in zstd", coding: "zstd", body: zstdCompressSync(sent), want: refused },
  { name: "a request in deflate", coding: "deflate", body: deflateSync(sent), want: refused },
  { name: "a request in gzip, in capitals", coding: "GZIP", body: gzipSync(sent), want: refused },
  { name: "a request in gzip twice", coding: "gzip, gzip", body: gzipSync(gzipSync(sent)), want: refused },
  { name: "a request in identity, then gzip", coding: "identity, gzip", body: gzipSync(sent), want: refused },
  { name: "a request in a coding that nobody knows", coding: "rot13", body: sent, want: refused },
  { name: "a request that says gzip and is not", coding: "gzip", body: sent, want: refused },
  {
    name: "a request that unpacks to 32 MiB",
    coding: "gzip",
    body: gzipSync(Buffer.alloc(32 * mebibyte, 32)),
    want: refused,
  },
  { name: "a request in gzip that does not say so", coding: "", body: gzipSync(sent), want: [400, "invalid_json"] },
  { name: "a request in identity", coding: "identity", body: sent, want: 200 },
];

type Want = AnswerRow["want"];
const broken: Want = { code: "upstream_invalid_answer" };
const answers = (
  name: string,
  coding: string | undefined,
  pack: (body: Buffer) => readonly Buffer[],
  want: { whole?: Want; streamed?: Want } = {},
): AnswerRow[] => [
  {
    name: `an answer ${name}`,
    coding,
    parts: () => pack(Buffer.from(json)),
    streamed: false,
    want: want.whole ?? { gets: json },
  },
  {
    name: `a stream ${name}`,
    coding,
    parts: () => pack(Buffer.from(stream)),
    streamed: true,
    want: want.streamed ?? want.whole ?? { gets: stream },
  },
];
const bytes = (body: Buffer): Buffer[] => [...body].map((byte) => Buffer.of(byte));
const cut = (body: Buffer): Buffer[] => [body.subarray(0, Math.floor(body.length / 2))];
const noise = (body: Buffer): Buffer[] => {
  const copy = Buffer.from(body);
  copy.fill(0xa5, Math.floor(copy.length / 2), Math.floor(copy.length / 2) + 8);
  return [copy];
};
const bombJson = (): Buffer => Buffer.from(`{"x":"${" ".repeat(40 * mebibyte)}"}`);
const bombStream = (): Buffer => Buffer.from(`${": ping\n\n".repeat(5 * mebibyte)}data: [DONE]\n\n`);
const bombs = (name: string, coding: string, pack: (body: Buffer) => Buffer): AnswerRow[] => [
  {
    name: `a bomb in ${name}`,
    coding,
    parts: () => [pack(bombJson())],
    streamed: false,
    want: { code: "upstream_too_large" },
  },
  {
    name: `a bomb of a stream in ${name}`,
    coding,
    parts: () => [pack(bombStream())],
    streamed: true,
    want: { code: "upstream_too_large", before: ": ping\n\n" },
  },
];

/** Answers: identity is asked for, and whatever comes all the same is unpacked within a bound. */
export const answerRows: readonly AnswerRow[] = [
  ...answers("in gzip", "gzip", (body) => [gzipSync(body)]),
  ...answers("in gzip, byte by byte", "gzip", (body) => bytes(gzipSync(body))),
  ...answers("in gzip in two members", "gzip", (body) => [gzipSync(body.subarray(0, 99)), gzipSync(body.subarray(99))]),
  ...answers("in X-GZIP", "X-GZIP", (body) => [gzipSync(body)]),
  ...answers("in br", "br", (body) => bytes(brotliCompressSync(body))),
  ...answers("in zstd", "zstd", (body) => bytes(zstdCompressSync(body))),
  ...answers("in deflate", "deflate", (body) => [deflateSync(body)]),
  ...answers("in deflate without its envelope, which no standard allows", "deflate", (body) => [deflateRawSync(body)], {
    whole: broken,
  }),
  ...answers("in identity", "identity", (body) => [body]),
  ...answers("in gzip twice", "gzip, gzip", (body) => [gzipSync(gzipSync(body))], { whole: broken }),
  ...answers("in a coding that nobody knows", "rot13", (body) => [body], { whole: broken }),
  ...answers("that says gzip and is not", "gzip", (body) => [body], { whole: broken }),
  ...answers("that says br and is gzip", "br", (body) => [gzipSync(body)], { whole: broken }),
  ...answers("in gzip that is cut", "gzip", (body) => cut(gzipSync(body)), { whole: broken }),
  ...answers("in br that is cut", "br", (body) => cut(brotliCompressSync(body)), { whole: broken }),
  ...answers("in zstd that is cut", "zstd", (body) => cut(zstdCompressSync(body)), { whole: broken }),
  ...answers("in gzip with noise in it", "gzip", (body) => noise(gzipSync(body)), { whole: broken }),
  ...answers("in gzip of nothing", "gzip", () => [gzipSync("")], {
    whole: broken,
    streamed: { code: "upstream_truncated" },
  }),
  ...answers("in UTF-16", undefined, (body) => [Buffer.from(body.toString(), "utf16le")], {
    whole: broken,
    streamed: { code: "upstream_truncated" },
  }),
  ...bombs("gzip", "gzip", (body) => gzipSync(body)),
  ...bombs("br", "br", (body) => brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 3 } })),
  ...bombs("zstd", "zstd", (body) => zstdCompressSync(body)),
];
