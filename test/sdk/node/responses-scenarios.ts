/** Responses: whole, streamed, tools, structured, and the state that the provider keeps. */
import { zodTextFormat } from "openai/helpers/zod";
import type { ResponseCreateParamsNonStreaming, Tool } from "openai/resources/responses/responses";
import { z } from "zod";
import { all, type Scenario } from "./scenario.ts";

const ask = {
  model: "gpt-4o",
  instructions: "Be brief.",
  input: "Say grüß Gott 😀.",
} satisfies ResponseCreateParamsNonStreaming;
const weatherTool: Tool = {
  type: "function",
  name: "get_weather",
  strict: true,
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
};
const eventSchema = z.object({ name: z.string(), participants: z.array(z.string()) });

const answers: readonly Scenario[] = [
  { name: "responses", run: (client) => client.responses.create(ask) },
  { name: "responses streamed", run: async (client) => all(await client.responses.create({ ...ask, stream: true })) },
  {
    name: "responses stream helper",
    run: async (client) => {
      const stream = client.responses.stream({ ...ask, user: "fake:reasoning=5;cached=2" });
      const events = await all(stream);
      return { events, final: await stream.finalResponse() };
    },
  },
  {
    name: "responses with tools streamed",
    run: async (client) =>
      all(await client.responses.create({ ...ask, tools: [weatherTool], tool_choice: "required", stream: true })),
  },
  {
    name: "responses tool loop",
    run: async (client) => {
      const first = await client.responses.create({ ...ask, tools: [weatherTool], tool_choice: "required" });
      const outputs = first.output.flatMap((item) =>
        item.type === "function_call"
          ? [{ type: "function_call_output" as const, call_id: item.call_id, output: "21 C" }]
          : [],
      );
      const more = { model: "gpt-4o", previous_response_id: first.id, tools: [weatherTool] };
      return { first, second: await client.responses.create({ ...more, input: outputs }) };
    },
  },
  {
    name: "responses parsed",
    run: async (client) => {
      const done = await client.responses.parse({ ...ask, text: { format: zodTextFormat(eventSchema, "event") } });
      return { done, parsed: eventSchema.parse(done.output_parsed) };
    },
  },
  {
    name: "responses with vision",
    run: (client) =>
      client.responses.create({
        model: "gpt-4o",
        input: [
          {
            role: "user",
            content: [
              { type: "input_text", text: "What is this?" },
              { type: "input_image", image_url: "https://images.invalid/cat.png", detail: "auto" },
            ],
          },
        ],
      }),
  },
  {
    name: "responses cut by their length",
    run: async (client) =>
      all(await client.responses.create({ ...ask, max_output_tokens: 16, user: "fake:tokens=40", stream: true })),
  },
  {
    name: "responses input tokens",
    run: (client) => client.responses.inputTokens.count({ model: "gpt-4o", input: "How many tokens is this?" }),
  },
];

const state: readonly Scenario[] = [
  {
    name: "responses retrieved, listed, deleted",
    run: async (client) => {
      const made = await client.responses.create(ask);
      const got = await client.responses.retrieve(made.id);
      const items = await all(client.responses.inputItems.list(made.id, { limit: 1, order: "asc" }));
      await client.responses.delete(made.id);
      return { got, items };
    },
  },
  {
    name: "responses retrieved as a stream",
    run: async (client) => {
      const made = await client.responses.create(ask);
      return all(await client.responses.retrieve(made.id, { stream: true, starting_after: 2 }));
    },
  },
  {
    name: "responses continued",
    run: async (client) => {
      const first = await client.responses.create(ask);
      return client.responses.create({ model: "gpt-4o", previous_response_id: first.id, input: "And again?" });
    },
  },
  {
    name: "responses in the background",
    run: async (client) => {
      const queued = await client.responses.create({ ...ask, background: true, user: "fake:polls=1" });
      const polls = [await client.responses.retrieve(queued.id), await client.responses.retrieve(queued.id)];
      return { queued, polls };
    },
  },
  {
    name: "responses cancelled",
    run: async (client) => {
      const queued = await client.responses.create({ ...ask, background: true, user: "fake:polls=9" });
      return client.responses.cancel(queued.id);
    },
  },
  {
    name: "conversations",
    run: async (client) => {
      const made = await client.conversations.create({
        metadata: { topic: "demo" },
        items: [{ type: "message", role: "user", content: "Hello!" }],
      });
      const said = await client.responses.create({ ...ask, conversation: made.id });
      const updated = await client.conversations.update(made.id, { metadata: { topic: "other" } });
      const added = await client.conversations.items.create(made.id, {
        items: [{ type: "message", role: "user", content: "More." }],
      });
      const items = await all(client.conversations.items.list(made.id, { order: "asc", limit: 2 }));
      const item = await client.conversations.items.retrieve(added.first_id, { conversation_id: made.id });
      await client.conversations.items.delete(added.first_id, { conversation_id: made.id });
      const got = await client.conversations.retrieve(made.id);
      return { made, said, updated, added, items, item, got, deleted: await client.conversations.delete(made.id) };
    },
  },
];

/** Uses of `/responses` and `/conversations`. */
export const responsesScenarios: readonly Scenario[] = [...answers, ...state];
