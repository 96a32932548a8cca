/** A Responses stream as the one response object that the same request without `stream` would have got. */
import { type JsonRecord, recordOf } from "../openai/json-record.ts";

/**
 * The response of `response.completed`; undefined where there is none, or the stream failed. A server may leave the output
 * out of that event, because its items have been sent: then it is put together from them.
 */
export function mergeResponseEvents(events: readonly JsonRecord[]): JsonRecord | undefined {
  const items = new Map<number, unknown>();
  for (const event of events) {
    if (event.error || event.type === "error") return undefined;
    if (event.type === "response.output_item.done" && typeof event.output_index === "number") {
      items.set(event.output_index, event.item);
    }
    if (event.type === "response.completed") {
      const response = recordOf(event.response);
      if (response === undefined || Array.isArray(response.output)) return response;
      return { ...response, output: [...items].sort(([a], [b]) => a - b).map(([, item]) => item) };
    }
  }
  return undefined;
}
