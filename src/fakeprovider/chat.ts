import type { Call, Handler } from "./call.ts";
import { jsonReply } from "./call.ts";
import type { ChatAnswer, ChatChoice } from "./chat-answer.ts";
import { chatAnswerTo, systemFingerprint } from "./chat-answer.ts";
import { logprobsOf } from "./chat-logprobs.ts";
import { chatRequestOf } from "./chat-request.ts";
import { keepChat, storedChatRoutes } from "./chat-stored.ts";
import { chatFrames } from "./chat-stream.ts";
import { answerFilter, promptFilters } from "./content-filter.ts";
import { errorBodyFor } from "./failure-catalogue.ts";
import type { JsonObject } from "./json-values.ts";
import type { Route } from "./router.ts";
import type { ToolCall } from "./tool-calls.ts";

/** A tool call as a message shows it. */
const toolCallObject = ({ kind, id, name, args }: ToolCall): JsonObject =>
  kind === "custom"
    ? { id, type: "custom", custom: { name, input: args } }
    : { id, type: "function", function: { name, arguments: args } };

const messageOf = (choice: ChatChoice): JsonObject => {
  const first = choice.toolCalls[0];
  const content = first !== undefined || choice.isRefusal ? null : choice.text;
  const message = { role: "assistant", content, refusal: choice.isRefusal ? choice.text : null, annotations: [] };
  if (first === undefined) return message;
  if (choice.isLegacyCall) return { ...message, function_call: { name: first.name, arguments: first.args } };
  return { ...message, tool_calls: choice.toolCalls.map(toolCallObject) };
};

const completionObject = (call: Call, answer: ChatAnswer, hasLogprobs: boolean): JsonObject & { id: string } => ({
  id: answer.id,
  object: "chat.completion",
  created: answer.created,
  model: answer.model,
  choices: answer.choices.map((choice) => ({
    index: choice.index,
    message: messageOf(choice),
    logprobs: hasLogprobs ? logprobsOf(choice.pieces) : null,
    finish_reason: choice.finish,
    ...(call.dialect === "azure" ? { content_filter_results: answerFilter(call) } : {}),
  })),
  usage: answer.usage,
  service_tier: answer.serviceTier,
  system_fingerprint: systemFingerprint,
  ...(call.dialect === "azure" ? { prompt_filter_results: promptFilters() } : {}),
});

const createChat: Handler = (call) => {
  const request = chatRequestOf(call);
  const answer = chatAnswerTo(call, request);
  if (call.json.store === true) keepChat(call, request, completionObject(call, answer, request.hasLogprobs));
  if (!request.isStream) return jsonReply(completionObject(call, answer, request.hasLogprobs));
  return {
    kind: "stream",
    frames: chatFrames(call, request, answer),
    errorFrame: () => ({ data: JSON.stringify({ error: errorBodyFor(500, call.behaviour.code, request.model) }) }),
  };
};

/** Endpoints of chat completions. */
export const chatRoutes: readonly Route[] = [["POST /chat/completions", createChat], ...storedChatRoutes];
