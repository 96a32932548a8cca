import { describe, expect, test } from "vitest";
import { type AnswerFormat, isCacheable } from "./cacheable.ts";
import { jsonToSse } from "./replay.ts";

const chat = (choice: object = {}, message: object = {}, root: object = {}): object => ({
  id: "c",
  object: "chat.completion",
  choices: [
    {
      index: 0,
      message: { role: "assistant", content: "hi", refusal: null, ...message },
      finish_reason: "stop",
      ...choice,
    },
  ],
  ...root,
});
const response = (root: object = {}, item: object = {}): object => ({
  id: "r",
  status: "completed",
  error: null,
  incomplete_details: null,
  background: false,
  output: [{ id: "m", type: "message", content: [{ type: "output_text", text: "hi", annotations: [] }], ...item }],
  ...root,
});
const call = { id: "c", type: "function", function: { name: "f", arguments: "{}" } };
const json = (body: unknown) => ({ kind: "json", bytes: Buffer.from(JSON.stringify(body)) }) as const;

const rows: { name: string; format: AnswerFormat; body: object; want: boolean }[] = [
  { name: "a plain chat answer", format: "chat", body: chat(), want: true },
  { name: "an empty list of tool calls", format: "chat", body: chat({}, { tool_calls: [] }), want: true },
  {
    name: "a tool call",
    format: "chat",
    body: chat({ finish_reason: "tool_calls" }, { tool_calls: [call] }),
    want: false,
  },
  { name: "a tool call under finish_reason stop", format: "chat", body: chat({}, { tool_calls: [call] }), want: false },
  { name: "a legacy call", format: "chat", body: chat({}, { function_call: { name: "f" } }), want: false },
  { name: "a refusal", format: "chat", body: chat({}, { refusal: "no" }), want: false },
  { name: "an answer cut by length", format: "chat", body: chat({ finish_reason: "length" }), want: false },
  { name: "an answer cut by the filter", format: "chat", body: chat({ finish_reason: "content_filter" }), want: false },
  { name: "an empty answer", format: "chat", body: chat({}, { content: "" }), want: false },
  { name: "audio", format: "chat", body: chat({}, { audio: { id: "a" } }), want: false },
  { name: "an error body", format: "chat", body: { error: { message: "m" } }, want: false },
  { name: "a body without choices", format: "chat", body: { choices: [] }, want: false },
  {
    name: "a clean filter result",
    format: "chat",
    body: chat({ content_filter_results: { hate: { filtered: false, severity: "safe" } } }),
    want: true,
  },
  {
    name: "a filtered category",
    format: "chat",
    body: chat({ content_filter_results: { hate: { filtered: true } } }),
    want: false,
  },
  {
    name: "a filter that did not run",
    format: "chat",
    body: chat({ content_filter_results: { error: { code: "content_filter_error" } } }),
    want: false,
  },
  {
    name: "a filtered prompt",
    format: "chat",
    body: chat({}, {}, { prompt_filter_results: [{ content_filter_results: { jailbreak: { filtered: true } } }] }),
    want: false,
  },
  {
    name: "a text completion",
    format: "completions",
    body: { choices: [{ index: 0, text: "a", finish_reason: "stop" }] },
    want: true,
  },
  {
    name: "one of two cut",
    format: "completions",
    body: {
      choices: [
        { index: 0, text: "a", finish_reason: "stop" },
        { index: 1, text: "a", finish_reason: "length" },
      ],
    },
    want: false,
  },
  { name: "a plain response", format: "responses", body: response(), want: true },
  {
    name: "a response with plain reasoning",
    format: "responses",
    body: response({ output: [{ type: "reasoning", summary: [] }, ...(response() as { output: object[] }).output] }),
    want: true,
  },
  {
    name: "encrypted reasoning",
    format: "responses",
    body: response({
      output: [{ type: "reasoning", encrypted_content: "x" }, ...(response() as { output: object[] }).output],
    }),
    want: false,
  },
  { name: "an incomplete response", format: "responses", body: response({ status: "incomplete" }), want: false },
  { name: "a background response", format: "responses", body: response({ background: true }), want: false },
  { name: "a conversation", format: "responses", body: response({ conversation: { id: "c" } }), want: false },
  { name: "a follow-up", format: "responses", body: response({ previous_response_id: "r0" }), want: false },
  { name: "a function call", format: "responses", body: response({}, { type: "function_call" }), want: false },
  { name: "a hosted tool", format: "responses", body: response({}, { type: "web_search_call" }), want: false },
  {
    name: "a response that refuses",
    format: "responses",
    body: response({}, { content: [{ type: "refusal", refusal: "no" }] }),
    want: false,
  },
  { name: "a response without output", format: "responses", body: response({ output: [] }), want: false },
  {
    name: "a blocked response",
    format: "responses",
    body: response({ content_filters: [{ blocked: true }] }),
    want: false,
  },
  { name: "embeddings", format: "embeddings", body: { object: "list", data: [{ embedding: [0.1] }] }, want: true },
  { name: "no embeddings", format: "embeddings", body: { object: "list", data: [] }, want: false },
  { name: "a moderation", format: "moderation", body: { results: [{ flagged: false }] }, want: true },
  { name: "images", format: "images", body: { data: [{ b64_json: "x" }] }, want: false },
  { name: "a transcript", format: "transcription", body: { text: "x" }, want: false },
];

describe("isCacheable", () => {
  test.each(rows)("$format: $name: $want", ({ format, body, want }) => {
    expect(isCacheable(format, json(body))).toBe(want);
  });

  const streamed = rows.filter(
    ({ format, body }) => ["chat", "completions", "responses"].includes(format) && !("error" in body && body.error),
  );
  test.each(streamed)("$format as a stream: $name: $want", ({ format, body, want }) => {
    if (format === "embeddings" || format === "moderation") throw new Error("has no stream");
    const bytes = jsonToSse(format, Buffer.from(JSON.stringify(body)), { includeUsage: true }) ?? Buffer.alloc(0);
    expect(isCacheable(format, { kind: "sse", bytes })).toBe(want);
    // cut anywhere, it is never complete
    expect(isCacheable(format, { kind: "sse", bytes: bytes.subarray(0, bytes.length - 20) })).toBe(false);
  });

  test.each(["", "{", "[]", "null"])("a body that is no JSON object is not (%j)", (text) => {
    expect(isCacheable("chat", { kind: "json", bytes: Buffer.from(text) })).toBe(false);
  });
});
