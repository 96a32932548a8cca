/** HTTP/1.1 framing as hostile and broken clients write it: payload classes of the HTTP Garden and of RFC 9112. */
import type { Row } from "../fixtures/bad-input.ts";

/** One connection. */
export interface FramingRow extends Row {
  /** Written one packet each. */
  readonly pieces: readonly string[];
  /** What each request on it is answered with: an error of ours, or the provider's 200. */
  readonly want: readonly (200 | readonly [status: number, code: string])[];
}

const body = '{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}';
const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
const line = "POST /v1/chat/completions HTTP/1.1";
const type = "Content-Type: application/json";
const lines = (...head: readonly string[]): string => [...head, "", ""].join("\r\n");
/** A request line and its head, then the right body with its right length. */
const sized = (first: string, ...head: readonly string[]): string =>
  lines(first, "Host: gateway", type, ...head, `Content-Length: ${body.length}`) + body;
/** The same, the caller says how long it is. */
const unsized = (content: string, ...head: readonly string[]): string =>
  lines(line, "Host: gateway", type, ...head) + content;
const models = lines("GET /v1/models HTTP/1.1", "Host: gateway");
const length = `Content-Length: ${body.length}`;

const broken = [400, "malformed_http"] as const;
const badHeader = [400, "invalid_header"] as const;
const badUrl = [400, "invalid_url"] as const;
const tooLarge = [431, "headers_too_large"] as const;
const one = (name: string, piece: string, want: FramingRow["want"][number]): FramingRow => ({
  name,
  pieces: [piece],
  want: [want],
});

const requestLines: readonly FramingRow[] = [
  one("a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", broken),
  one("no HTTP at all", "hello\r\n\r\n", broken),
  one("HTTP/0.9", "GET /v1/models\r\n\r\n", broken),
  one("HTTP/2 with prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", broken),
  one("HTTP/2 in the dress of HTTP/1", lines("GET /v1/models HTTP/2.0", "Host: g"), broken),
  one("a version of two digits", lines("GET /v1/models HTTP/1.10", "Host: g"), broken),
  one("a version that does not exist", lines("GET /v1/models HTTP/3.7", "Host: g"), broken),
  one("a version in lower case", lines("GET /v1/models http/1.1", "Host: g"), broken),
  one("a method in lower case", sized("post /v1/chat/completions HTTP/1.1"), broken),
  one("a method that nobody knows", sized("CHAT /v1/chat/completions HTTP/1.1"), broken),
  one("a method of 10,000 letters", lines(`${"P".repeat(10_000)} / HTTP/1.1`, "Host: g"), broken),
  one("two blanks before the path, which mean nothing else", lines("GET  /v1/models HTTP/1.1", "Host: g"), 200),
  one("a tab before the path", lines("GET\t/v1/models HTTP/1.1", "Host: g"), broken),
  one("no path", lines("GET HTTP/1.1", "Host: g"), broken),
  one("a blank after the version", lines("GET /v1/models HTTP/1.1 ", "Host: g"), broken),
  one("a NUL in the path", lines("GET /v1/mod\0els HTTP/1.1", "Host: g"), broken),
  one("a path in absolute form", sized("POST http://127.0.0.1/v1/chat/completions HTTP/1.1"), badUrl),
  one("a path in asterisk form", lines("OPTIONS * HTTP/1.1", "Host: g"), badUrl),
  one("a CONNECT, which makes a tunnel", lines("CONNECT 127.0.0.1:22 HTTP/1.1", "Host: 127.0.0.1:22"), [
    405,
    "method_not_allowed",
  ]),
  one("an empty line before the request", `\r\n${models}`, 200),
  one("a path of 70 KiB", lines(`GET /v1/${"m".repeat(70 * 1024)} HTTP/1.1`, "Host: g"), tooLarge),
];

