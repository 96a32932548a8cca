/** Answers from the cache: as JSON or as a stream, as this request asks, whatever the stored form is. */

import type { StreamFormat } from "../../openai/endpoints.ts";
import type { CachedAnswer } from "../cache/seal.ts";
import { refuse } from "../errors.ts";
import type { Shaped } from "../exchange.ts";
import { jsonToSse, sseToJson, sseToSse } from "../replay/replay.ts";
import { sendWhole } from "../reply.ts";

/** Sends it and ends the exchange as a hit. Throws internal_error when the stored form cannot be rendered. */
export function sendCached(exchange: Shaped, found: CachedAnswer & { ageMs: number }): void {
  const format = exchange.match.endpoint.stream;
  const form = exchange.streamed ? "sse" : "json";
  const bytes = format === undefined ? found.bytes : rendered(format, found, form, !exchange.stripUsage);
  if (bytes === undefined) throw refuse("internal_error");
  exchange.end({ outcome: "hit", status: 200, usage: found.usage });
  const type =
    form === "sse"
      ? "text/event-stream; charset=utf-8"
      : found.kind === "json"
        ? found.contentType
        : "application/json";
  const about: [string, string][] = [
    ["content-type", type],
    ["age", String(Math.floor(found.ageMs / 1000))],
    ["x-request-id", exchange.id],
  ];
  sendWhole(exchange, 200, about, bytes);
}

/** The stored answer in the form that is asked for; undefined when it cannot be rendered so. */
function rendered(
  format: StreamFormat,
  found: CachedAnswer,
  form: "json" | "sse",
  includeUsage: boolean,
): Buffer | undefined {
  if (form === "json") return found.kind === "json" ? found.bytes : sseToJson(format, found.bytes);
  return found.kind === "sse"
    ? sseToSse(format, found.bytes, { includeUsage })
    : jsonToSse(format, found.bytes, { includeUsage });
}
