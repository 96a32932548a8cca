import type { Call } from "./call.ts";
import { badParameter, missingParameter, wrongType } from "./failures.ts";
import type { FieldType } from "./field-types.ts";
import { checkFields, checkRange, unsupportedValue } from "./field-types.ts";
import type { JsonObject } from "./json-values.ts";
import { isObject, listOf, numberOf, objectOf, textOf } from "./json-values.ts";
import { askedModel } from "./models.ts";

/** A chat request that has passed the provider's checks. */
export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly JsonObject[];
  readonly isStream: boolean;
  readonly hasUsageChunk: boolean;
  readonly hasObfuscation: boolean;
  readonly choiceCount: number;
  /** Absent is no limit. */
  readonly tokensMax: number | undefined;
  readonly hasLogprobs: boolean;
}

// biome-ignore format: one long list, read as a list
const fields: Readonly<Record<string, FieldType>> = {
  audio: "object", data_sources: "array", enhancements: "object", frequency_penalty: "number", function_call: "any",
  functions: "array", logit_bias: "object", logprobs: "boolean", max_completion_tokens: "integer",
  max_tokens: "integer", messages: "any", metadata: "object", modalities: "array", model: "any", moderation: "any",
  n: "integer", parallel_tool_calls: "boolean", prediction: "object", presence_penalty: "number",
  prompt_cache_key: "string", prompt_cache_options: "object", prompt_cache_retention: "string",
  reasoning_effort: "string", response_format: "object", safety_identifier: "string", seed: "integer",
  service_tier: "string", stop: "any", store: "boolean", stream: "boolean", stream_options: "object",
  temperature: "number", tool_choice: "any", tools: "array", top_logprobs: "integer", top_p: "number",
  user: "string", verbosity: "string", web_search_options: "object",
};

const roles = ["system", "assistant", "user", "function", "tool", "developer"];
const partTypes = ["text", "image_url", "input_audio", "refusal", "audio", "file"];

const checkParts = (parts: readonly unknown[], at: string): void => {
  parts.forEach((part, i) => {
    const where = `${at}[${i}]`;
    if (!isObject(part)) throw wrongType(where, "an object", part);
    if (part.type === undefined) throw missingParameter(`${where}.type`);
    if (!partTypes.some((type) => type === part.type)) throw unsupportedValue(`${where}.type`, part.type, partTypes);
    if (part.type === "text" && typeof part.text !== "string") throw wrongType(`${where}.text`, "a string", part.text);
    if (part.type !== "image_url") return;
    const url = textOf(objectOf(part.image_url).url);
    if (url === undefined) throw missingParameter(`${where}.image_url.url`);
    if (!/^(https?:|data:image\/)/.test(url)) {
      throw badParameter("Invalid image URL: the URL must be a valid HTTP or data URL.", where, "invalid_image_url");
    }
  });
};

const checkMessage = (message: unknown, i: number, all: readonly unknown[]): void => {
  const at = `messages[${i}]`;
  if (!isObject(message)) throw wrongType(at, "an object", message);
  const { role, content } = message;
  if (role === undefined) throw missingParameter(`${at}.role`);
  if (!roles.some((known) => known === role)) throw unsupportedValue(`${at}.role`, role, roles);
  if (Array.isArray(content)) {
    checkParts(content, `${at}.content`);
    return;
  }
  const mayBeEmpty = role === "assistant" || role === "function";
  if (typeof content !== "string" && !(mayBeEmpty && (content ?? null) === null)) {
    if (content === undefined) throw missingParameter(`${at}.content`);
    if (content === null) {
      throw badParameter("Invalid value for 'content': expected a string, got null.", `messages.[${i}].content`);
    }
    throw wrongType(`${at}.content`, "one of a string or array of objects", content);
  }
  if (role !== "tool") return;
  const asker = all.slice(0, i).findLast((earlier) => objectOf(earlier).role !== "tool");
  if (listOf(objectOf(asker).tool_calls).length > 0) return;
  const sentence =
    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
  throw badParameter(sentence, `messages.[${i}].role`);
};

