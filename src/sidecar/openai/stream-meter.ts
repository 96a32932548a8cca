/** Meters a stream event by event: terminal, usage, how much output there was. Looks only as far as it must. */
import type { StreamFormat } from "../../openai/endpoints.ts";
import { ChunkMeter } from "./chunk-meter.ts";
import type { StreamMeter } from "./meter.ts";
import { NamedEventMeter } from "./named-event-meter.ts";

/**
 * A meter for a stream of this format. With `stripUsage` it drops the extra usage frame of chat and completions that the
 * client has not asked for: empty choices, a usage, and nothing else that is news. Everything else passes.
 *
 * JSON.parse is used only for the first events (the model's name), the finish of a choice, usage, terminals and errors.
 */
export function createStreamMeter(format: StreamFormat, options: { stripUsage: boolean }): StreamMeter {
  if (format === "chat" || format === "completions") return new ChunkMeter(options.stripUsage);
  return new NamedEventMeter();
}
