/** The last frame of a stream that ends abnormally: one that both official SDKs raise on. */
import type { StreamFormat } from "../../openai/endpoints.ts";

/** OpenAI's error object; all four members are always sent. */
export interface ErrorObject {
  readonly message: string;
  readonly type: string;
  readonly code: string | null;
  readonly param: string | null;
}

/**
 * The error frame of a format. Nothing may follow it, no `[DONE]` either: close the stream.
 *
 * The Node SDK raises on `event: error` or on data with an `error` member, the Python SDK only on the latter (it yields a
 * bare `event: error` as a normal event). So every frame has the `error` object. Formats with named events (all but chat and
 * completions) also get the name and `"type":"error"`, which clients that switch on the type look for; chat clients that
 * know no event names get plain data.
 *
 * `sequenceNumber`, the number after the last event's, stands in Responses frames only; absent: 0.
 */
export function errorFrame(format: StreamFormat, error: ErrorObject, sequenceNumber = 0): Buffer {
  const { message, type, param, code } = error;
  const object = { message, type, param, code };
  if (format === "chat" || format === "completions")
    return Buffer.from(`data: ${JSON.stringify({ error: object })}\n\n`);
  const numbered = format === "responses" ? { sequence_number: sequenceNumber } : {};
  const data = { type: "error", code, message, param, ...numbered, error: object };
  return Buffer.from(`event: error\ndata: ${JSON.stringify(data)}\n\n`);
}
