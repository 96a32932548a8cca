import type { Call } from "./call.ts";
import type { ChatRequest } from "./chat-request.ts";
import type { JsonObject } from "./json-values.ts";
import { listOf, objectOf, textOf } from "./json-values.ts";
import { answeringModel } from "./models.ts";
import { instanceOf } from "./schema-instance.ts";
import { chatUsage, imageTokens } from "./token-usage.ts";
import type { ToolCall } from "./tool-calls.ts";
import { declaredTools, toolCallsFor, toolCallTokens } from "./tool-calls.ts";
import { composeAnswer, inputTokensOf } from "./words.ts";

/** One choice of an answer, before it takes the shape of a message or of chunks. */
export interface ChatChoice {
  readonly index: number;
  readonly text: string;
  readonly pieces: readonly string[];
  readonly isRefusal: boolean;
  readonly toolCalls: readonly ToolCall[];
  /** The call has the shape of old, `function_call`. */
  readonly isLegacyCall: boolean;
  readonly finish: string;
  readonly tokens: number;
}

/** An answer to a chat request. */
export interface ChatAnswer {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly serviceTier: string;
  readonly choices: readonly ChatChoice[];
  readonly usage: JsonObject | undefined;
}

/** The system fingerprint of every chat answer. */
export const systemFingerprint = "fp_fa4e0f0001";

const contentLength = (content: unknown): number => {
  if (typeof content === "string") return content.length;
  return listOf(content).reduce<number>((sum, part) => sum + (textOf(objectOf(part).text)?.length ?? 0), 0);
};

const imageCount = (content: unknown): number =>
  Array.isArray(content) ? content.filter((part) => objectOf(part).type === "image_url").length : 0;

/** Input tokens: a quarter of the text of all messages, rounded up once, and 100 per image. */
export function chatInputTokens(messages: readonly JsonObject[]): number {
  let characters = 0;
  let images = 0;
  for (const { content } of messages) {
    characters += contentLength(content);
    images += imageCount(content);
  }
  return inputTokensOf(characters) + images * imageTokens;
}

const textOfContent = (content: unknown): string =>
  typeof content === "string"
    ? content
    : listOf(content)
        .map((part) => textOf(objectOf(part).text) ?? "")
        .join(" ");

const structuredText = (json: JsonObject): string | undefined => {
  const format = objectOf(json.response_format);
  if (format.type === "json_object") return '{"answer":"amber river"}';
  if (format.type !== "json_schema") return undefined;
  return JSON.stringify(instanceOf(objectOf(format.json_schema).schema));
};

const serviceTierOf = (call: Call): string => {
  if (call.behaviour.tier !== undefined) return call.behaviour.tier;
  const asked = call.json.service_tier;
  if (asked === "fast" || asked === "priority") return "priority";
  return asked === "flex" ? "flex" : "default";
};

const choiceOf = (call: Call, request: ChatRequest, index: number): ChatChoice => {
  const { json, behaviour } = call;
  const last = request.messages.at(-1);
  const choice = json.tool_choice ?? json.function_call;
  const lastUserText = last?.role === "user" ? textOfContent(last.content) : "";
  const toolCalls = toolCallsFor(call, { tools: declaredTools(json), choice, lastUserText });
  const isLegacyCall = json.functions !== undefined && json.tools === undefined;
  if (toolCalls.length > 0) {
    // A call forced by name ends with "stop"; only a call the model chose ends with "tool_calls".
    const chosen = isLegacyCall ? "function_call" : "tool_calls";
    const finish = behaviour.finish ?? (typeof choice === "object" && choice !== null ? "stop" : chosen);
    const tokens = toolCallTokens(toolCalls);
    return { index, text: "", pieces: [], isRefusal: false, toolCalls, isLegacyCall, finish, tokens };
  }
  const isRefusal = behaviour.refusal !== undefined;
  const answer = composeAnswer(isRefusal ? { ...behaviour, answer: behaviour.refusal } : behaviour, {
    seed: call.state.seed + call.ordinal * 131 + index,
    tokensMax: request.tokensMax,
    fixed: structuredText(json),
  });
  const finish = behaviour.finish ?? (answer.isCut ? "length" : "stop");
  const { text, pieces, tokens } = answer;
  return { index, text, pieces, isRefusal, toolCalls, isLegacyCall, finish, tokens };
};

/** Decides what the model says to a request. */
export function chatAnswerTo(call: Call, request: ChatRequest): ChatAnswer {
  const choices = Array.from({ length: request.choiceCount }, (_, index) => choiceOf(call, request, index));
  const output = choices.reduce((sum, choice) => sum + choice.tokens, 0);
  return {
    id: call.newId("chatcmpl-"),
    created: call.createdSeconds,
    model: answeringModel(call, request.model),
    serviceTier: serviceTierOf(call),
    choices,
    usage: chatUsage({ input: chatInputTokens(request.messages), output, behaviour: call.behaviour }),
  };
}
