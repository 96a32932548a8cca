import { describe, expect, test } from "vitest";
import type { StreamFormat } from "../../openai/endpoints.ts";
import { SseSplitter } from "./sse.ts";
import { createStreamMeter } from "./stream-meter.ts";
import type { Tally } from "./tally.ts";

const frame = (data: unknown): string => `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
const named = (event: { type: string; [field: string]: unknown }): string => `event: ${event.type}\n${frame(event)}`;
const tallyOf = (format: StreamFormat, frames: readonly string[]): Tally => {
  const meter = createStreamMeter(format, { stripUsage: true });
  const splitter = new SseSplitter(meter);
  const bytes = Buffer.from(frames.join(""));
  expect(splitter.push(bytes)).toBe(bytes);
  return meter.tally;
};

const readUsage = { inputTokens: 10, cachedInputTokens: 2, outputTokens: 5, reasoningTokens: 0, totalTokens: 15 };

const response = {
  id: "resp_1",
  model: "gpt-5",
  service_tier: "flex",
  status: "completed",
  incomplete_details: null,
  error: null,
};
const responsesUsage = {
  input_tokens: 10,
  input_tokens_details: { cached_tokens: 2 },
  output_tokens: 5,
  total_tokens: 15,
};
const ended = (type: string, rest: object): string => named({ type, sequence_number: 9, ...rest });
const responseStream = (last: string): string[] => [
  named({
    type: "response.created",
    sequence_number: 0,
    response: { ...response, service_tier: "auto", status: "in_progress", usage: null },
  }),
  named({ type: "response.output_item.added", sequence_number: 1, item: { text: "not counted" } }),
  named({ type: "response.output_text.delta", sequence_number: 2, item_id: "m", delta: 'abc"usage":{', logprobs: [] }),
  named({ type: "response.function_call_arguments.delta", sequence_number: 3, delta: "{}" }),
  named({ type: "response.output_text.done", sequence_number: 4, text: "abc, not again" }),
  last,
];

describe("a Responses meter", () => {
  test("tells terminal, usage, output and names", () => {
    const tally = tallyOf(
      "responses",
      responseStream(ended("response.completed", { response: { ...response, usage: responsesUsage } })),
    );
    expect(tally).toMatchObject({
      terminal: "completed",
      usage: readUsage,
      deltaEvents: 2,
      outputBytes: 14,
      model: "gpt-5",
      serviceTier: "flex",
      responseId: "resp_1",
      finishReasons: ["completed"],
      nextSequenceNumber: 10,
    });
  });

  test.each([
    {
      name: "incomplete",
      last: ended("response.incomplete", {
        response: {
          ...response,
          status: "incomplete",
          incomplete_details: { reason: "max_output_tokens" },
          usage: responsesUsage,
        },
      }),
      want: { terminal: "incomplete", finishReasons: ["max_output_tokens"], usage: readUsage },
    },
    {
      name: "failed",
      last: ended("response.failed", {
        response: { ...response, status: "failed", error: { code: "server_error", message: "m" } },
      }),
      want: { terminal: "failed", errorCode: "server_error" },
    },
    {
      name: "failed after work that is billed",
      last: ended("response.failed", {
        response: { ...response, status: "failed", error: { code: "server_error" }, usage: responsesUsage },
      }),
      want: { terminal: "failed", errorCode: "server_error", usage: readUsage },
    },
    {
      name: "an error event",
      last: ended("error", { code: "rate_limit_exceeded", message: "m", param: null }),
      want: { terminal: "failed", errorCode: "rate_limit_exceeded" },
    },
    {
      name: "an error object without type",
      last: frame({ error: { code: "boom" } }),
      want: { terminal: "failed", errorCode: "boom" },
    },
    {
      name: "a terminal whose type comes last",
      last: frame({ response: { ...response, usage: responsesUsage }, type: "response.completed" }),
      want: { terminal: "completed", usage: readUsage },
    },
    {
      name: "a terminal known by its event name alone",
      last: `event: response.completed\n${frame({ response: { usage: responsesUsage } })}`,
      want: { terminal: "completed", usage: readUsage },
    },
    {
      name: "an unreadable terminal",
      last: frame('{"type":"response.completed","response":{'),
      want: { terminal: "failed", errorCode: "unreadable_event", usageFault: "unreadable" },
    },
    {
      name: "an unknown event",
      last: frame({ type: "response.new_thing", response: {} }),
      want: { terminal: undefined },
    },
    { name: "a prototype's name as type", last: frame({ type: "constructor" }), want: { terminal: undefined } },
  ])("understands $name", ({ last, want }) => {
    expect(tallyOf("responses", responseStream(last))).toMatchObject(want);
  });
});

test("the first of two terminals stands and is told once", () => {
  const meter = createStreamMeter("responses", { stripUsage: false });
  let told = 0;
  meter.onTerminal = () => {
    told += 1;
  };
  const completed = Buffer.from(ended("response.completed", { response: { ...response, usage: responsesUsage } }));
  const failed = Buffer.from(ended("error", { code: "late" }));
  for (const bytes of [completed, failed, completed]) meter.event(bytes, 0, bytes.length);
  expect([meter.tally.terminal, told]).toEqual(["completed", 1]);
});

describe("meters of other formats", () => {
  test.each([
    {
      format: "transcription" as const,
      frames: [
        named({ type: "transcript.text.delta", delta: "hi " }),
        named({
          type: "transcript.text.done",
          text: "hi ",
          usage: { type: "tokens", input_tokens: 3, output_tokens: 2, total_tokens: 5 },
        }),
      ],
      want: { terminal: "completed", outputBytes: 3, usage: { totalTokens: 5 } },
    },
    {
      format: "transcription" as const,
      frames: [named({ type: "transcript.text.done", text: "hi", usage: { type: "duration", seconds: 4 } })],
      want: { terminal: "completed", usage: { seconds: 4, totalTokens: 0 } },
    },
    {
      format: "speech" as const,
      frames: [
        named({ type: "speech.audio.delta", audio: "QUJD" }),
        named({ type: "speech.audio.done", usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 } }),
      ],
      want: { terminal: "completed", mediaBytes: 4, outputBytes: 0, usage: { totalTokens: 5 } },
    },
    {
      format: "images" as const,
      frames: [
        named({ type: "image_generation.partial_image", b64_json: "QUJD" }),
        named({
          type: "image_generation.completed",
          b64_json: "QUJDRA==",
          usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
        }),
      ],
      want: { terminal: "completed", mediaBytes: 12, images: 1, usage: { totalTokens: 5, images: 1 } },
    },
    {
      format: "images" as const,
      frames: [named({ type: "image_edit.completed", b64_json: "QUJD" })],
      want: { terminal: "completed", images: 1, usageEvents: 0 },
    },
  ])("$format", ({ format, frames, want }) => {
    expect(tallyOf(format, frames)).toMatchObject(want);
  });
});
