import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { FakeProvider } from "./provider.ts";
import { startFakeProvider } from "./provider.ts";

let provider: FakeProvider;
let openai: OpenAI;

beforeAll(async () => {
  provider = await startFakeProvider();
  openai = new OpenAI({ apiKey: "sk-test", baseURL: `${provider.url}/v1`, maxRetries: 0 });
});
afterAll(() => provider.close());
beforeEach(() => provider.reset());

const hello = { model: "gpt-4o", messages: [{ role: "user" as const, content: "Say hello" }] };

const bodies: readonly { name: string; body: unknown; status: number; error: object }[] = [
  {
    name: "no model",
    body: { messages: [] },
    status: 400,
    error: { message: "you must provide a model parameter", code: null },
  },
  {
    name: "no messages",
    body: { model: "m" },
    status: 400,
    error: { param: "messages", code: "missing_required_parameter" },
  },
  {
    name: "messages as text",
    body: { model: "m", messages: "x" },
    status: 400,
    error: { param: "messages", code: "invalid_type" },
  },
  { name: "no message in the list", body: { model: "m", messages: [] }, status: 400, error: { code: "empty_array" } },
  {
    name: "an unknown role",
    body: { model: "m", messages: [{ role: "x", content: "" }] },
    status: 400,
    error: { param: "messages[0].role" },
  },
  {
    name: "an unknown part",
    body: { model: "m", messages: [{ role: "user", content: [{ type: "x" }] }] },
    status: 400,
    error: { param: "messages[0].content[0].type" },
  },
  {
    name: "a tool message out of place",
    body: { model: "m", messages: [{ role: "tool", content: "x" }] },
    status: 400,
    error: { param: "messages.[0].role" },
  },
  {
    name: "an unknown field",
    body: { ...hello, wat: 1 },
    status: 400,
    error: { param: "wat", code: "unknown_parameter" },
  },
  {
    name: "a field of the wrong type",
    body: { ...hello, n: "2" },
    status: 400,
    error: { param: "n", code: "invalid_type" },
  },
  {
    name: "too much heat",
    body: { ...hello, temperature: 3 },
    status: 400,
    error: { code: "decimal_above_max_value" },
  },
  { name: "no choice", body: { ...hello, n: 0 }, status: 400, error: { code: "integer_below_min_value" } },
  {
    name: "stream options without a stream",
    body: { ...hello, stream_options: {} },
    status: 400,
    error: { param: "stream_options" },
  },
  {
    name: "an old limit on a reasoning model",
    body: { ...hello, model: "o3-mini", max_tokens: 5 },
    status: 400,
    error: { code: "unsupported_parameter" },
  },
  {
    name: "a missing model",
    body: { ...hello, model: "gpt-missing" },
    status: 404,
    error: { code: "model_not_found" },
  },
  { name: "a list as body", body: [], status: 400, error: { type: "invalid_request_error" } },
];
test.each(bodies)("$name is refused in the provider's words", async ({ body, status, error }) => {
  const headers = { authorization: "Bearer k", "content-type": "application/json" };
  const answer = await fetch(`${provider.url}/v1/chat/completions`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(status);
  const said = ((await answer.json()) as { error: object }).error; // a test reads what it expects
  expect(said).toMatchObject(error);
  expect(Object.keys(said)).toEqual(["message", "type", "param", "code"]);
});

test.each([
  { status: 400, kind: OpenAI.BadRequestError },
  { status: 401, kind: OpenAI.AuthenticationError },
  { status: 403, kind: OpenAI.PermissionDeniedError },
  { status: 404, kind: OpenAI.NotFoundError },
  { status: 409, kind: OpenAI.ConflictError },
  { status: 422, kind: OpenAI.UnprocessableEntityError },
  { status: 429, kind: OpenAI.RateLimitError },
  { status: 500, kind: OpenAI.InternalServerError },
  { status: 502, kind: OpenAI.InternalServerError },
  { status: 503, kind: OpenAI.InternalServerError },
  { status: 504, kind: OpenAI.InternalServerError },
  { status: 529, kind: OpenAI.InternalServerError },
])("status=$status raises the SDK's class for it", async ({ status, kind }) => {
  const asked = openai.chat.completions.create({ ...hello, user: `fake:status=${status}` });
  await expect(asked).rejects.toBeInstanceOf(kind);
});

test.each([
  { code: "insufficient_quota", status: 429, type: "insufficient_quota" },
  { code: "credit_balance_exhausted", status: 429, type: "insufficient_quota" },
  { code: "rate_limit_exceeded", status: 429, type: "tokens" },
  { code: "context_length_exceeded", status: 400, type: "invalid_request_error" },
  { code: "slow_down", status: 503, type: "server_error" },
])("code=$code alone brings its status and type", async ({ code, status, type }) => {
  const asked = openai.chat.completions.create({ ...hello, user: `fake:code=${code}` });
  await expect(asked).rejects.toMatchObject({ status, type, code });
});

test("times=2 fails twice and then answers, so the SDK's retries succeed", async () => {
  const patient = openai.withOptions({ maxRetries: 2 });
  const user = "fake:status=503;times=2;retry-after-ms=1;id=retries";
  const answer = await patient.chat.completions.create({ ...hello, user });
  expect(answer.choices).toHaveLength(1);
  expect(provider.requests.map(({ status }) => status)).toEqual([503, 503, 200]);
});

test("should-retry=false stops the SDK's retries", async () => {
  const patient = openai.withOptions({ maxRetries: 2 });
  const user = "fake:status=429;should-retry=false;retry-after=130";
  await expect(patient.chat.completions.create({ ...hello, user })).rejects.toBeInstanceOf(OpenAI.RateLimitError);
  expect(provider.requests).toHaveLength(1);
});

test("a wrong key, no key, an unknown path and a wrong method have the provider's bodies", async () => {
  const bad = new OpenAI({ apiKey: "bad-key", baseURL: `${provider.url}/v1`, maxRetries: 0 });
  await expect(bad.models.list()).rejects.toMatchObject({ status: 401, code: "invalid_api_key" });
  const keyless = await fetch(`${provider.url}/v1/models`);
  expect(await keyless.json()).toMatchObject({ error: { code: null, type: "invalid_request_error" } });
  const headers = { authorization: "Bearer k" };
  const unknown = await fetch(`${provider.url}/v1/nope?x=1`, { method: "POST", headers });
  expect(unknown.status).toBe(404);
  expect(await unknown.json()).toEqual({
    error: { message: "Invalid URL (POST /v1/nope)", type: "invalid_request_error", param: null, code: null },
  });
  expect((await fetch(`${provider.url}/v1/embeddings`, { headers })).status).toBe(405);
});

test("accepted keys can be named", async () => {
  const closed = await startFakeProvider({ keys: ["right"] });
  const ask = (apiKey: string) => new OpenAI({ apiKey, baseURL: `${closed.url}/v1`, maxRetries: 0 }).models.list();
  expect((await ask("right")).data.length).toBeGreaterThan(5);
  await expect(ask("wrong")).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  await closed.close();
});
