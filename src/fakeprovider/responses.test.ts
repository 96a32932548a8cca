import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FakeProvider } from "./provider.ts";
import { startFakeProvider } from "./provider.ts";

const collected = async <T>(source: AsyncIterable<T>): Promise<T[]> => {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
};

let provider: FakeProvider;
let openai: OpenAI;

beforeAll(async () => {
  provider = await startFakeProvider();
  openai = new OpenAI({ apiKey: "sk-test", baseURL: `${provider.url}/v1`, maxRetries: 0 });
});
afterAll(() => provider.close());

const weatherTool = {
  type: "function" as const,
  name: "get_weather",
  strict: null,
  parameters: { type: "object", properties: { city: { type: "string" } } },
};

const eventsOf = async (body: Partial<OpenAI.Responses.ResponseCreateParamsStreaming>) =>
  collected(await openai.responses.create({ model: "gpt-4o", input: "Say hello", ...body, stream: true }));

const grouped = (types: readonly string[]) => types.filter((type, i) => type !== types[i - 1]);

describe("responses as JSON", () => {
  test("an answer has text, usage and is stored", async () => {
    const made = await openai.responses.create({ model: "gpt-4o", input: "Say hello" });
    expect(made).toMatchObject({ status: "completed", model: "gpt-4o-2024-08-06", store: true });
    expect(made.output_text.split(" ")).toHaveLength(8);
    expect(made.usage).toMatchObject({ input_tokens: 3, output_tokens: 8, total_tokens: 11 });
    expect((await openai.responses.retrieve(made.id)).output_text).toBe(made.output_text);
    const items = await openai.responses.inputItems.list(made.id);
    expect(items.data[0]).toMatchObject({ type: "message", role: "user" });
    await openai.responses.delete(made.id);
    await expect(openai.responses.retrieve(made.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  test("store=false keeps nothing", async () => {
    const made = await openai.responses.create({ model: "gpt-4o", input: "x", store: false });
    await expect(openai.responses.retrieve(made.id)).rejects.toMatchObject({ status: 404 });
  });

  test("a function call and its output make a second turn that counts the first", async () => {
    const first = await openai.responses.create({ model: "gpt-4o", input: "the weather?", tools: [weatherTool] });
    const call = first.output[0];
    expect(call).toMatchObject({ type: "function_call", name: "get_weather", arguments: '{"city":"amber"}' });
    if (call?.type !== "function_call") return;
    const output = { type: "function_call_output" as const, call_id: call.call_id, output: "sunny" };
    const second = await openai.responses.create({ model: "gpt-4o", input: [output], previous_response_id: first.id });
    expect(second.output_text).toBeTruthy();
    expect(second.usage?.input_tokens).toBe(Math.ceil((12 + 16 + 5) / 4));
  });

  test.each([
    {
      name: "an unknown previous response",
      body: { input: "x", previous_response_id: "resp_x" },
      code: "previous_response_not_found",
    },
    { name: "no input at all", body: {}, code: "missing_required_parameter" },
    { name: "input of a wrong type", body: { input: 5 }, code: "invalid_type" },
    { name: "an unknown field", body: { input: "x", messages: [] }, code: "unknown_parameter" },
  ])("$name is refused with $code", async ({ body, code }) => {
    const asked = openai.post("/responses", { body: { model: "gpt-4o", ...body } });
    await expect(asked).rejects.toMatchObject({ status: 400, code });
  });

  test("finish=length makes it incomplete, outcome=failed makes it fail", async () => {
    const ask = (user: string) => openai.responses.create({ model: "gpt-4o", input: "x", user });
    expect(await ask("fake:finish=length")).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
    });
    expect(await ask("fake:outcome=failed")).toMatchObject({ status: "failed", error: { code: "server_error" } });
  });

  test("structured text is an instance of its schema", async () => {
    const schema = { type: "object", properties: { ok: { type: "boolean" } }, additionalProperties: false };
    const text = { format: { type: "json_schema" as const, name: "verdict", schema } };
    expect((await openai.responses.create({ model: "gpt-4o", input: "x", text })).output_text).toBe('{"ok":true}');
  });

  test("background work is queued, then under way, then completed; a queued one can be cancelled", async () => {
    const user = "fake:polls=1";
    const made = await openai.responses.create({ model: "gpt-4o", input: "x", background: true, user });
    expect(made).toMatchObject({ status: "queued", output: [], usage: null });
    expect((await openai.responses.retrieve(made.id)).status).toBe("in_progress");
    expect((await openai.responses.retrieve(made.id)).output_text).toBeTruthy();
    const other = await openai.responses.create({ model: "gpt-4o", input: "x", background: true });
    expect((await openai.responses.cancel(other.id)).status).toBe("cancelled");
    const plain = await openai.responses.create({ model: "gpt-4o", input: "x" });
    await expect(openai.responses.cancel(plain.id)).rejects.toBeInstanceOf(OpenAI.BadRequestError);
  });

  test("input tokens can be counted and a context compacted", async () => {
    expect(await openai.responses.inputTokens.count({ model: "gpt-4o", input: "Say hello" })).toMatchObject({
      input_tokens: 3,
    });
    expect((await openai.responses.compact({ model: "gpt-4o", input: "Say hello" })).output.at(-1)?.type).toBe(
      "compaction",
    );
  });
});

describe("responses as a stream", () => {
  test("text comes in the provider's order with numbers from 0", async () => {
    const events = await eventsOf({});
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, i) => i));
    expect(grouped(events.map(({ type }) => type))).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]);
    const text = events.flatMap((event) => (event.type === "response.output_text.delta" ? [event.delta] : [])).join("");
    const end = events.at(-1);
    expect(end?.type === "response.completed" && end.response.usage?.output_tokens).toBe(8);
    expect(text.split(" ")).toHaveLength(8);
  });

  test("a function call comes in fragments and again in the end", async () => {
    const events = await eventsOf({ input: "the weather?", tools: [weatherTool] });
    const types = events.map(({ type }) => type);
    expect(grouped(types).slice(2, 6)).toEqual([
      "response.output_item.added",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.output_item.done",
    ]);
    const end = events.at(-1);
    expect(end?.type === "response.completed" && end.response.output[0]).toMatchObject({
      arguments: '{"city":"amber"}',
    });
  });

  test.each([
    { name: "failed=4 ends with response.failed", user: "fake:failed=4", last: "response.failed", count: 5 },
    {
      name: "finish=length ends with response.incomplete",
      user: "fake:finish=length",
      last: "response.incomplete",
      count: 16,
    },
    { name: "eof=3 ends without a terminal event", user: "fake:eof=3", last: "response.output_item.added", count: 3 },
  ])("$name", async ({ user, last, count }) => {
    const events = await eventsOf({ user });
    expect(events.at(-1)?.type).toBe(last);
    expect(events).toHaveLength(count);
  });

  test("error=2 is an error event that the SDK raises", async () => {
    await expect(eventsOf({ user: "fake:error=2" })).rejects.toBeInstanceOf(OpenAI.APIError);
  });

  test("a stored stream can be read again from the middle", async () => {
    const events = await eventsOf({});
    const id = events[0]?.type === "response.created" ? events[0].response.id : "";
    const again = await collected(await openai.responses.retrieve(id, { stream: true, starting_after: 9 }));
    expect(again).toEqual(events.slice(10));
  });

  test("refusals and reasoning have their own items", async () => {
    const types = (await eventsOf({ user: "fake:refusal=I must not;reasoning=40" })).map(({ type }) => type);
    expect(types).toContain("response.refusal.delta");
    expect(types.filter((type) => type === "response.output_item.added")).toHaveLength(2);
  });
});

test("conversations keep the items of their turns", async () => {
  const conversation = await openai.conversations.create({ metadata: { a: "b" } });
  await openai.responses.create({ model: "gpt-4o", input: "hi", conversation: conversation.id });
  const items = await openai.conversations.items.list(conversation.id, { order: "asc" });
  expect(items.data.map((item) => item.type === "message" && item.role)).toEqual(["user", "assistant"]);
  expect(await openai.conversations.update(conversation.id, { metadata: { c: "d" } })).toMatchObject({
    metadata: { c: "d" },
  });
  expect((await openai.conversations.retrieve(conversation.id)).id).toBe(conversation.id);
  const added = await openai.conversations.items.create(conversation.id, {
    items: [{ type: "message", role: "user", content: "x" }],
  });
  expect(added.data).toHaveLength(1);
  const unknown = openai.responses.create({ model: "gpt-4o", input: "hi", conversation: "conv_x" });
  await expect(unknown).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  expect(await openai.conversations.delete(conversation.id)).toMatchObject({ deleted: true });
});
