import { expect, test } from "vitest";
import { forwardedRequestHeaders, forwardedResponseHeaders } from "./headers.ts";

test("what belongs to the connection, to us or to the client's own account stays behind, in any spelling", () => {
  const raw = [
    "Host",
    "x",
    "AUTHORIZATION",
    "b",
    "Api-Key",
    "k",
    "X-Api-Key",
    "k",
    "X-Auth-Token",
    "k",
    "X-Access-Token",
    "k",
    "X-Goog-Api-Key",
    "k",
    "X-Sidegate-Route",
    "r",
    "X-Forwarded-For",
    "f",
    "Te",
    "t",
    "Cookie",
    "c",
    "Content-Length",
    "3",
    "X-Named",
    "n",
    "Content-Type",
    "application/json",
    "x-Stainless-Lang",
    "js",
    "OpenAI-Beta",
    "v2",
  ];
  expect(forwardedRequestHeaders(raw, "close, X-Named")).toEqual([
    "content-type",
    "application/json",
    "x-stainless-lang",
    "js",
    "openai-beta",
    "v2",
  ]);
});

test("the provider's framing, cookies and policies for browsers do not reach the client", () => {
  const raw = [
    "Content-Type",
    "a",
    "Content-Encoding",
    "gzip",
    "Set-Cookie",
    "s",
    "Transfer-Encoding",
    "chunked",
    "Strict-Transport-Security",
    "x",
    "X-Request-Id",
    "req_1",
    "x-sidegate-backend",
    "forged",
  ];
  expect(forwardedResponseHeaders(raw.map((text) => Buffer.from(text)))).toEqual([
    ["content-type", "a"],
    ["x-request-id", "req_1"],
  ]);
});
