import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
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
beforeEach(() => provider.reset());

const hello = { model: "gpt-4o", messages: [{ role: "user" as const, content: "Say hello" }] };
const weatherTool = {
  type: "function" as const,
  function: {
    name: "get_weather",
    parameters: {
      type: "object",
      properties: { city: { type: "string" }, days: { type: "integer" } },
      required: ["city"],
    },
  },
};
const weather = {
  model: "gpt-4o",
  messages: [{ role: "user" as const, content: "What is the weather?" }],
  tools: [weatherTool],
};

describe("chat as JSON", () => {
  test("an answer has words, usage by the documented rule and the dated model", async () => {
    const { data, response, request_id } = await openai.chat.completions.create(hello).withResponse();
    expect(data.choices[0]?.message.content?.split(" ")).toHaveLength(8);
    expect(data.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 8, total_tokens: 11 });
    expect(data.model).toBe("gpt-4o-2024-08-06");
    expect(request_id).toMatch(/^req_/);
    expect(response.headers.get("x-ratelimit-remaining-tokens")).toBe("1999984");
  });

  test("two providers of one seed say the same, and one never says an id twice", async () => {
    const other = await startFakeProvider();
    const fresh = await startFakeProvider();
    const ask = (at: FakeProvider) =>
      new OpenAI({ apiKey: "k", baseURL: `${at.url}/v1` }).chat.completions.create(hello);
    const [first, again] = [await ask(other), await ask(other)];
    expect(await ask(fresh)).toEqual(first);
    expect(again.id).not.toBe(first.id);
    await Promise.all([other.close(), fresh.close()]);
  });

  test("max_tokens cuts the answer and says length", async () => {
    const answer = await openai.chat.completions.create({ ...hello, max_tokens: 3 });
    expect(answer.choices[0]).toMatchObject({ finish_reason: "length" });
    expect(answer.usage?.completion_tokens).toBe(3);
  });

  test("n choices differ and are all counted", async () => {
    const answer = await openai.chat.completions.create({ ...hello, n: 3 });
    expect(new Set(answer.choices.map((choice) => choice.message.content)).size).toBe(3);
    expect(answer.usage?.completion_tokens).toBe(24);
  });

  test("a schema is answered with an instance of it", async () => {
    const schema = {
      type: "object",
      additionalProperties: false,
      required: ["name", "age", "tags", "kind", "owner"],
      properties: {
        name: { type: "string" },
        age: { type: "integer", minimum: 18 },
        tags: { type: "array", items: { type: "string" } },
        kind: { enum: ["cat", "dog"] },
        owner: { $ref: "#/$defs/owner" },
      },
      $defs: { owner: { type: "object", properties: { isHome: { type: "boolean" } } } },
    };
    const format = { type: "json_schema" as const, json_schema: { name: "pet", strict: true, schema } };
    const answer = await openai.chat.completions.create({ ...hello, response_format: format });
    expect(JSON.parse(answer.choices[0]?.message.content ?? "")).toEqual({
      name: "amber",
      age: 18,
      tags: ["amber"],
      kind: "cat",
      owner: { isHome: true },
    });
  });

  test("an image in the prompt counts 100 tokens", async () => {
    const image = { type: "image_url" as const, image_url: { url: "data:image/png;base64,AAAA" } };
    const content = [{ type: "text" as const, text: "Look" }, image];
    const answer = await openai.chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content }] });
    expect(answer.usage?.prompt_tokens).toBe(101);
  });

  test("a question about the weather is answered with a tool call, its result with words", async () => {
    const first = await openai.chat.completions.create(weather);
    const message = first.choices[0]?.message;
    const call = message?.tool_calls?.[0];
    expect(first.choices[0]?.finish_reason).toBe("tool_calls");
    expect(call).toMatchObject({
      type: "function",
      function: { name: "get_weather", arguments: '{"city":"amber","days":7}' },
    });
    if (message === undefined || call === undefined) return;
    const messages = [...weather.messages, message, { role: "tool" as const, tool_call_id: call.id, content: "sunny" }];
    const second = await openai.chat.completions.create({ ...weather, messages });
    expect(second.choices[0]?.message.content).toBeTruthy();
  });

  test("a tool forced by name ends with stop", async () => {
    const forced = { type: "function" as const, function: { name: "get_weather" } };
    const answer = await openai.chat.completions.create({ ...hello, tools: [weatherTool], tool_choice: forced });
    expect(answer.choices[0]?.finish_reason).toBe("stop");
    expect(answer.choices[0]?.message.tool_calls).toHaveLength(1);
  });

  test("a stored completion can be listed, read, changed and deleted", async () => {
    const made = await openai.chat.completions.create({ ...hello, store: true });
    expect((await openai.chat.completions.retrieve(made.id)).id).toBe(made.id);
    expect((await openai.chat.completions.list()).data.map(({ id }) => id)).toContain(made.id);
    expect(await openai.chat.completions.update(made.id, { metadata: { a: "b" } })).toMatchObject({
      metadata: { a: "b" },
    });
    expect((await openai.chat.completions.messages.list(made.id)).data[0]).toMatchObject({ content: "Say hello" });
    expect(await openai.chat.completions.delete(made.id)).toMatchObject({ deleted: true });
    await expect(openai.chat.completions.retrieve(made.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });
});

