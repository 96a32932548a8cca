/**
 * Cached answers as the request at hand asks for them: streamed or whole, with or without the usage frame.
 * Every function answers undefined where the entry cannot be rendered so: then it is a cache miss.
 */
import type { StreamFormat } from "../../openai/endpoints.ts";
import { type JsonRecord, recordOf } from "../openai/json-record.ts";
import { SseSplitter } from "../openai/sse.ts";
import { createStreamMeter } from "../openai/stream-meter.ts";
import { mergeChatChunks, mergeCompletionChunks } from "./chunk-merge.ts";
import { splitChat, splitCompletion } from "./chunk-split.ts";
import { parseExact, stringifyExact } from "./exact-json.ts";
import { mergeResponseEvents } from "./response-merge.ts";
import { splitResponse } from "./response-split.ts";
import { readStream, writeChunks, writeNamedEvents } from "./stream-events.ts";

/**
 * A whole stream as one JSON answer: chat.completion, text_completion, or the response object. Undefined for other formats,
 * a stream without its terminal event, with an error in it, or with a choice that has no finish_reason.
 */
export function sseToJson(format: StreamFormat, sse: Buffer): Buffer | undefined {
  const answer = mergedAnswer(format, sse);
  const text = answer === undefined ? undefined : stringifyExact(answer);
  return text === undefined ? undefined : Buffer.from(text);
}

/** The answer that `sseToJson` writes, as an object. */
export function mergedAnswer(format: StreamFormat, sse: Buffer): JsonRecord | undefined {
  if (format !== "chat" && format !== "completions" && format !== "responses") return undefined;
  const stream = readStream(sse);
  if (stream === undefined) return undefined;
  if (format === "responses") return mergeResponseEvents(stream.events);
  if (!stream.isDone || stream.events.some((event) => event.error)) return undefined;
  return format === "chat" ? mergeChatChunks(stream.events) : mergeCompletionChunks(stream.events);
}

/**
 * A JSON answer as an event stream. `includeUsage` is the request's `stream_options.include_usage`; Responses streams always
 * have their usage. Undefined for other formats and for bodies that are no such answer.
 */
export function jsonToSse(format: StreamFormat, json: Buffer, options: { includeUsage: boolean }): Buffer | undefined {
  const answer = parseExact(json.toString("utf8"));
  if (answer === undefined || answer.error) return undefined;
  if (format === "responses") {
    const events = splitResponse(answer);
    return events && writeNamedEvents(events);
  }
  if (format !== "chat" && format !== "completions") return undefined;
  const chunks = format === "chat" ? splitChat(answer, options) : splitCompletion(answer, options);
  return chunks && writeChunks(chunks);
}

/**
 * A whole stream again, its events as they were. For chat and completions the usage frame is stripped, or kept, or added
 * where the server gave the usage in the last content chunk. Other formats come back unchanged. Undefined: not complete.
 */
export function sseToSse(format: StreamFormat, sse: Buffer, options: { includeUsage: boolean }): Buffer | undefined {
  const meter = createStreamMeter(format, { stripUsage: true });
  const beforeDone: Buffer[] = [];
  let hasUsageFrame = false;
  const splitter = new SseSplitter(
    {
      event(bytes, start, end) {
        const wasOpen = meter.tally.terminal === undefined;
        const isPassed = meter.event(bytes, start, end);
        hasUsageFrame ||= !isPassed;
        if (wasOpen && meter.tally.terminal !== undefined)
          beforeDone.push(bytes.subarray(0, start), bytes.subarray(start));
        return isPassed;
      },
    },
    { eventBytesMax: sse.length + 1 },
  );
  const stripped = [splitter.push(sse), splitter.flush()].filter((part) => part !== undefined);
  if (meter.tally.terminal !== "completed") return undefined;
  const isChunked = format === "chat" || format === "completions";
  if (!isChunked || (options.includeUsage && hasUsageFrame)) return sse;
  const frame = options.includeUsage ? usageFrame(sse) : undefined;
  const [before, rest] = beforeDone;
  if (frame && before && rest) return Buffer.concat([before, frame, rest]);
  return stripped.length === 1 ? stripped[0] : Buffer.concat(stripped);
}

/** The extra usage frame for a stream that has its usage elsewhere; undefined: it has none. */
function usageFrame(sse: Buffer): Buffer | undefined {
  const chunk = readStream(sse)?.events.findLast((event) => recordOf(event.usage) !== undefined);
  if (chunk === undefined) return undefined;
  const { id, object, created, model, usage } = chunk;
  const text = stringifyExact({ id, object, created, model, choices: [], usage });
  return text === undefined ? undefined : Buffer.from(`data: ${text}\n\n`);
}
