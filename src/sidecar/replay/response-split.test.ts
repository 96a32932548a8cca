import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { jsonToSse } from "./replay.ts";

/** The official SDK, answered with this stream. */
const clientOf = (sse: Buffer | undefined): OpenAI =>
  new OpenAI({
    apiKey: "k",
    maxRetries: 0,
    fetch: async () =>
      new Response(new Uint8Array(sse ?? Buffer.alloc(0)), { headers: { "content-type": "text/event-stream" } }),
  });
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

const response = {
  id: "resp_1",
  object: "response",
  created_at: 1700000000,
  status: "completed",
  error: null,
  incomplete_details: null,
  model: "gpt-5",
  parallel_tool_calls: true,
  tools: [],
  output: [
    {
      id: "rs_1",
      type: "reasoning",
      summary: [{ type: "summary_text", text: "thinking" }],
      content: [{ type: "reasoning_text", text: "deep" }],
    },
    {
      id: "msg_1",
      type: "message",
      role: "assistant",
      status: "completed",
      content: [
        {
          type: "output_text",
          text: "answer 🎉 ".repeat(200),
          annotations: [{ type: "url_citation", url: "https://a.example", title: "t", start_index: 0, end_index: 1 }],
          logprobs: [],
        },
        { type: "refusal", refusal: "but no" },
      ],
    },
    { id: "fc_1", type: "function_call", status: "completed", call_id: "call_1", name: "f", arguments: '{"x":1}' },
    { id: "ct_1", type: "custom_tool_call", status: "completed", call_id: "call_2", name: "g", input: "in" },
    { id: "ws_1", type: "web_search_call", status: "completed", action: { type: "search", query: "q" } },
  ],
  usage: {
    input_tokens: 1,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 2,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 3,
  },
};

describe("the SDK's Responses stream helper", () => {
  test("puts a response together again, from its deltas too", async () => {
    const client = clientOf(jsonToSse("responses", json(response), { includeUsage: false }));
    const stream = client.responses.stream({ model: "m", input: "i" });
    const types: string[] = [];
    const deltas: string[] = [];
    for await (const event of stream) {
      expect(event.sequence_number).toBe(types.length);
      types.push(event.type);
      if (event.type === "response.output_text.delta") deltas.push(event.delta);
    }
    expect(deltas.join("")).toBe("answer 🎉 ".repeat(200));
    expect(await stream.finalResponse()).toMatchObject(response);
    expect(types.filter((type, i) => type !== types[i - 1])).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.reasoning_summary_part.added",
      "response.reasoning_summary_text.delta",
      "response.reasoning_summary_text.done",
      "response.reasoning_summary_part.done",
      "response.content_part.added",
      "response.reasoning_text.delta",
      "response.reasoning_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.annotation.added",
      "response.output_text.done",
      "response.content_part.done",
      "response.content_part.added",
      "response.refusal.delta",
      "response.refusal.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.output_item.added",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.output_item.done",
      "response.output_item.added",
      "response.custom_tool_call_input.delta",
      "response.custom_tool_call_input.done",
      "response.output_item.done",
      "response.output_item.added",
      "response.output_item.done",
      "response.completed",
    ]);
  });

  test("without the output in the terminal event the deltas alone give the same output", async () => {
    const sse = jsonToSse("responses", json(response), { includeUsage: false })?.toString() ?? "";
    const frames = sse.split("\n\n");
    const bare = frames.map((text) =>
      text.startsWith("event: response.completed")
        ? text.replace(/"output":\[.*\],"usage"/, '"output":null,"usage"')
        : text,
    );
    expect(bare.join("\n\n").length).toBeLessThan(sse.length);
    const stream = clientOf(Buffer.from(bare.join("\n\n"))).responses.stream({ model: "m", input: "i" });
    expect((await stream.finalResponse()).output).toMatchObject(response.output);
  });
});
