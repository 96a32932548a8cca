import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RequestBody } from "../exchange.ts";
import { scanJson } from "../json/scan.ts";
import { scanMultipart } from "../multipart/scan.ts";
import { estimateInput, messageTokens } from "./estimate.ts";

const model = { imageTokensMax: 1000 };
const json = (value: unknown): RequestBody => {
  const bytes = Buffer.from(JSON.stringify(value));
  return { kind: "json", bytes, document: scanJson(bytes) };
};
const estimate = (value: unknown, extraText = "") => estimateInput(json(value), model, { extraText });
const upper = (value: unknown): number => estimate(value).upperTokens;

/** Bytes of all texts below a value: what a tokenizer that makes a token of each byte would count. */
const textBytes = (value: unknown): number => {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce((sum: number, each) => sum + textBytes(each), 0);
};

const text = fc.string({ unit: "binary", maxLength: 40 });
const role = fc.constantFrom("system", "user", "assistant", "tool");
const part = fc.oneof(
  fc.record({ type: fc.constantFrom("text", "input_text", "output_text", "refusal"), text }),
  fc.record({ type: fc.constant("of_tomorrow"), body: fc.jsonValue({ maxDepth: 3 }) }),
);
const call = fc.record({
  id: text,
  type: fc.constant("function"),
  function: fc.record({ name: text, arguments: text }),
});
const message = fc.record(
  {
    role,
    content: fc.oneof(text, fc.array(part, { maxLength: 4 })),
    name: text,
    tool_calls: fc.array(call, { maxLength: 2 }),
  },
  { requiredKeys: ["role", "content"] },
);
const item = fc.oneof(
  message,
  fc.record({ type: fc.constant("function_call_output"), call_id: text, output: fc.oneof(text, fc.array(part)) }),
  fc.record({ type: fc.constant("reasoning"), encrypted_content: text }),
);
const tool = fc.record({
  type: fc.constant("function"),
  function: fc.record({ name: text, description: text, parameters: fc.jsonValue({ maxDepth: 3 }) }),
});
const request = fc.record(
  {
    messages: fc.array(message, { maxLength: 5 }),
    input: fc.oneof(text, fc.array(item, { maxLength: 5 }), fc.array(text, { maxLength: 5 })),
    prompt: fc.oneof(text, fc.array(text, { maxLength: 5 })),
    suffix: text,
    instructions: text,
    tools: fc.array(tool, { maxLength: 3 }),
    response_format: fc.record({ json_schema: fc.jsonValue({ maxDepth: 3 }) }),
    prediction: fc.record({ type: fc.constant("content"), content: fc.oneof(text, fc.array(part)) }),
    documents: fc.array(fc.record({ title: text, body: text }), { maxLength: 2 }),
    temperature: fc.double({ noNaN: true }),
  },
  { requiredKeys: [] },
);

