import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { StreamFormat } from "../../openai/endpoints.ts";
import { SseSplitter } from "./sse.ts";
import { createStreamMeter } from "./stream-meter.ts";
import type { Tally } from "./tally.ts";

/** Meters the pieces of a stream. */
function meterOf(
  format: StreamFormat,
  pieces: readonly Buffer[],
  stripUsage = false,
): { tally: Tally; out: string; ended: number } {
  const meter = createStreamMeter(format, { stripUsage });
  let ended = 0;
  meter.onTerminal = () => {
    ended += 1;
  };
  const splitter = new SseSplitter(meter);
  const out = pieces.map((piece) => splitter.push(piece)?.toString("latin1") ?? "");
  out.push(splitter.flush()?.toString("latin1") ?? "");
  return { tally: meter.tally, out: out.join(""), ended };
}

const frame = (data: unknown): string => `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
const named = (event: { type: string; [field: string]: unknown }): string => `event: ${event.type}\n${frame(event)}`;

const chunk = (rest: object): string => frame({ id: "c", model: "m", choices: [], ...rest });
const content = (text: string): string =>
  chunk({ choices: [{ index: 0, delta: { content: text }, finish_reason: null }] });
const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const responsesUsage = { input_tokens: 10, output_tokens: 5, total_tokens: 15 };

describe("any meter", () => {
  const streams: { format: StreamFormat; text: string }[] = [
    { format: "chat", text: content("Hello ") + content('"usage":{"a":1} ✓') + chunk({ usage }) + frame("[DONE]") },
    { format: "chat", text: content("é🎉") + frame({ error: { code: "x" } }) },
    {
      format: "responses",
      text:
        named({ type: "response.created", sequence_number: 0, response: { id: "r", model: "m" } }) +
        named({ type: "response.output_text.delta", sequence_number: 1, delta: "é" }) +
        named({ type: "response.completed", sequence_number: 2, response: { usage: responsesUsage } }),
    },
    { format: "images", text: named({ type: "image_edit.completed", b64_json: "QUJD" }) },
  ];
  test("has the same tally under any chunking and with any line ends", () => {
    const cuts = fc.array(fc.nat(3000), { maxLength: 30 });
    fc.assert(
      fc.property(
        fc.constantFrom(...streams),
        fc.constantFrom("\n", "\r\n", "\r"),
        cuts,
        fc.boolean(),
        (stream, lineEnd, at, strip) => {
          const bytes = Buffer.from(stream.text.replaceAll("\n", lineEnd));
          const sorted = at.map((cut) => cut % bytes.length).sort((a, b) => a - b);
          const pieces = [0, ...sorted].map((from, i) => bytes.subarray(from, sorted[i] ?? bytes.length));
          const whole = meterOf(stream.format, [Buffer.from(stream.text)], strip);
          const cut = meterOf(stream.format, pieces, strip);
          expect(cut.tally).toEqual(whole.tally);
          expect(cut.out.replaceAll(lineEnd, "\n")).toBe(whole.out);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("never throws, whatever the data is", () => {
    const data = fc.oneof(
      fc.string(),
      fc.json(),
      fc.constantFrom("[DONE]", "[", "{", '{"type":"', '{"type":"error"', "null", '{"type":"error"}', '{"error":1}'),
    );
    const format = fc.constantFrom<StreamFormat>(
      "chat",
      "completions",
      "responses",
      "images",
      "transcription",
      "speech",
    );
    fc.assert(
      fc.property(format, fc.array(data, { maxLength: 5 }), (kind, all) => {
        expect(() => meterOf(kind, [Buffer.from(all.map(frame).join(""))], true)).not.toThrow();
      }),
      { numRuns: 1000 },
    );
  });
});
