/** Chat completions: whole and streamed, tools, structured outputs, vision. */
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import type {
  ChatCompletionCreateParamsNonStreaming,
  ChatCompletionMessageParam,
} from "openai/resources/chat/completions";
import { z } from "zod";
import { all, type Scenario } from "./scenario.ts";

const model = "gpt-4o";
const messages: ChatCompletionMessageParam[] = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "Say grüß Gott 😀 to 北京." },
];
const ask = { model, messages } satisfies ChatCompletionCreateParamsNonStreaming;

const weatherTool = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather of a city",
    strict: true,
    parameters: {
      type: "object",
      properties: { city: { type: "string" }, unit: { type: "string", enum: ["C", "F"] } },
      required: ["city", "unit"],
      additionalProperties: false,
    },
  },
} as const;

const eventSchema = z.object({ name: z.string(), day: z.string(), participants: z.array(z.string()) });
const pixel =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const plainChat: readonly Scenario[] = [
  { name: "chat", run: (client) => client.chat.completions.create(ask) },
  {
    name: "chat, every parameter",
    run: (client) =>
      client.chat.completions.create({
        ...ask,
        temperature: 0.25,
        top_p: 0.9,
        n: 2,
        seed: 7,
        stop: ["END"],
        max_completion_tokens: 5,
        presence_penalty: 0.5,
        frequency_penalty: -0.5,
        logprobs: true,
        top_logprobs: 2,
        logit_bias: { "50256": -100 },
        metadata: { team: "tests" },
        reasoning_effort: "low",
        service_tier: "auto",
      }),
  },
  {
    name: "chat with the raw response",
    run: async (client) => {
      const { data, response, request_id } = await client.chat.completions.create(ask).withResponse();
      const headers = ["content-type", "openai-version", "x-ratelimit-remaining-tokens", "apim-request-id"];
      return { data, request_id, status: response.status, headers: headers.map((name) => response.headers.get(name)) };
    },
  },
  { name: "chat stream", run: async (client) => all(await client.chat.completions.create({ ...ask, stream: true })) },
  {
    name: "chat stream of two choices",
    run: async (client) => all(await client.chat.completions.create({ ...ask, n: 2, logprobs: true, stream: true })),
  },
  {
    name: "chat stream with usage",
    run: async (client) =>
      all(await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })),
  },
  {
    name: "chat stream helper",
    run: async (client) => {
      const stream = client.chat.completions.stream(ask);
      const deltas: string[] = [];
      stream.on("content", (delta) => deltas.push(delta));
      return { final: await stream.finalChatCompletion(), deltas };
    },
  },
  {
    name: "chat with vision",
    run: (client) =>
      client.chat.completions.create({
        model,
        messages: [
          {
            role: "user",
            content: [
              { type: "text", text: "What is this?" },
              { type: "image_url", image_url: { url: pixel, detail: "low" } },
              { type: "image_url", image_url: { url: "https://images.invalid/cat.png" } },
            ],
          },
        ],
      }),
  },
  {
    name: "chat with audio and a file",
    run: (client) =>
      client.chat.completions.create({
        model,
        messages: [
          {
            role: "user",
            content: [
              { type: "input_audio", input_audio: { data: "UklGRg==", format: "wav" } },
              { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,JVBERi0=" } },
            ],
          },
        ],
      }),
  },
  {
    name: "chat that is refused by the model",
    run: async (client) =>
      all(await client.chat.completions.create({ ...ask, user: "fake:refusal=No.", stream: true })),
  },
  {
    name: "chat cut by its length",
    run: async (client) => all(await client.chat.completions.create({ ...ask, max_tokens: 3, stream: true })),
  },
];

const toolChat: readonly Scenario[] = [
  {
    name: "tools",
    run: (client) => client.chat.completions.create({ ...ask, tools: [weatherTool], tool_choice: "required" }),
  },
  {
    name: "tools streamed",
    run: async (client) =>
      all(
        await client.chat.completions.create({ ...ask, tools: [weatherTool], tool_choice: "required", stream: true }),
      ),
  },
  {
    name: "parallel tools streamed",
    run: async (client) => {
      const user = "fake:tool=get_weather;calls=3";
      const stream = client.chat.completions.stream({ ...ask, tools: [weatherTool], tool_choice: "required", user });
      return { final: await stream.finalChatCompletion(), last: await stream.finalFunctionToolCall() };
    },
  },
  {
    name: "parallel tools streamed, fragments alternating",
    run: async (client) => {
      const user = "fake:tool=get_weather;calls=3;interleave=1";
      const tools = [weatherTool];
      return all(await client.chat.completions.create({ ...ask, tools, tool_choice: "required", user, stream: true }));
    },
  },
  {
    name: "tool loop",
    run: async (client) => {
      const first = await client.chat.completions.create({ ...ask, tools: [weatherTool], tool_choice: "required" });
      const asked = first.choices[0]?.message;
      if (!asked?.tool_calls) throw new Error("the model called no tool");
      const results = asked.tool_calls.map((call) => ({
        role: "tool" as const,
        tool_call_id: call.id,
        content: "21 C",
      }));
      return client.chat.completions.create({
        model,
        messages: [...messages, asked, ...results],
        tools: [weatherTool],
      });
    },
  },
  {
    name: "custom tool streamed",
    run: async (client) =>
      all(
        await client.chat.completions.create({
          ...ask,
          tools: [{ type: "custom", custom: { name: "shell" } }],
          tool_choice: "required",
          stream: true,
        }),
      ),
  },
  {
    name: "legacy functions streamed",
    run: async (client) =>
      all(
        await client.chat.completions.create({
          ...ask,
          functions: [weatherTool.function],
          function_call: { name: "get_weather" },
          stream: true,
        }),
      ),
  },
];

const structuredChat: readonly Scenario[] = [
  {
    name: "structured output parsed",
    run: async (client) => {
      const format = zodResponseFormat(eventSchema, "event");
      const done = await client.chat.completions.parse({ ...ask, response_format: format });
      return { done, parsed: eventSchema.parse(done.choices[0]?.message.parsed) };
    },
  },
  {
    name: "structured output streamed",
    run: async (client) => {
      const format = zodResponseFormat(eventSchema, "event");
      const done = await client.chat.completions.stream({ ...ask, response_format: format }).finalChatCompletion();
      return { done, parsed: eventSchema.parse(done.choices[0]?.message.parsed) };
    },
  },
  {
    name: "structured tool arguments parsed",
    run: async (client) => {
      const tool = zodFunction({ name: "make_event", parameters: eventSchema });
      const done = await client.chat.completions.parse({ ...ask, tools: [tool], tool_choice: "required" });
      const call = done.choices[0]?.message.tool_calls?.[0];
      return {
        done,
        parsed: eventSchema.parse(call?.type === "function" ? call.function.parsed_arguments : undefined),
      };
    },
  },
  {
    name: "JSON mode",
    run: (client) =>
      client.chat.completions.create({
        model,
        messages: [{ role: "user", content: "Answer in json." }],
        response_format: { type: "json_object" },
      }),
  },
];

/** Uses of `/chat/completions`. */
export const chatScenarios: readonly Scenario[] = [...plainChat, ...toolChat, ...structuredChat];
