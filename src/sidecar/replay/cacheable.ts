/** Which answers may be kept and given again. */
import type { StreamFormat } from "../../openai/endpoints.ts";
import { type JsonRecord, listOf, recordOf } from "../openai/json-record.ts";
import { parseExact } from "./exact-json.ts";
import { mergedAnswer } from "./replay.ts";

/** What an answer is: a format that may stream, or one of those that never do. */
export type AnswerFormat = StreamFormat | "embeddings" | "moderation";

/** A provider's answer (status 200) as it was received: a whole JSON body, or a whole event stream. */
export interface Answer {
  readonly kind: "json" | "sse";
  readonly bytes: Buffer;
}

/**
 * May this answer be cached? Only one that is complete and would be given again:
 * - it ended by itself: every choice with finish_reason `stop`, a response with status `completed`. Cut by length or by a
 *   content filter is not complete.
 * - no tool calls and no hosted tools: what they lead to, or looked up, is of its moment.
 * - no refusal: models refuse now and then what they answer the next time, and a cache would make that stick.
 * - no empty text: it is more often a hiccup than an answer.
 * - no audio, no encrypted reasoning, no conversation, no `background`: they are bound to ids, accounts, or a later state.
 * - Azure's filter has run, and has found nothing.
 * Images, transcription and speech are never cached. Whether the request allows caching is not asked here.
 */
export function isCacheable(format: AnswerFormat, answer: Answer): boolean {
  if (format === "embeddings" || format === "moderation") {
    const body = answer.kind === "json" ? parseExact(answer.bytes.toString("utf8")) : undefined;
    const list = listOf(format === "embeddings" ? body?.data : body?.results);
    return body !== undefined && !body.error && list.length > 0;
  }
  const body = answer.kind === "sse" ? mergedAnswer(format, answer.bytes) : parseExact(answer.bytes.toString("utf8"));
  if (body === undefined || body.error) return false;
  if (format === "responses") return isPlainResponse(body);
  if (format === "chat") return isClean(body) && everyChoice(body, isPlainMessage);
  return format === "completions" && isClean(body) && everyChoice(body, (choice) => isText(choice.text));
}

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";

function everyChoice(body: JsonRecord, isPlain: (choice: JsonRecord) => boolean): boolean {
  const choices = listOf(body.choices).map((choice) => recordOf(choice) ?? {});
  return (
    choices.length > 0 &&
    choices.every((choice) => choice.finish_reason === "stop" && isClean(choice) && isPlain(choice))
  );
}

function isPlainMessage(choice: JsonRecord): boolean {
  const message = recordOf(choice.message) ?? {};
  const hasMore = listOf(message.tool_calls).length > 0 || message.function_call || message.refusal || message.audio;
  return isText(message.content) && !hasMore;
}

/** Azure's verdicts on the prompt (a list, at the root) or on a choice: none filtered, none missing through a filter error. */
function isClean(holder: JsonRecord): boolean {
  const results = [
    holder.content_filter_results,
    holder.content_filter_result,
    ...listOf(holder.prompt_filter_results).map((result) => recordOf(result)?.content_filter_results),
  ];
  return results.every((result) => {
    const categories = recordOf(result) ?? {};
    return !categories.error && Object.values(categories).every((category) => recordOf(category)?.filtered !== true);
  });
}

function isPlainResponse(body: JsonRecord): boolean {
  if (body.status !== "completed" || body.background === true || body.incomplete_details) return false;
  if (body.previous_response_id || body.conversation) return false;
  if (listOf(body.content_filters).some((filter) => recordOf(filter)?.blocked === true)) return false;
  const items = listOf(body.output).map((item) => recordOf(item) ?? {});
  return items.some((item) => item.type === "message") && items.every(isPlainItem);
}

function isPlainItem(item: JsonRecord): boolean {
  if (item.type === "reasoning") return !item.encrypted_content;
  if (item.type !== "message") return false;
  const parts = listOf(item.content).map((part) => recordOf(part) ?? {});
  return parts.length > 0 && parts.every((part) => part.type === "output_text" && isText(part.text));
}
