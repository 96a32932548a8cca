import fc from "fast-check";
import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import type { StreamFormat } from "../../openai/endpoints.ts";
import { jsonToSse, sseToJson } from "./replay.ts";

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const done = "data: [DONE]\n\n";
const read = (format: StreamFormat, sse: string): unknown => {
  const bytes = sseToJson(format, Buffer.from(sse));
  return bytes === undefined ? undefined : JSON.parse(bytes.toString());
};
const events = (sse: Buffer | undefined): Record<string, unknown>[] =>
  (sse?.toString() ?? "")
    .split("\n")
    .filter((line) => line.startsWith("data: {"))
    .map((line) => JSON.parse(line.slice(6)));

const base = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1700000000, model: "gpt-4o" };
const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };

const text = fc.oneof(fc.string(), fc.string({ unit: "binary", minLength: 500, maxLength: 1200 }));
const choices = fc.array(
  fc.record({
    content: text,
    refusal: fc.option(text),
    finish_reason: fc.constantFrom("stop", "length", "content_filter"),
    logprobs: fc.option(
      fc.record({
        content: fc.array(
          fc.record({ token: fc.string(), logprob: fc.double({ noNaN: true, noDefaultInfinity: true }) }),
        ),
      }),
    ),
    calls: fc.array(fc.record({ id: fc.uuid(), name: fc.string({ minLength: 1 }), arguments: text }), { maxLength: 3 }),
  }),
  { minLength: 1, maxLength: 3 },
);

describe("jsonToSse", () => {
  test("for chat has the chunk order of the API, usage last and null before", () => {
    const message = { role: "assistant", content: "hi", refusal: null };
    const answer = {
      ...base,
      object: "chat.completion",
      choices: [{ index: 0, message, logprobs: null, finish_reason: "stop" }],
      usage,
    };
    const sse = jsonToSse("chat", json(answer), { includeUsage: true });
    const chunk = (delta: object, finish: string | null) => ({
      ...base,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      usage: null,
    });
    expect(events(sse)).toEqual([
      chunk({ role: "assistant", content: "", refusal: null }, null),
      chunk({ content: "hi" }, null),
      chunk({}, "stop"),
      { ...base, choices: [], usage },
    ]);
    expect(sse?.toString().endsWith(done)).toBe(true);
    expect(jsonToSse("chat", json(answer), { includeUsage: false })?.toString()).not.toContain("usage");
  });

  test("and back: any chat completion keeps its meaning", () => {
    fc.assert(
      fc.property(choices, fc.boolean(), (all, isAzure) => {
        const answer = {
          ...base,
          object: "chat.completion",
          service_tier: "default",
          usage,
          ...(isAzure ? { prompt_filter_results: [{ prompt_index: 0 }] } : {}),
          choices: all.map(({ calls, content, refusal, ...choice }, index) => ({
            ...choice,
            index,
            ...(isAzure ? { content_filter_results: { hate: { filtered: false, severity: "safe" } } } : {}),
            message: {
              role: "assistant",
              content: content === "" && (calls.length > 0 || refusal) ? null : content,
              refusal: refusal === "" ? null : refusal,
              annotations: [],
              ...(calls.length === 0
                ? {}
                : { tool_calls: calls.map(({ id, ...body }) => ({ id, type: "function", function: body })) }),
            },
          })),
        };
        const sse = jsonToSse("chat", json(answer), { includeUsage: true });
        expect(read("chat", sse?.toString() ?? "")).toEqual(JSON.parse(JSON.stringify(answer)));
      }),
      { numRuns: 300 },
    );
  });

  test("and back: custom and legacy calls keep their meaning", () => {
    const message = {
      role: "assistant",
      content: null,
      refusal: null,
      tool_calls: [
        { id: "c", type: "custom", custom: { name: "n", input: "in" } },
        { id: "d", type: "new", new: { a: 1 } },
      ],
      function_call: { name: "f", arguments: "{}" },
    };
    const answer = {
      ...base,
      object: "chat.completion",
      choices: [{ index: 0, message, logprobs: null, finish_reason: "tool_calls" }],
    };
    expect(read("chat", jsonToSse("chat", json(answer), { includeUsage: true })?.toString() ?? "")).toEqual(answer);
  });

  test("and back: any text completion keeps its meaning", () => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 3 }), (texts) => {
        const answer = {
          id: "cmpl",
          object: "text_completion",
          created: 1,
          model: "m",
          usage,
          choices: texts.map((value, index) => ({ text: value, index, logprobs: null, finish_reason: "stop" })),
        };
        expect(
          read("completions", jsonToSse("completions", json(answer), { includeUsage: true })?.toString() ?? ""),
        ).toEqual(answer);
      }),
      { numRuns: 100 },
    );
  });

  test("no event of a long answer ends inside a surrogate pair, so the bytes are valid everywhere", () => {
    const answer = {
      ...base,
      choices: [{ index: 0, message: { role: "assistant", content: `a${"🎉".repeat(2000)}` }, finish_reason: "stop" }],
    };
    expect(jsonToSse("chat", json(answer), { includeUsage: false })?.toString()).not.toContain("\\ud83c");
  });

  test("numbers beyond 2^53 keep their digits", () => {
    const body =
      '{"id":"x","created":12345678901234567890,"model":"m","choices":[{"index":0,"message":{"content":"a","seed":1E400},"finish_reason":"stop"}]}';
    const sse = jsonToSse("chat", Buffer.from(body), { includeUsage: false })?.toString() ?? "";
    expect(sse).toContain('"created":12345678901234567890');
    expect(sse).toContain('"seed":1E400');
  });

  test.each([
    ["chat", { error: { message: "m" } }],
    ["chat", { object: "list", data: [] }],
    ["chat", { choices: [{ index: 0, message: { content: [{ type: "text" }] } }] }],
    ["completions", { choices: [{ index: 0, message: { content: "x" } }] }],
    ["responses", { id: "r", status: "in_progress", output: [] }],
    ["responses", { id: "r", status: "completed" }],
    ["images", { data: [] }],
  ] as const)("a %s body that is no such answer is not rendered: %j", (format, body) => {
    expect(jsonToSse(format, json(body), { includeUsage: true })).toBeUndefined();
  });
});

