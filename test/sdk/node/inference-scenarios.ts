/** The other endpoints that answer at once: completions, embeddings, moderations, images, audio. */
import { toFile } from "openai";
import { all, binary, type Scenario } from "./scenario.ts";

const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
const picture = () => toFile(png, "cat.png", { type: "image/png" });
/** Every byte value, and what looks like the end of a form. */
const sound = () =>
  toFile(
    Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, i) => i)), Buffer.from("\r\n--x--\r\n")]),
    "speech.wav",
    {
      type: "audio/wav",
    },
  );

const text: readonly Scenario[] = [
  {
    name: "completions",
    run: (client) =>
      client.completions.create({ model: "gpt-3.5-turbo-instruct", prompt: ["One", "Two"], max_tokens: 4 }),
  },
  {
    name: "completions streamed",
    run: async (client) =>
      all(await client.completions.create({ model: "gpt-3.5-turbo-instruct", prompt: "One", stream: true })),
  },
  {
    name: "embeddings",
    run: (client) =>
      client.embeddings.create({ model: "text-embedding-3-small", input: ["one", "two"], dimensions: 8 }),
  },
  {
    name: "embeddings as floats",
    run: (client) =>
      client.embeddings.create({
        model: "text-embedding-3-small",
        input: "one",
        dimensions: 4,
        encoding_format: "float",
      }),
  },
  {
    name: "embeddings as base64",
    run: (client) =>
      client.embeddings.create({
        model: "text-embedding-3-small",
        input: [[1, 2, 3]],
        encoding_format: "base64",
        dimensions: 4,
      }),
  },
  {
    name: "moderations",
    run: (client) =>
      client.moderations.create({ model: "omni-moderation-latest", input: ["hello", "kill the process"] }),
  },
];

const media: readonly Scenario[] = [
  {
    name: "images generated",
    run: (client) => client.images.generate({ model: "gpt-image-1", prompt: "A cat", n: 2, size: "1024x1024" }),
  },
  {
    name: "images generated as a stream",
    run: async (client) =>
      all(await client.images.generate({ model: "gpt-image-1", prompt: "A cat", stream: true, partial_images: 2 })),
  },
  {
    name: "images edited",
    run: async (client) =>
      client.images.edit({ model: "gpt-image-1", prompt: "A hat", image: [await picture(), await picture()] }),
  },
  {
    name: "images edited as a stream",
    run: async (client) =>
      all(await client.images.edit({ model: "gpt-image-1", prompt: "A hat", image: await picture(), stream: true })),
  },
  {
    name: "speech",
    run: async (client) =>
      binary(await client.audio.speech.create({ model: "tts-1", voice: "alloy", input: "Hello." })),
  },
  {
    name: "speech as events",
    run: async (client) => {
      const ask = { model: "gpt-4o-mini-tts", voice: "alloy", input: "Hello.", stream_format: "sse" } as const;
      return (await client.audio.speech.create(ask)).text();
    },
  },
  {
    name: "transcription",
    run: async (client) =>
      client.audio.transcriptions.create({ model: "whisper-1", file: await sound(), language: "en" }),
  },
  {
    name: "transcription streamed",
    run: async (client) =>
      all(await client.audio.transcriptions.create({ model: "gpt-4o-transcribe", file: await sound(), stream: true })),
  },
  {
    name: "transcription as subtitles",
    run: async (client) =>
      client.audio.transcriptions.create({ model: "whisper-1", file: await sound(), response_format: "srt" }),
  },
  {
    name: "transcription with segments",
    run: async (client) =>
      client.audio.transcriptions.create({ model: "whisper-1", file: await sound(), response_format: "verbose_json" }),
  },
  {
    name: "translation",
    run: async (client) => client.audio.translations.create({ model: "whisper-1", file: await sound() }),
  },
];

/** Uses of the endpoints that keep no state, but chat and responses. */
export const inferenceScenarios: readonly Scenario[] = [...text, ...media];
