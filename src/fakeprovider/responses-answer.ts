import type { Call } from "./call.ts";
import type { JsonObject } from "./json-values.ts";
import { numberOf, objectOf, textOf } from "./json-values.ts";
import { answeringModel } from "./models.ts";
import type { ResponsesRequest } from "./responses-request.ts";
import { instanceOf } from "./schema-instance.ts";
import type { StoredObject } from "./state.ts";
import { metadataOf } from "./state.ts";
import { responseUsage } from "./token-usage.ts";
import type { ToolCall } from "./tool-calls.ts";
import { declaredTools, toolCallsFor, toolCallTokens } from "./tool-calls.ts";
import { composeAnswer } from "./words.ts";

/** One output item with the pieces in which a stream brings it. */
export interface OutputItem {
  readonly item: StoredObject;
  readonly pieces: readonly string[];
}

/** A finished response, and how it came to be. */
export interface ResponsesAnswer {
  readonly response: StoredObject;
  readonly output: readonly OutputItem[];
}

const callItem = (call: Call, { kind, id, name, args }: ToolCall): StoredObject =>
  kind === "custom"
    ? { id: call.newId("ctc_"), type: "custom_tool_call", status: "completed", call_id: id, name, input: args }
    : { id: call.newId("fc_"), type: "function_call", status: "completed", arguments: args, call_id: id, name };

const structuredText = (json: JsonObject): string | undefined => {
  const format = objectOf(objectOf(json.text).format);
  if (format.type === "json_object") return '{"answer":"amber river"}';
  return format.type === "json_schema" ? JSON.stringify(instanceOf(format.schema)) : undefined;
};

interface Said {
  readonly output: readonly OutputItem[];
  readonly tokens: number;
  readonly incomplete: "max_output_tokens" | "content_filter" | undefined;
}

const saidTo = (call: Call, request: ResponsesRequest): Said => {
  const { json, behaviour } = call;
  const choice = { tools: declaredTools(json), choice: json.tool_choice, lastUserText: request.lastUserText };
  const toolCalls = toolCallsFor(call, choice);
  if (toolCalls.length > 0) {
    const output = toolCalls.map((toolCall) => ({ item: callItem(call, toolCall), pieces: toolCall.fragments }));
    return { output, tokens: toolCallTokens(toolCalls), incomplete: undefined };
  }
  const isRefusal = behaviour.refusal !== undefined;
  const answer = composeAnswer(isRefusal ? { ...behaviour, answer: behaviour.refusal } : behaviour, {
    seed: call.state.seed + call.ordinal * 131,
    tokensMax: numberOf(json.max_output_tokens),
    fixed: structuredText(json),
  });
  const cutBy = answer.isCut || behaviour.finish === "length" ? "max_output_tokens" : undefined;
  const incomplete = behaviour.finish === "content_filter" ? "content_filter" : cutBy;
  const part = isRefusal
    ? { type: "refusal", refusal: answer.text }
    : { type: "output_text", annotations: [], logprobs: [], text: answer.text };
  const status = incomplete === undefined ? "completed" : "incomplete";
  const item = { id: call.newId("msg_"), type: "message", status, content: [part], role: "assistant" };
  return { output: [{ item, pieces: answer.pieces }], tokens: answer.tokens, incomplete };
};

const reasoningItem = (call: Call): OutputItem[] =>
  (call.behaviour.reasoning ?? 0) > 0
    ? [{ item: { id: call.newId("rs_"), type: "reasoning", summary: [] }, pieces: [] }]
    : [];

const serverError = { code: "server_error", message: "The model failed to generate a response." };

/** The fields of a response that only repeat the request. */
const echoed = ({ json }: Call): JsonObject => ({
  instructions: json.instructions ?? null,
  max_output_tokens: json.max_output_tokens ?? null,
  max_tool_calls: json.max_tool_calls ?? null,
  parallel_tool_calls: json.parallel_tool_calls ?? true,
  previous_response_id: json.previous_response_id ?? null,
  prompt_cache_key: json.prompt_cache_key ?? null,
  reasoning: { effort: null, summary: null, ...objectOf(json.reasoning) },
  safety_identifier: json.safety_identifier ?? null,
  store: json.store ?? true,
  temperature: json.temperature ?? 1,
  text: { format: { type: "text" }, verbosity: "medium", ...objectOf(json.text) },
  tool_choice: json.tool_choice ?? "auto",
  tools: json.tools ?? [],
  top_logprobs: json.top_logprobs ?? 0,
  top_p: json.top_p ?? 1,
  truncation: json.truncation ?? "disabled",
  user: json.user ?? null,
});

/** Decides what the model answers; the response is in its final state. */
export function responsesAnswerTo(call: Call, request: ResponsesRequest): ResponsesAnswer {
  const { behaviour, createdSeconds } = call;
  const said = saidTo(call, request);
  const hasFailed = behaviour.outcome === "failed";
  const output = hasFailed ? [] : [...reasoningItem(call), ...said.output];
  const status = hasFailed ? "failed" : said.incomplete === undefined ? "completed" : "incomplete";
  const tier = behaviour.tier ?? (call.json.service_tier === "priority" ? "priority" : "default");
  const { usage: _, ...response }: StoredObject = {
    id: call.newId("resp_"),
    object: "response",
    created_at: createdSeconds,
    status,
    background: call.json.background ?? false,
    completed_at: status === "completed" ? createdSeconds + 1 : null,
    error: hasFailed ? serverError : null,
    incomplete_details: said.incomplete === undefined ? null : { reason: said.incomplete },
    model: answeringModel(call, request.model),
    output: output.map(({ item }) => item),
    service_tier: tier,
    ...echoed(call),
    ...(request.conversation === undefined ? {} : { conversation: { id: request.conversation.id } }),
    metadata: metadataOf(call.json),
  };
  const usage = responseUsage({ input: request.inputTokens, output: said.tokens, behaviour });
  return { response: { ...response, id: textOf(response.id) ?? "", usage: hasFailed ? null : usage }, output };
}

/** The response as it looks before the model has said anything. */
export const unfinished = (response: StoredObject, status: "queued" | "in_progress"): StoredObject => ({
  ...response,
  status,
  completed_at: null,
  error: null,
  incomplete_details: null,
  output: [],
  service_tier: "auto",
  usage: null,
});