const heads: readonly FramingRow[] = [
  one("no Host", lines("GET /v1/models HTTP/1.1"), broken),
  one("no Host in HTTP/1.0, which needs none", lines("GET /v1/models HTTP/1.0"), 200),
  one("an empty Host", lines("GET /v1/models HTTP/1.1", "Host:"), 200),
  one("two Hosts", lines("GET /v1/models HTTP/1.1", "Host: a", "Host: b"), badHeader),
  one("the same Host twice", lines("GET /v1/models HTTP/1.1", "Host: a", "Host: a"), badHeader),
  one("two Hosts in different case", lines("GET /v1/models HTTP/1.1", "Host: a", "hOST: b"), badHeader),
  one("a folded header", lines("GET /v1/models HTTP/1.1", "Host: g", "X-A: one", " two"), broken),
  one("a header that is folded first", lines("GET /v1/models HTTP/1.1", " X-A: one", "Host: g"), broken),
  one("a blank before the colon", lines("GET /v1/models HTTP/1.1", "Host : g"), broken),
  one("a header without a colon", lines("GET /v1/models HTTP/1.1", "Host: g", "nothing"), broken),
  one("a header without a name", lines("GET /v1/models HTTP/1.1", "Host: g", ": x"), broken),
  one("a NUL in a header's value", lines("GET /v1/models HTTP/1.1", "Host: g", "X-A: a\0b"), broken),
  one("a NUL in a header's name", lines("GET /v1/models HTTP/1.1", "Host: g", "X-\0A: b"), broken),
  one("a bare CR in a header's value", lines("GET /v1/models HTTP/1.1", "Host: g", "X-A: a\rX-B: b"), broken),
  one("bare line feeds", "GET /v1/models HTTP/1.1\nHost: g\n\n", broken),
  one("headers of 70 KiB", lines("GET /v1/models HTTP/1.1", "Host: g", `X-A: ${"a".repeat(70 * 1024)}`), tooLarge),
  one(
    "201 headers",
    lines("GET /v1/models HTTP/1.1", "Host: g", ...Array.from({ length: 200 }, (_, i) => `X-A${i}: a`)),
    tooLarge,
  ),
  one(
    "3,000 headers",
    lines("GET /v1/models HTTP/1.1", "Host: g", ...Array.from({ length: 3_000 }, (_, i) => `X-A${i}: a`)),
    tooLarge,
  ),
  one("an expectation that nobody can meet", sized(line, "Expect: 200-always"), [417, "invalid_header"]),
  one(
    "an offer to speak WebSocket, which is not taken",
    `${models.slice(0, -2)}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    200,
  ),
];

const bodies: readonly FramingRow[] = [
  one("Content-Length, then chunked", unsized(chunked, length, "Transfer-Encoding: chunked"), broken),
  one("chunked, then Content-Length", unsized(chunked, "Transfer-Encoding: chunked", length), broken),
  one("two different Content-Lengths", unsized(body, length, "Content-Length: 5"), broken),
  one("the same Content-Length twice", unsized(body, length, length), broken),
  one("a list of lengths", unsized(body, `${length}, ${body.length}`), broken),
  ...["+62", "-1", "0x3e", "6 2", "62.0", "1e2", "", "99999999999999999999", "\xef\xbc\x95", "62;"].map((bad) =>
    one(`Content-Length: ${JSON.stringify(bad)}`, unsized(body, `Content-Length: ${bad}`), broken),
  ),
  one("gzip, then chunked", unsized(chunked, "Transfer-Encoding: gzip, chunked"), badHeader),
  one("chunked, then gzip", unsized(chunked, "Transfer-Encoding: chunked, gzip"), broken),
  one("chunked twice", unsized(chunked, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), broken),
  one("transfer-encoding identity", unsized(body, "Transfer-Encoding: identity"), broken),
  one("transfer-encoding xchunked", unsized(chunked, "Transfer-Encoding: xchunked"), broken),
  one("transfer-encoding with a vertical tab", unsized(chunked, "Transfer-Encoding: \x0bchunked"), broken),
  one("transfer-encoding with a blank before its colon", unsized(chunked, "Transfer-Encoding : chunked"), broken),
  one("an empty transfer-encoding", unsized(body, "Transfer-Encoding:", length), broken),
  one("chunked in HTTP/1.0", unsized(chunked, "Transfer-Encoding: chunked").replace("HTTP/1.1", "HTTP/1.0"), broken),
  one("a chunk size that is no number", unsized("xyz\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"), broken),
  one("a negative chunk size", unsized("-2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"), broken),
  one("a chunk size of 2^64", unsized("10000000000000000\r\n{}\r\n", "Transfer-Encoding: chunked"), broken),
  one("a chunk size with 0x", unsized("0x2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"), broken),
  one("a chunk without its line end", unsized("2\r\n{}0\r\n\r\n", "Transfer-Encoding: chunked"), broken),
  one("a chunk that ends in a bare line feed", unsized("2\n{}\n0\n\n", "Transfer-Encoding: chunked"), broken),
  one(
    "a chunk extension of 64 KiB",
    unsized(`2;a=${"x".repeat(65_536)}\r\n{}\r\n0\r\n\r\n`, "Transfer-Encoding: chunked"),
    broken,
  ),
  one(
    "a chunk extension and a trailer, which are no news",
    unsized(chunked.replace("\r\n", ";a=b\r\n").replace(/\r\n$/, "X-Trailer: a\r\n\r\n"), "Transfer-Encoding: chunked"),
    200,
  ),
  one("no length at all", unsized(""), [400, "invalid_json"]),
  one("a GET with a body", unsized("{}", "Content-Length: 2").replace(line, "GET /v1/models HTTP/1.1"), broken),
];

const connections: readonly FramingRow[] = [
  { name: "two requests in one packet", pieces: [models + sized(line)], want: [200, 200] },
  { name: "a good request, then none", pieces: [sized(line), "rubbish\r\n\r\n"], want: [200, broken] },
  {
    name: "a length too short: the rest is no request",
    pieces: [unsized(body, "Content-Length: 10")],
    want: [[400, "invalid_json"], broken],
  },
  {
    name: "a request hidden behind a body of length 0",
    pieces: [unsized(sized(line), "Content-Length: 0")],
    want: [[400, "invalid_json"], 200],
  },
  { name: "100-continue", pieces: [sized(line, "Expect: 100-continue")], want: [200] },
  {
    name: "one byte in each packet",
    pieces: [...sized(line)],
    want: [200],
  },
];

/** All of them. */
export const framingRows: readonly FramingRow[] = [...requestLines, ...heads, ...bodies, ...connections];
