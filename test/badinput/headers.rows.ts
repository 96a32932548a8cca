/** Headers that mean one thing here and another there, that would smuggle, or that are simply junk. */
import type { Row } from "../fixtures/bad-input.ts";

/** One set of header lines besides Host, Content-Type and Content-Length. */
export interface HeaderRow extends Row {
  readonly head: readonly string[];
  /** An error of ours; or what the provider sees of some fields ("" for: not there). */
  readonly want: readonly [status: number, code: string] | Readonly<Record<string, string>>;
  /** Absent: application/json. */
  readonly type?: string;
}

const ourKey = "Bearer sk-main-key";
const badHeader = [400, "invalid_header"] as const;
const broken = [400, "malformed_http"] as const;
const tooLarge = [431, "headers_too_large"] as const;
const row = (name: string, head: readonly string[], want: HeaderRow["want"], type?: string): HeaderRow => ({
  name,
  head,
  want,
  type,
});

/** All of them. */
export const headerRows: readonly HeaderRow[] = [
  // credentials and claims
  row("the client's key", ["Authorization: Bearer mine"], { authorization: ourKey }),
  row("two keys", ["Authorization: Bearer one", "Authorization: Bearer two"], { authorization: ourKey }),
  row("Azure's key", ["api-key: mine"], { authorization: ourKey, "api-key": "" }),
  row("another organisation", ["OpenAI-Organization: o", "OpenAI-Project: p"], {
    "openai-organization": "",
    "openai-project": "",
  }),
  row("a cookie", ["Cookie: session=1"], { cookie: "" }),
  row("proxy credentials", ["Proxy-Authorization: Basic eDp5"], { "proxy-authorization": "" }),
  row("headers of ours", ["X-Sidegate-Route: other", "x-SIDEGATE-policy: none"], {
    "x-sidegate-route": "",
    "x-sidegate-policy": "",
  }),
  row("who forwarded it", ["X-Forwarded-For: 1.2.3.4", "Forwarded: for=1.2.3.4", "X-Real-IP: 1.2.3.4", "Via: 1.1 x"], {
    "x-forwarded-for": "",
    forwarded: "",
    "x-real-ip": "",
    via: "",
  }),
  // another method or path than the one that was judged
  row("another method", ["X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE"], {
    "x-http-method-override": "",
    "x-http-method": "",
    "x-method-override": "",
  }),
  row("another path", ["X-Original-URL: /v1/files", "X-Rewrite-URL: /v1/files"], {
    "x-original-url": "",
    "x-rewrite-url": "",
  }),
  // what belongs to one connection
  row("hop-by-hop fields", ["Keep-Alive: timeout=5", "Proxy-Connection: close", "TE: trailers", "Trailer: X-A"], {
    "keep-alive": "",
    "proxy-connection": "",
    te: "",
    trailer: "",
  }),
  row("a field that Connection names", ["Connection: keep-alive, X-Hop", "X-Hop: 1", "X-End: 2"], {
    "x-hop": "",
    "x-end": "2",
  }),
  row("Connection names the content type", ["Connection: Content-Type"], { "content-type": "application/json" }),
  row("Connection names the length", ["Connection: Content-Length"], { "content-length": "62" }),
  row("Connection names the key", ["Connection: Authorization", "Authorization: Bearer mine"], {
    authorization: ourKey,
  }),
  row("Connection names the Host", ["Connection: Host"], { "content-type": "application/json" }),
  row("Connection in two lines", ["Connection: X-One", "Connection: X-Two", "X-One: 1", "X-Two: 2"], {
    "x-one": "",
    "x-two": "",
  }),
  row("Connection with 1,000 names", [`Connection: ${"x-a,".repeat(1_000)}x-last`, "X-Last: 1"], { "x-last": "" }),
  row("an upgrade", ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"], {
    upgrade: "",
    "http2-settings": "",
  }),
  row("a wish for compression", ["Accept-Encoding: gzip, br"], { "accept-encoding": "identity" }),
  // content types
  row("no content type", [], { "content-type": "application/json" }, ""),
  row("an empty content type", [], [415, "unsupported_media_type"], " "),
  row("text/plain", [], [415, "unsupported_media_type"], "text/plain"),
  row("a form", [], [415, "unsupported_media_type"], "application/x-www-form-urlencoded"),
  row("a type that only begins like JSON", [], [415, "unsupported_media_type"], "application/json5"),
  row("JSON in a list of types", [], [415, "unsupported_media_type"], "text/plain, application/json"),
  row("JSON with a suffix", [], { "content-type": "application/vnd.api+json" }, "application/vnd.api+json"),
  row("JSON in capitals", [], { "content-type": "APPLICATION/JSON" }, "APPLICATION/JSON"),
  row("JSON in UTF-8", [], { "content-type": "application/json; charset=UTF-8" }, "application/json; charset=UTF-8"),
  row("JSON in UTF-7, which reads other keys", [], [415, "unsupported_media_type"], "application/json; charset=utf-7"),
  row("JSON in UTF-16", [], [415, "unsupported_media_type"], 'application/json;charset="utf-16"'),
  row("two content types", ["Content-Type: text/plain"], badHeader),
  // characters
  row("a name that is no token", ["X(A): 1"], broken),
  row("a name with a blank", ["X A: 1"], broken),
  row("a name that is no ASCII", ["X-\xe4: 1"], broken),
  row("a value that is no ASCII", ["X-A: gr\xfc\xdf"], { "x-a": "gr\xfc\xdf" }),
  row("a DEL in a value", ["X-A: a\x7fb"], broken),
  row("a pseudo-header", [":path: /v1/files"], broken),
  row("junk from an SDK", ["X-Stainless-Retry-Count: NaN", `X-Stainless-Lang: ${"js".repeat(500)}`], {
    "x-stainless-retry-count": "NaN",
  }),
  row("a request id that is none", ["X-Correlation-Id: ../../x", "X-Request-Id: a b"], { "x-request-id": "a b" }),
  row("a value of 64 KiB", [`X-A: ${"a".repeat(65_536)}`], tooLarge),
  row("a name of 64 KiB", [`${"a".repeat(65_536)}: 1`], tooLarge),
  row("a value of 40 KiB", [`X-A: ${"a".repeat(40_960)}`], { "x-a": "a".repeat(40_960) }),
];