const checkTools = (tools: readonly unknown[]): void => {
  tools.forEach((tool, i) => {
    const kind = textOf(objectOf(tool).type);
    if (kind === undefined) throw missingParameter(`tools[${i}].type`);
    if (kind !== "function" && kind !== "custom")
      throw unsupportedValue(`tools[${i}].type`, kind, ["function", "custom"]);
    const name = objectOf(objectOf(tool)[kind]).name;
    if (typeof name !== "string") throw missingParameter(`tools[${i}].${kind}.name`);
    if (/^[a-zA-Z0-9_-]{1,64}$/.test(name)) return;
    const sentence = `Invalid 'tools[${i}].${kind}.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.`;
    throw badParameter(sentence, `tools[${i}].${kind}.name`, "invalid_value");
  });
};

const checkLimits = (json: JsonObject, model: string): void => {
  checkRange(json, "temperature", [0, 2]);
  checkRange(json, "top_p", [0, 1]);
  checkRange(json, "n", [1, 128]);
  checkRange(json, "max_tokens", [1, Number.MAX_SAFE_INTEGER]);
  checkRange(json, "max_completion_tokens", [1, Number.MAX_SAFE_INTEGER]);
  checkRange(json, "top_logprobs", [0, 20]);
  const hasOldLimit = numberOf(json.max_tokens) !== undefined;
  if (hasOldLimit && numberOf(json.max_completion_tokens) !== undefined) {
    const sentence = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.";
    throw badParameter(sentence, "max_tokens", "invalid_parameter_combination");
  }
  if (hasOldLimit && /^(o\d|gpt-5)/.test(model)) {
    const sentence =
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
    throw badParameter(sentence, "max_tokens", "unsupported_parameter");
  }
};

const checkFormat = (json: JsonObject): void => {
  const format = objectOf(json.response_format);
  if (format.type === "json_object" && !/json/i.test(JSON.stringify(json.messages))) {
    const sentence =
      "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";
    throw badParameter(sentence, "messages");
  }
  if (format.type !== "json_schema") return;
  const wanted = objectOf(format.json_schema);
  if (typeof wanted.name !== "string") throw missingParameter("response_format.json_schema.name");
  const schema = objectOf(wanted.schema);
  if (wanted.strict !== true || schema.type !== "object" || schema.additionalProperties === false) return;
  const sentence = `Invalid schema for response_format '${wanted.name}': In context=(), 'additionalProperties' is required to be supplied and to be false.`;
  throw badParameter(sentence, "response_format");
};

/** The first `api-version` of Azure that knows `stream_options`, without its `-preview`. */
const streamOptionsSince = "2024-09-01";

const checkStream = (call: Call): void => {
  if (call.json.stream_options === undefined || call.json.stream_options === null) return;
  if (call.apiVersion !== undefined && call.apiVersion.slice(0, 10) < streamOptionsSince) {
    throw badParameter("Unrecognized request argument supplied: stream_options", null);
  }
  if (call.json.stream === true) return;
  const sentence = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
  throw badParameter(sentence, "stream_options");
};

/** Checks a chat request as the provider does. @throws ApiFault 400 or 404 in the provider's words */
export function chatRequestOf(call: Call): ChatRequest {
  const { json } = call;
  const model = askedModel(call);
  const { messages } = json;
  if (messages === undefined) throw missingParameter("messages");
  if (!Array.isArray(messages)) throw wrongType("messages", "an array of objects", messages);
  if (messages.length === 0) {
    const sentence =
      "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.";
    throw badParameter(sentence, "messages", "empty_array");
  }
  checkFields(json, fields);
  messages.forEach(checkMessage);
  checkTools(listOf(json.tools));
  checkLimits(json, model);
  checkFormat(json);
  checkStream(call);
  const streamOptions = objectOf(json.stream_options);
  return {
    model,
    messages,
    isStream: json.stream === true,
    hasUsageChunk: streamOptions.include_usage === true,
    hasObfuscation: call.dialect === "openai" && streamOptions.include_obfuscation !== false,
    choiceCount: numberOf(json.n) ?? 1,
    tokensMax: numberOf(json.max_completion_tokens) ?? numberOf(json.max_tokens),
    hasLogprobs: json.logprobs === true,
  };
}