describe("the upper bound", () => {
  test("is never below one token for each byte of any text that a model could see, and those around each message", () => {
    fc.assert(
      fc.property(request, text, (body, extra) => {
        const { upperTokens } = estimate(body, extra);
        const messages = body.messages?.length ?? 0;
        expect(upperTokens).toBeGreaterThanOrEqual(
          textBytes(body) + messages * messageTokens + Buffer.byteLength(extra),
        );
        const escaped = JSON.stringify(body).replaceAll(
          /[\u0080-\uffff]/g,
          (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
        );
        const bytes = Buffer.from(escaped);
        const same = estimateInput({ kind: "json", bytes, document: scanJson(bytes) }, model, { extraText: extra });
        expect(same.upperTokens).toBeGreaterThanOrEqual(textBytes(body));
      }),
    );
  });

  test("of token numbers is their count, whatever their digits", () => {
    const tokens = Array.from({ length: 500 }, (_, i) => 100_000 + i);
    expect(upper({ input: tokens })).toBe(500);
    expect(upper({ input: [tokens, tokens] })).toBeGreaterThanOrEqual(1000);
    expect(upper({ input: [tokens, tokens] })).toBeLessThan(1010);
    expect(upper({ prompt: [1, "and a text that is longer than its place"] })).toBeGreaterThan(40);
  });

  test("covers the tokens around a bare text", () => {
    expect(upper({ input: "hi" })).toBeGreaterThanOrEqual(2 + 7);
    expect(upper({ input: "", instructions: "" })).toBeGreaterThanOrEqual(2 * messageTokens);
  });

  test("leaves out what no model reads", () => {
    const unread = {
      model: "m".repeat(200),
      metadata: { a: "b".repeat(500) },
      user: "u".repeat(64),
      temperature: 0.123,
    };
    expect(upper({ ...unread, logit_bias: { "50256": -100 }, stop: ["x".repeat(50)] })).toBe(0);
  });
});

const url = (bytes: number) => `data:image/png;base64,${"A".repeat(bytes)}`;
const within = (value: unknown) => ({ input: [{ role: "user", content: [value] }] });

test.each([
  ["image_url, inline", { type: "image_url", image_url: { url: url(90_000) } }],
  ["image_url, elsewhere", { type: "image_url", image_url: { url: "https://a.example/b.png" } }],
  ["image_url without type, as some servers take it", { image_url: { url: url(90_000) } }],
  ["input_image", { type: "input_image", image_url: url(90_000) }],
  ["input_image by file", { type: "input_image", file_id: "file-1" }],
  ["computer_screenshot", { type: "computer_screenshot", file_id: "file-1" }],
])("an image counts as one and its bytes do not: %s", (_, part) => {
  const { upperTokens, unknown } = estimate(within(part));
  expect(upperTokens).toBeGreaterThanOrEqual(1000);
  expect(upperTokens).toBeLessThan(1200);
  expect(unknown).toBeUndefined();
});

test("an image in a tool's result counts, however deep", () => {
  const output = {
    type: "computer_call_output",
    output: { type: "computer_screenshot", image_url: "https://a.example/b" },
  };
  expect(upper({ input: [output] })).toBeGreaterThan(1000);
  const nested = { type: "function_call_output", output: [{ type: "input_image", image_url: "https://a.example/b" }] };
  expect(upper({ input: [nested, nested] })).toBeGreaterThan(2000);
});

test("audio counts by its length", () => {
  const data = "A".repeat(40_000); // 30,000 bytes: at most 30 s
  const { upperTokens } = estimate(within({ type: "input_audio", input_audio: { data, format: "wav" } }));
  expect(upperTokens).toBeGreaterThanOrEqual(300);
  expect(upperTokens).toBeLessThan(450);
});

test.each([
  ["file_id", within({ type: "file", file: { file_id: "file-1" } })],
  ["file_id", within({ type: "input_file", file_id: "file-1" })],
  ["file_url", within({ type: "input_file", file_url: "https://a.example/b.pdf" })],
  ["file_data", within({ type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,AAAA" } })],
  ["audio or video by URL", within({ type: "video_url", video_url: { url: "https://a.example/b.mp4" } })],
  ["item_reference", { input: [{ type: "item_reference", id: "msg_1" }] }],
  ["item_reference", { input: [{ id: "msg_1" }, { role: "user", content: "and?" }] }],
  ["item_reference", { input: ["?", { type: null, role: null, id: "msg_1" }] }],
  ["reasoning", { input: [{ type: "reasoning", id: "rs_1", summary: [], encrypted_content: null }] }],
  ["compaction", { input: [{ type: "compaction", id: "cmp_1", encrypted_content: "" }] }],
  ["image_generation_call", { input: [{ type: "image_generation_call", id: "ig_1", result: null }] }],
  ["file_search_call", { input: [{ type: "file_search_call", id: "fs_1", queries: ["a"], results: [] }] }],
  ["mcp_call", { input: [{ type: "mcp_call", id: "mcp_1", name: "a", arguments: "{}", output: null }] }],
  ["web_search_call", { input: [{ type: "web_search_call", id: "ws_1", action: { type: "search", query: "a" } }] }],
  ["code_interpreter_call", { input: [{ type: "code_interpreter_call", id: "ci_1", code: null, "": "said" }] }],
  ["messages[].audio", { messages: [{ role: "assistant", audio: { id: "audio_1" } }] }],
  ["previous_response_id", { input: "and?", previous_response_id: "resp_1" }],
  ["conversation", { input: "and?", conversation: { id: "conv_1" } }],
])("what is only named has no bound, and is named: %s", (unknown, body) => {
  expect(estimate(body)).toMatchObject({ unknown });
});

test.each([
  { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAAA" },
  { type: "reasoning", summary: [{ type: "summary_text", text: "so it is" }] },
  { type: "file_search_call", id: "fs_1", queries: [], results: [{ text: "found" }] },
  { type: "function_call", id: "fc_1", call_id: "call_1", name: "a", arguments: "{}" },
  { type: "message", id: "msg_1", role: "assistant", content: [{ type: "output_text", text: "hi" }] },
  { id: "msg_1", role: "user", content: [{ id: "a part's" }] },
])("an item that says what is in it is bounded by its bytes: %j", (item) => {
  const { unknown, upperTokens } = estimate({ input: [item] });
  expect(unknown).toBeUndefined();
  expect(upperTokens).toBe(Buffer.byteLength(JSON.stringify([item])));
});

test("an image that was made counts as one, and its bytes do not", () => {
  const call = { type: "image_generation_call", id: "ig_1", result: "A".repeat(90_000), revised_prompt: "a cat" };
  const { upperTokens, unknown } = estimate({ input: [call] });
  expect(unknown).toBeUndefined();
  expect(upperTokens).toBeGreaterThanOrEqual(1000);
  expect(upperTokens).toBeLessThan(1200);
});

test("a part of a message is no message: a role in it hides no image", () => {
  const part = { role: "user", type: "image_url", image_url: { url: "https://a.example/b.png" } };
  expect(upper(within(part))).toBeGreaterThan(1000);
});

test("a file that is no text is bounded by the window alone: its bytes do not count", () => {
  const file_data = `data:application/pdf;base64,${"A".repeat(1_000_000)}`;
  const { upperTokens, unknown } = estimate(within({ type: "input_file", filename: "a.pdf", file_data }));
  expect([unknown, upperTokens < 200]).toEqual(["file_data", true]);
});

test("a file of plain text is bounded by its bytes", () => {
  const { unknown, upperTokens } = estimate(
    within({ type: "input_file", file_data: `data:text/plain;base64,${"A".repeat(4000)}` }),
  );
  expect(unknown).toBeUndefined();
  expect(upperTokens).toBeGreaterThan(4000);
});

const bring = (tools: unknown[]) => ({ type: "additional_tools", role: "developer", tools });
test.each([
  [{ tools: [{ type: "function" }, { type: "custom" }, { name: "untyped" }] }, {}],
  [{ tools: [{ type: "function" }, { type: "web_search" }] }, { hosted: "the tool web_search" }],
  [{ tools: [{ type: "file_search" }, { type: "mcp" }] }, { hosted: "the tool mcp" }],
  [{ tools: [{ type: "web_search" }], prompt: { id: "pmpt_1" } }, { hosted: "a prompt template" }],
  [{ prompt: { id: "pmpt_1", variables: { a: "b" } } }, { hosted: "a prompt template" }],
  [{ input: [bring([{ type: "web_search" }])] }, { hosted: "the tool web_search" }],
  [{ input: [bring([{ type: "function" }])], tools: [{ type: "function" }] }, {}],
  [{ input: [bring([{ type: "function", parameters: { file_id: {}, image_url: {} } }])] }, {}],
  [{ input: [{ type: "tool_search_output", tools: [{ type: "mcp" }] }] }, { hosted: "the tool mcp" }],
  [{ tools: [{ type: "web_search" }], input: [bring([{ type: "mcp" }])] }, { hosted: "the tool mcp" }],
  [{ input: [bring([{ type: "mcp" }])], tools: [{ type: "web_search" }] }, { hosted: "the tool mcp" }],
  [{ web_search_options: {} }, { hosted: "web_search_options" }],
  [{ data_sources: [{ type: "azure_search", parameters: {} }] }, { hosted: "data_sources" }],
  [{ data_sources: [] }, {}],
  [{ service_tier: "priority" }, { unpriced: "service_tier" }],
  [{ service_tier: "flex" }, {}],
  [{ previous_response_id: null, conversation: null, service_tier: null, web_search_options: null }, {}],
])("tools of the provider and dear tiers are named: %j", (body, want) => {
  const { upperTokens: _, likelyTokens: __, predictionTokens: ___, ...said } = estimate(body);
  expect(said).toEqual(want);
});

test("a prediction counts as output, too: what is rejected is billed", () => {
  expect(estimate({ prediction: { type: "content", content: "x".repeat(300) } }).predictionTokens).toBeGreaterThan(300);
});

test("an edit that came as JSON counts its images by themselves", () => {
  const named = [{ image_url: "https://a.example/b.png" }, { file_id: "file-1" }, { image_url: url(90_000) }];
  const { upperTokens, unknown } = estimate({ prompt: "x", images: named, mask: { file_id: "file-2" } });
  expect(unknown).toBeUndefined();
  expect(upperTokens).toBeGreaterThanOrEqual(4000);
  expect(upperTokens).toBeLessThan(4200);
});

test("members that are replaced before they are sent do not count", () => {
  const replaced = { tools: [], service_tier: "default" };
  const body = { tools: [{ type: "mcp" }], service_tier: "priority", input: "hi" };
  expect(estimateInput(json(body), model, { replaced })).toEqual(estimate({ input: "hi" }));
});

test("a form counts images by themselves, audio by its length and each other field by its bytes", () => {
  const boundary = "b";
  const field = (head: string, content: string) =>
    `--${boundary}\r\ncontent-disposition: form-data; ${head}\r\n\r\n${content}\r\n`;
  const form = (...fields: string[]) => {
    const bytes = Buffer.from(`${fields.join("")}--${boundary}--\r\n`);
    const contentType = `multipart/form-data; boundary=${boundary}`;
    return estimateInput({ kind: "multipart", bytes, contentType, scan: scanMultipart(bytes, contentType) }, model);
  };
  const file = (name: string, bytes: number) => field(`name="${name}"; filename="a.bin"`, "x".repeat(bytes));
  expect(form(file("image[]", 5000), file("image[]", 5000), file("mask", 10)).upperTokens).toBe(3000);
  expect(form(file("markup", 5000)).upperTokens).toBe(1000);
  expect(form(file("file", 50_000)).upperTokens).toBe(500);
  expect(form(file("prompt", 700)).upperTokens).toBeGreaterThanOrEqual(700);
  expect(form(field('name="known_speaker_names[]"', "n".repeat(90))).upperTokens).toBeGreaterThanOrEqual(90);
  expect(form(field('name="model"', "gpt-image-1")).upperTokens).toBe(0);
});
