/** Whole event streams, as the cache keeps them: read into events, written from events. */
import { eventFields } from "../openai/event-fields.ts";
import type { JsonRecord } from "../openai/json-record.ts";
import { SseSplitter } from "../openai/sse.ts";
import { parseExact, stringifyExact } from "./exact-json.ts";

/** A stream that was read whole. */
export interface StreamEvents {
  /** The data of every event before `[DONE]`, in order. */
  readonly events: readonly JsonRecord[];
  readonly isDone: boolean;
}

/** Reads a whole stream; undefined where the data of an event is not a JSON object. */
export function readStream(sse: Buffer): StreamEvents | undefined {
  const events: JsonRecord[] = [];
  let isDone = false;
  let isReadable = true;
  const splitter = new SseSplitter(
    {
      event(bytes, start, end) {
        const fields = eventFields(bytes, start, end);
        if (isDone || !fields.hasData || fields.dataEnd === fields.dataStart) return true;
        const { data } = fields;
        if (data.startsWith("[DONE]")) {
          isDone = true;
          return true;
        }
        const event = parseExact(data);
        if (event === undefined) isReadable = false;
        else events.push(event);
        return true;
      },
    },
    { eventBytesMax: sse.length + 1 },
  );
  splitter.push(sse);
  splitter.flush();
  return isReadable ? { events, isDone } : undefined;
}

/** Chunks as chat and completions send them, with `[DONE]`; undefined where one cannot be written. */
export function writeChunks(chunks: readonly JsonRecord[]): Buffer | undefined {
  const frames: string[] = [];
  for (const chunk of chunks) {
    const text = stringifyExact(chunk);
    if (text === undefined) return undefined;
    frames.push(`data: ${text}\n\n`);
  }
  frames.push("data: [DONE]\n\n");
  return Buffer.from(frames.join(""));
}

/** Events named by their `type`, as Responses sends them; undefined where one cannot be written. */
export function writeNamedEvents(events: readonly JsonRecord[]): Buffer | undefined {
  const frames: string[] = [];
  for (const event of events) {
    const text = stringifyExact(event);
    if (text === undefined) return undefined;
    frames.push(`event: ${String(event.type)}\ndata: ${text}\n\n`);
  }
  return Buffer.from(frames.join(""));
}

/** Longest piece of replayed text in one event, in UTF-16 units. */
export const pieceCharsMax = 512;

/** Text in pieces for delta events: together they are the text, and none ends inside a surrogate pair. Empty: none. */
export function pieces(text: string): string[] {
  const parts: string[] = [];
  let start = 0;
  while (start < text.length) {
    let end = Math.min(start + pieceCharsMax, text.length);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last <= 0xdbff) end -= 1;
    parts.push(text.slice(start, end));
    start = end;
  }
  return parts;
}
