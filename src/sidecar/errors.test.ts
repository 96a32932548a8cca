import { describe, expect, test } from "vitest";
import { type ErrorCode, errorBody, errorCatalogue, errorHeaders, GatewayError } from "./errors.ts";

const codes = Object.keys(errorCatalogue) as ErrorCode[];

describe("the error catalogue", () => {
  test.each(codes)("%s has a provider-shaped body and decides retry", (code) => {
    const error = new GatewayError(code, ["a", "b", "c"]);
    const body = JSON.parse(errorBody(error));
    expect(Object.keys(body.error)).toEqual(["message", "type", "param", "code"]);
    expect(body.error.message).not.toMatch(/undefined/);
    expect(body.error.message).toMatch(/[.:)]$|[a-z]$/);
    expect(Object.fromEntries(errorHeaders(error))["x-should-retry"]).toMatch(/^(true|false)$/);
    expect(error.status).toBeGreaterThanOrEqual(400);
  });

  test.each([
    [1, { "retry-after": "1", "retry-after-ms": "1", "x-should-retry": "true" }],
    [0, { "retry-after": "1", "retry-after-ms": "1", "x-should-retry": "true" }],
    [1500, { "retry-after": "2", "retry-after-ms": "1500", "x-should-retry": "true" }],
    [60_000, { "retry-after": "60", "retry-after-ms": "60000", "x-should-retry": "true" }],
    [60_001, { "retry-after": "61", "x-should-retry": "false" }],
  ])("a wait of %d ms becomes headers that both SDKs obey", (retryAfterMs, headers) => {
    expect(Object.fromEntries(errorHeaders(new GatewayError("rate_limit_exceeded", ["x"], { retryAfterMs })))).toEqual(
      headers,
    );
  });

  test("the cause stays out of the body", () => {
    const error = new GatewayError("internal_error", [], { cause: new Error("canary") });
    expect(errorBody(error)).not.toContain("canary");
  });
});