/** The official SDK, answered with this stream. */
const clientOf = (sse: Buffer | undefined): OpenAI =>
  new OpenAI({
    apiKey: "k",
    maxRetries: 0,
    fetch: async () =>
      new Response(new Uint8Array(sse ?? Buffer.alloc(0)), { headers: { "content-type": "text/event-stream" } }),
  });
const token = { token: "a", logprob: -0.25, bytes: [97], top_logprobs: [] };

const completion = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1700000000,
  model: "gpt-4o",
  service_tier: "default",
  system_fingerprint: "fp",
  choices: [
    {
      index: 0,
      message: { role: "assistant", content: "long 🎉 ".repeat(300), refusal: null },
      logprobs: { content: [token, token], refusal: null },
      finish_reason: "stop",
    },
    {
      index: 1,
      message: {
        role: "assistant",
        content: null,
        refusal: null,
        tool_calls: [
          { id: "call_a", type: "function", function: { name: "f", arguments: '{"a":1}' } },
          { id: "call_b", type: "function", function: { name: "g", arguments: "{}" } },
        ],
      },
      logprobs: null,
      finish_reason: "tool_calls",
    },
  ],
  usage,
};

describe("the SDK's chat stream helper", () => {
  test.each([
    { name: "an OpenAI answer", extra: {} },
    { name: "an Azure answer", extra: { prompt_filter_results: [{ prompt_index: 0, content_filter_results: {} }] } },
  ])("puts $name together again", async ({ extra }) => {
    const body = { ...completion, ...extra };
    const client = clientOf(jsonToSse("chat", json(body), { includeUsage: true }));
    const stream = client.chat.completions.stream({ model: "m", messages: [], n: 2 });
    const final = await stream.finalChatCompletion();
    expect(final).toMatchObject({
      ...body,
      choices: body.choices.map(({ message, ...choice }) => ({ ...choice, message: { content: message.content } })),
    });
    expect(final.choices[1]?.message.tool_calls).toMatchObject(completion.choices[1]?.message.tool_calls ?? []);
    expect(await stream.totalUsage()).toMatchObject(usage);
  });

  test("reads a stream without usage", async () => {
    const client = clientOf(jsonToSse("chat", json(completion), { includeUsage: false }));
    const stream = client.chat.completions.stream({ model: "m", messages: [], n: 2 });
    expect((await stream.finalChatCompletion()).usage).toBeUndefined();
  });
});