describe("chat as a stream", () => {
  const chunksOf = async (body: Partial<OpenAI.ChatCompletionCreateParamsStreaming>) => {
    const stream = await openai.chat.completions.create({ ...hello, ...body, stream: true });
    return collected(stream);
  };

  test("has a role chunk, one chunk per word and a finish chunk, without usage", async () => {
    const chunks = await chunksOf({});
    expect(chunks).toHaveLength(10);
    expect(chunks[0]?.choices[0]?.delta).toMatchObject({ role: "assistant", content: "" });
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe("stop");
    expect(chunks.every((chunk) => !("usage" in chunk))).toBe(true);
  });

  test("with include_usage every chunk has null usage and an extra one without choices has the totals", async () => {
    const chunks = await chunksOf({ stream_options: { include_usage: true } });
    expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 8 } });
  });

  test("tool calls come in fragments that join to the arguments, alternating when asked", async () => {
    const chunks = await chunksOf({ ...weather, user: "fake:calls=2;interleave=1" });
    const parts = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
    expect(parts.slice(0, 4).map(({ index }) => index)).toEqual([0, 1, 0, 1]);
    for (const index of [0, 1]) {
      const own = parts.filter((part) => part.index === index);
      expect(own[0]).toMatchObject({ type: "function", function: { name: "get_weather", arguments: "" } });
      expect(own.map((part) => part.function?.arguments).join("")).toBe('{"city":"amber","days":7}');
    }
  });

  test("choices of n take turns", async () => {
    const chunks = await chunksOf({ n: 2 });
    expect(chunks.slice(0, 4).map((chunk) => chunk.choices[0]?.index)).toEqual([0, 1, 0, 1]);
  });

  test.each([
    { name: "tokens sets the words", user: "fake:tokens=20", want: 23 },
    { name: "chunks sets the content events", user: "fake:answer=one two three;chunks=2", want: 5 },
    { name: "usage=none leaves the usage chunk out", user: "fake:usage=none", want: 10 },
    { name: "usage=twice sends it again", user: "fake:usage=twice", want: 12 },
    { name: "big makes one content event", user: "fake:big=100000", want: 4 },
  ])("$name", async ({ user, want }) => {
    expect(await chunksOf({ user, stream_options: { include_usage: true } })).toHaveLength(want);
  });

  test("error=k raises the provider's error after k events", async () => {
    await expect(chunksOf({ user: "fake:error=3;code=rate_limit_exceeded" })).rejects.toMatchObject({
      code: "rate_limit_exceeded",
    });
  });
});
