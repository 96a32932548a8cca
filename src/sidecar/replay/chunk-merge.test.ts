import { describe, expect, test } from "vitest";
import type { StreamFormat } from "../../openai/endpoints.ts";
import { sseToJson } from "./replay.ts";

const frame = (data: unknown): string => `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
const done = "data: [DONE]\n\n";
const read = (format: StreamFormat, sse: string): unknown => {
  const bytes = sseToJson(format, Buffer.from(sse));
  return bytes === undefined ? undefined : JSON.parse(bytes.toString());
};

const base = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1700000000, model: "gpt-4o" };
const part = (choice: object, rest: object = {}): string =>
  frame({ ...base, ...rest, choices: [{ index: 0, logprobs: null, finish_reason: null, ...choice }] });
const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
const usageFrame = frame({ ...base, choices: [], usage });

describe("sseToJson for chat", () => {
  test("adds up text, names, logprobs and usage", () => {
    const token = (text: string) => ({ token: text, logprob: -0.5, bytes: null, top_logprobs: [] });
    const answer = read(
      "chat",
      part(
        { delta: { role: "assistant", content: "", refusal: null } },
        { service_tier: "default", system_fingerprint: null },
      ) +
        part({ delta: { content: "Hel" }, logprobs: { content: [token("Hel")], refusal: null } }) +
        part(
          { delta: { content: "lo 🎉" }, logprobs: { content: [token("lo")], refusal: null } },
          { system_fingerprint: "fp" },
        ) +
        part({ delta: {}, finish_reason: "stop" }) +
        usageFrame +
        done,
    );
    expect(answer).toEqual({
      ...base,
      object: "chat.completion",
      service_tier: "default",
      system_fingerprint: "fp",
      usage,
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "Hello 🎉", refusal: null },
          logprobs: { content: [token("Hel"), token("lo")], refusal: null },
          finish_reason: "stop",
        },
      ],
    });
  });

  test("puts interleaved choices and tool calls in their order", () => {
    const call = (index: number, rest: object): object => ({ delta: { tool_calls: [{ index, ...rest }] } });
    const answer = read(
      "chat",
      part({ index: 1, delta: { role: "assistant", content: "b" } }) +
        part({ delta: { role: "assistant", content: null } }) +
        part(call(1, { id: "call_b", type: "function", function: { name: "g", arguments: "" } })) +
        part(call(0, { id: "call_a", type: "function", function: { name: "f", arguments: '{"x"' } })) +
        part(call(1, { function: { arguments: "{}" } })) +
        part(call(0, { function: { name: "f", arguments: ":1}" } })) +
        part({ delta: {}, finish_reason: "tool_calls" }) +
        part({ index: 1, delta: {}, finish_reason: "stop" }) +
        done,
    );
    expect(answer).toMatchObject({
      choices: [
        {
          index: 0,
          finish_reason: "tool_calls",
          message: {
            content: null,
            tool_calls: [
              { id: "call_a", type: "function", function: { name: "f", arguments: '{"x":1}' } },
              { id: "call_b", type: "function", function: { name: "g", arguments: "{}" } },
            ],
          },
        },
        { index: 1, finish_reason: "stop", message: { content: "b" } },
      ],
    });
    expect(JSON.stringify(answer)).not.toContain('"index":1,"id"');
  });

  test("merges what Azure adds: empty first frame, filter results by the worst, filter frames after the finish", () => {
    const filter = (severity: string, filtered = false): object => ({
      hate: { filtered, severity },
      jailbreak: { filtered: false, detected: false },
    });
    const answer = read(
      "chat",
      frame({
        choices: [],
        created: 0,
        id: "",
        model: "",
        object: "",
        prompt_filter_results: [{ prompt_index: 0, content_filter_results: {} }],
      }) +
        part({ delta: { role: "assistant", content: "a" }, content_filter_results: filter("medium", true) }) +
        part({ delta: { content: "b" }, content_filter_results: filter("safe") }) +
        part({ delta: {}, finish_reason: "stop", content_filter_results: {} }) +
        frame({
          id: "",
          object: "",
          created: 0,
          model: "",
          choices: [{ index: 0, finish_reason: null, content_filter_offsets: { check_offset: 1 } }],
        }) +
        done,
    );
    expect(answer).toEqual({
      ...base,
      object: "chat.completion",
      prompt_filter_results: [{ prompt_index: 0, content_filter_results: {} }],
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "ab", refusal: null },
          logprobs: null,
          finish_reason: "stop",
          content_filter_results: filter("medium", true),
        },
      ],
    });
  });

  test("a refusal after an empty text has no content, and the first id stands", () => {
    const answer = read(
      "chat",
      part({ delta: { role: "assistant", content: "" } }) +
        part({ delta: { refusal: "I can" } }) +
        part({ delta: { refusal: "not" }, finish_reason: "stop" }, { id: "other", model: "other" }) +
        done,
    );
    expect(answer).toMatchObject({
      ...base,
      object: "chat.completion",
      choices: [{ message: { content: null, refusal: "I cannot" } }],
    });
  });

  test("keeps what it does not know: reasoning text, annotations, root fields", () => {
    const answer = read(
      "chat",
      part({ delta: { role: "assistant", reasoning_content: "th" } }, { citations: ["u"] }) +
        part({ delta: { reasoning_content: "ink", annotations: [{ type: "url_citation" }] } }) +
        part({ delta: { content: "x", annotations: [{ type: "other" }] } }) +
        part({ delta: {}, finish_reason: "stop" }) +
        done,
    );
    expect(answer).toMatchObject({
      citations: ["u"],
      choices: [
        {
          message: {
            content: "x",
            reasoning_content: "think",
            annotations: [{ type: "url_citation" }, { type: "other" }],
          },
        },
      ],
    });
  });

  test("joins a surrogate pair that was split over chunks, and keeps big numbers", () => {
    const stream =
      part({ delta: { content: "\ud83c" } }) +
      part({ delta: { content: "\udf89" } }) +
      part({ delta: {}, finish_reason: "stop" }) +
      done;
    const bytes = sseToJson("chat", Buffer.from(stream.replaceAll("1700000000", "12345678901234567890")));
    expect(bytes?.toString()).toContain('"created":12345678901234567890');
    expect(JSON.parse(bytes?.toString() ?? "").choices[0].message.content).toBe("🎉");
  });

  test("a hostile key cannot reach a prototype", () => {
    const evil =
      '{"choices":[{"index":0,"delta":{"__proto__":{"polluted":"yes"},"content":"x"},"finish_reason":"stop"}],"__proto__":{"polluted":1}}';
    expect(read("chat", frame(evil) + done)).toBeDefined();
    expect(({} as { polluted?: string }).polluted).toBeUndefined();
  });

  const finished = part({ delta: { content: "a" }, finish_reason: "stop" });
  test.each([
    ["without [DONE]", finished],
    ["with an error", finished + frame({ error: { message: "m" } }) + done],
    ["with an unfinished choice", part({ delta: { content: "a" } }) + done],
    ["with one of two choices unfinished", finished + part({ index: 1, delta: { content: "a" } }) + done],
    ["without choices", usageFrame + done],
    ["with bad JSON", `${finished}data: {\n\n${done}`],
    ["that is empty", ""],
  ])("a stream %s is not rendered", (_name, stream) => {
    expect(sseToJson("chat", Buffer.from(stream))).toBeUndefined();
  });
});

describe("sseToJson for other formats", () => {
  test("completions: text, logprobs and usage", () => {
    const chunk = (text: string, finish: string | null, offset: number): string =>
      frame({
        id: "cmpl",
        object: "text_completion",
        created: 1,
        model: "m",
        choices: [
          {
            text,
            index: 0,
            finish_reason: finish,
            logprobs: { tokens: [text], top_logprobs: [{ index: 0 }], text_offset: [offset] },
          },
        ],
      });
    expect(
      read("completions", chunk("a", null, 0) + chunk("b", "stop", 1) + frame({ choices: [], usage }) + done),
    ).toEqual({
      id: "cmpl",
      object: "text_completion",
      created: 1,
      model: "m",
      usage,
      choices: [
        {
          text: "ab",
          index: 0,
          finish_reason: "stop",
          logprobs: { tokens: ["a", "b"], top_logprobs: [{ index: 0 }, { index: 0 }], text_offset: [0, 1] },
        },
      ],
    });
  });

  test("responses: the response of the terminal event, its output from the items where it is left out", () => {
    const item = { id: "msg", type: "message", content: [] };
    const itemDone = frame({ type: "response.output_item.done", output_index: 0, item });
    const end = (response: object): string => frame({ type: "response.completed", response });
    expect(read("responses", itemDone + end({ id: "r", output: [1] }))).toEqual({ id: "r", output: [1] });
    expect(read("responses", itemDone + end({ id: "r", output: null }))).toEqual({ id: "r", output: [item] });
    const order = [1, 0, 2].map((n) => frame({ type: "response.output_item.done", output_index: n, item: { id: n } }));
    expect(read("responses", order.join("") + end({ id: "r" }))).toEqual({
      id: "r",
      output: [{ id: 0 }, { id: 1 }, { id: 2 }],
    });
    expect(
      read("responses", itemDone + frame({ type: "response.incomplete", response: { id: "r", output: [] } })),
    ).toBeUndefined();
    expect(
      read("responses", itemDone + frame({ error: { code: "x" } }) + end({ id: "r", output: [] })),
    ).toBeUndefined();
  });

  test.each(["images", "transcription", "speech"] as const)("%s: nothing to render", (format) => {
    expect(sseToJson(format, Buffer.from(frame({ type: "image_edit.completed" })))).toBeUndefined();
  });
});
