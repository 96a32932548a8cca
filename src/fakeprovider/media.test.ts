import OpenAI, { toFile } from "openai";
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

describe("legacy completions", () => {
  test("answer each prompt, as JSON and as a stream with usage", async () => {
    const made = await openai.completions.create({ model: "gpt-3.5-turbo-instruct", prompt: ["a", "b"] });
    expect(made.choices).toHaveLength(2);
    expect(made.usage).toMatchObject({ prompt_tokens: 1, completion_tokens: 16 });
    const body = { model: "gpt-3.5-turbo-instruct", prompt: "a", stream_options: { include_usage: true } };
    const chunks = await collected(await openai.completions.create({ ...body, stream: true }));
    expect(chunks).toHaveLength(10);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 8 } });
  });
});

describe("embeddings", () => {
  test("are the same vector for the same text, as numbers and as base64", async () => {
    const ask = (encoding_format: "float" | "base64") =>
      openai.embeddings.create({ model: "text-embedding-3-small", input: ["one", "two", "one"], encoding_format });
    const floats = await ask("float");
    expect(floats.data[0]?.embedding).toHaveLength(1536);
    expect(floats.data[2]?.embedding).toEqual(floats.data[0]?.embedding);
    expect(floats.data[1]?.embedding).not.toEqual(floats.data[0]?.embedding);
    expect(floats.usage).toEqual({ prompt_tokens: 3, total_tokens: 3 });
    const encoded = String((await ask("base64")).data[0]?.embedding);
    expect(Buffer.from(encoded, "base64").readFloatLE(0)).toBe(floats.data[0]?.embedding[0]);
  });

  test("take dimensions and refuse an empty input", async () => {
    const model = "text-embedding-3-large";
    expect((await openai.embeddings.create({ model, input: "x", dimensions: 8 })).data[0]?.embedding).toHaveLength(8);
    await expect(openai.embeddings.create({ model, input: "" })).rejects.toMatchObject({ status: 400 });
  });
});

test("moderation flags violence and nothing else", async () => {
  const { results } = await openai.moderations.create({ input: ["a flower", "I will kill"] });
  expect(results.map(({ flagged }) => flagged)).toEqual([false, true]);
});

describe("images", () => {
  test("are generated and edited as base64 with usage", async () => {
    const made = await openai.images.generate({ model: "gpt-image-1", prompt: "a cat", n: 2 });
    expect(
      Buffer.from(made.data?.[0]?.b64_json ?? "", "base64")
        .subarray(1, 4)
        .toString(),
    ).toBe("PNG");
    expect(made.usage).toMatchObject({ input_tokens: 2, output_tokens: 544 });
    const image = await toFile(Buffer.from("png"), "cat.png", { type: "image/png" });
    const edited = await openai.images.edit({ model: "gpt-image-1", image: [image, image], prompt: "a dog" });
    expect(edited.usage?.input_tokens_details?.image_tokens).toBe(200);
  });

  test("stream partial images, then the whole with usage", async () => {
    const body = { model: "gpt-image-1", prompt: "a cat", partial_images: 2, stream: true as const };
    const events = await collected(await openai.images.generate(body));
    expect(events.map(({ type }) => type)).toEqual([
      "image_generation.partial_image",
      "image_generation.partial_image",
      "image_generation.completed",
    ]);
    expect(events.at(-1)).toHaveProperty("usage.output_tokens", 272);
  });

  test("of the older models are URLs", async () => {
    expect((await openai.images.generate({ model: "dall-e-3", prompt: "a cat" })).data?.[0]?.url).toMatch(/^https:/);
  });
});

describe("audio", () => {
  test("speech is binary in chunks, or events", async () => {
    const sound = await openai.audio.speech.create({ model: "tts-1", voice: "alloy", input: "hi" });
    expect(sound.headers.get("content-type")).toBe("audio/mpeg");
    expect(sound.headers.get("transfer-encoding")).toBe("chunked");
    const bytes = Buffer.from(await sound.arrayBuffer());
    expect(bytes.subarray(0, 2)).toEqual(Buffer.from([0xff, 0xfb]));
    const body = { model: "gpt-4o-mini-tts", voice: "alloy", input: "hi", stream_format: "sse" as const };
    const stream = await (await openai.audio.speech.create(body)).text();
    expect(stream.trimEnd().split("\n\n").at(-1)).toContain('"speech.audio.done"');
  });

  test.each([
    { format: "json" as const, want: { text: expect.any(String), usage: { type: "duration", seconds: 2 } } },
    { format: "verbose_json" as const, want: { duration: 2, segments: expect.any(Array), language: "english" } },
  ])("whisper answers $format", async ({ format, want }) => {
    const file = await toFile(Buffer.alloc(40_000), "a.wav");
    const heard = await openai.audio.transcriptions.create({ model: "whisper-1", file, response_format: format });
    expect(heard).toMatchObject(want);
  });

  test.each(["text", "srt", "vtt"] as const)("a transcript can be plain %s", async (response_format) => {
    const file = await toFile(Buffer.alloc(10), "a.wav");
    const heard = await openai.audio.transcriptions.create({ model: "whisper-1", file, response_format });
    expect(typeof heard).toBe("string");
  });

  test("a newer model streams deltas and ends with token usage", async () => {
    const file = await toFile(Buffer.alloc(40_000), "a.wav");
    const stream = await openai.audio.transcriptions.create({ model: "gpt-4o-transcribe", file, stream: true });
    const events = await collected(stream);
    expect(events).toHaveLength(9);
    expect(events.at(-1)).toMatchObject({
      type: "transcript.text.done",
      usage: { input_tokens: 20, output_tokens: 8 },
    });
  });

  test("a translation is text alone", async () => {
    const file = await toFile(Buffer.alloc(10), "a.wav");
    expect(Object.keys(await openai.audio.translations.create({ model: "whisper-1", file }))).toContain("text");
  });

  test("a form field can ask for a behaviour", async () => {
    const file = await toFile(Buffer.alloc(10), "a.wav");
    const body = { model: "whisper-1", file, user: "fake:status=500" };
    await expect(openai.audio.transcriptions.create(body)).rejects.toBeInstanceOf(OpenAI.InternalServerError);
  });

  test("a form whose end is missing is refused", async () => {
    const headers = { authorization: "Bearer k", "content-type": "multipart/form-data; boundary=b" };
    const body = '--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1';
    const answer = await fetch(`${provider.url}/v1/audio/transcriptions`, { method: "POST", headers, body });
    expect(answer.status).toBe(400);
  });
});
