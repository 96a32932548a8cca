import OpenAI, { APIError } from "openai";
import { describe, expect, test } from "vitest";
import type { StreamFormat } from "../../openai/endpoints.ts";
import { errorFrame } from "./error-frame.ts";
import { createStreamMeter } from "./stream-meter.ts";

const error = { message: 'cut\noff "here"', type: "upstream_error", code: "upstream_truncated", param: null };
const formats: StreamFormat[] = ["chat", "completions", "responses", "images", "transcription", "speech"];

/** Iterates the frame with the official SDK's stream of the format. */
async function iterate(format: StreamFormat, frame: Buffer): Promise<unknown[]> {
  const client = new OpenAI({
    apiKey: "k",
    maxRetries: 0,
    fetch: async () => new Response(new Uint8Array(frame), { headers: { "content-type": "text/event-stream" } }),
  });
  const file = new File(["x"], "x.wav");
  const open = {
    chat: () => client.chat.completions.create({ model: "m", messages: [], stream: true }),
    completions: () => client.completions.create({ model: "m", prompt: "p", stream: true }),
    responses: () => client.responses.create({ model: "m", input: "i", stream: true }),
    images: () => client.images.generate({ model: "m", prompt: "p", stream: true }),
    transcription: () => client.audio.transcriptions.create({ model: "m", file, stream: true }),
    // the SDK gives speech out as bytes; its event stream is read like the others
    speech: () => client.post<AsyncIterable<unknown>>("/audio/speech", { stream: true, body: {} } as object),
  } satisfies Record<StreamFormat, () => PromiseLike<AsyncIterable<unknown>>>;
  const events: unknown[] = [];
  for await (const event of await open[format]()) events.push(event);
  return events;
}

describe("errorFrame", () => {
  test.each(formats)("makes the Node SDK's %s stream throw an APIError with the code", async (format) => {
    const raised = await iterate(format, errorFrame(format, error, 7)).then(
      (events) => `no error, ${events.length} events`,
      (reason: unknown) => reason,
    );
    expect(raised).toBeInstanceOf(APIError);
    expect(raised).toMatchObject({ code: "upstream_truncated", type: "upstream_error", message: error.message });
  });

  test.each(formats)("has the error object that the Python SDK looks for (%s)", (format) => {
    const frame = errorFrame(format, error, 7).toString();
    const data = frame.split("\n").find((line) => line.startsWith("data: "));
    expect(JSON.parse(data?.slice(6) ?? "").error).toEqual(error);
    expect(frame.endsWith("\n\n")).toBe(true);
    expect(frame).not.toContain("[DONE]");
  });

  test.each(formats)("is a failure to our own meter (%s)", (format) => {
    const meter = createStreamMeter(format, { stripUsage: true });
    const frame = errorFrame(format, error);
    expect(meter.event(frame, 0, frame.length)).toBe(true);
    expect([meter.tally.terminal, meter.tally.errorCode]).toEqual(["failed", "upstream_truncated"]);
  });

  test("is numbered on Responses, after the last event", () => {
    expect(errorFrame("responses", error, 7).toString()).toBe(
      'event: error\ndata: {"type":"error","code":"upstream_truncated","message":"cut\\noff \\"here\\"","param":null,"sequence_number":7,' +
        '"error":{"message":"cut\\noff \\"here\\"","type":"upstream_error","param":null,"code":"upstream_truncated"}}\n\n',
    );
  });

  test("is plain data on chat", () => {
    expect(errorFrame("chat", { ...error, message: "m" }).toString()).toBe(
      'data: {"error":{"message":"m","type":"upstream_error","param":null,"code":"upstream_truncated"}}\n\n',
    );
  });
});
