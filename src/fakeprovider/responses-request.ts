import type { Call } from "./call.ts";
import { ApiFault, badParameter, missingParameter, noSuch, wrongType } from "./failures.ts";
import type { FieldType } from "./field-types.ts";
import { checkFields, checkRange, unsupportedValue } from "./field-types.ts";
import type { JsonObject } from "./json-values.ts";
import { isObject, listOf, objectOf, textOf } from "./json-values.ts";
import { askedModel } from "./models.ts";
import type { Kept, StoredObject } from "./state.ts";
import { imageTokens } from "./token-usage.ts";
import { inputTokensOf } from "./words.ts";

/** A Responses request that has passed the provider's checks. */
export interface ResponsesRequest {
  readonly model: string;
  /** Items of this request, with ids. */
  readonly items: readonly StoredObject[];
  readonly inputTokens: number;
  /** Text of the last item when a user sent it. */
  readonly lastUserText: string;
  readonly conversation: Kept | undefined;
}

// biome-ignore format: one long list, read as a list
const fields: Readonly<Record<string, FieldType>> = {
  background: "boolean", context_management: "any", conversation: "any", include: "array", input: "any",
  instructions: "string", max_output_tokens: "integer", max_tool_calls: "integer", metadata: "object", model: "any",
  moderation: "any", parallel_tool_calls: "boolean", previous_response_id: "string", prompt: "object",
  prompt_cache_key: "string", prompt_cache_options: "object", prompt_cache_retention: "string", reasoning: "object",
  safety_identifier: "string", service_tier: "string", store: "boolean", stream: "boolean", stream_options: "object",
  temperature: "number", text: "object", tool_choice: "any", tools: "array", top_logprobs: "integer",
  top_p: "number", truncation: "string", user: "string",
};

const roles = ["assistant", "system", "developer", "user"];

const checkItem = (item: unknown, i: number): void => {
  const at = `input[${i}]`;
  if (!isObject(item)) throw wrongType(at, "an object", item);
  const isMessage = item.type === undefined || item.type === "message";
  if (!isMessage) {
    if (typeof item.type !== "string") throw wrongType(`${at}.type`, "a string", item.type);
    return;
  }
  if (!roles.some((role) => role === item.role)) throw unsupportedValue(`${at}.role`, item.role, roles);
  if (item.content === undefined) throw missingParameter(`${at}.content`);
  if (typeof item.content === "string") return;
  if (!Array.isArray(item.content))
    throw wrongType(`${at}.content`, "one of a string or array of objects", item.content);
};

const itemPrefixes: Readonly<Record<string, string>> = {
  function_call: "fc_",
  function_call_output: "fc_",
  custom_tool_call: "ctc_",
  reasoning: "rs_",
};

const withId = (call: Call, item: JsonObject): StoredObject => {
  const type = textOf(item.type) ?? "message";
  const id = textOf(item.id) ?? call.newId(itemPrefixes[type] ?? "msg_");
  if (type !== "message") return { ...item, id };
  const text = { type: item.role === "assistant" ? "output_text" : "input_text", text: item.content };
  return { ...item, id, type, status: "completed", content: typeof item.content === "string" ? [text] : item.content };
};

/** Items of an input: text is one user message. @throws ApiFault 400 */
export function inputItemsOf(call: Call, input: unknown): readonly StoredObject[] {
  if (input === undefined || input === null) return [];
  if (typeof input === "string") return [withId(call, { type: "message", role: "user", content: input })];
  if (!Array.isArray(input)) throw wrongType("input", "one of a string or array of input items", input);
  input.forEach(checkItem);
  return input.map((item) => withId(call, objectOf(item)));
}

const textLengthOf = (item: JsonObject): number => {
  const whole = [item.arguments, item.output, item.input, item.content].find((value) => typeof value === "string");
  if (typeof whole === "string") return whole.length;
  const parts = [...listOf(item.content), ...listOf(item.output)].map(objectOf);
  return parts.reduce((sum, part) => sum + (textOf(part.text)?.length ?? 0), 0);
};

const imagesIn = (item: JsonObject): number =>
  listOf(item.content).filter((part) => objectOf(part).type === "input_image").length;

/** Input tokens: a quarter of the text of instructions and all items, rounded up once, and 100 per image. */
export function itemTokens(items: readonly JsonObject[], instructions: unknown): number {
  const characters = items.reduce((sum, item) => sum + textLengthOf(item), textOf(instructions)?.length ?? 0);
  return inputTokensOf(characters) + items.reduce((sum, item) => sum + imagesIn(item), 0) * imageTokens;
}

/** What was said before: the items and output of the previous response, and of those before it. */
const earlierItems = (call: Call, id: string | undefined): readonly JsonObject[] => {
  const items: JsonObject[] = [];
  for (let next = id; next !== undefined; ) {
    const kept: Kept | undefined = call.state.responses.get(next);
    if (kept === undefined) {
      if (next !== id) break; // an older one has been deleted since
      throw badParameter(
        `Previous response with id '${next}' not found.`,
        "previous_response_id",
        "previous_response_not_found",
      );
    }
    items.push(...(kept.items ?? []), ...listOf(kept.view.output).map(objectOf));
    next = textOf(kept.view.previous_response_id);
  }
  return items;
};

const conversationOf = (call: Call): Kept | undefined => {
  const asked = call.json.conversation;
  const id = typeof asked === "string" ? asked : textOf(objectOf(asked).id);
  if (id === undefined) return undefined;
  const kept = call.state.conversations.get(id);
  if (kept === undefined) throw noSuch(`Conversation with id '${id}' not found.`, null);
  return kept;
};

const checkOutputs = (items: readonly JsonObject[], earlier: readonly JsonObject[]): void => {
  const known = new Set(
    [...earlier, ...items].filter((item) => textOf(item.type)?.endsWith("_call")).map((item) => item.call_id),
  );
  for (const item of items) {
    if (item.type !== "function_call_output" || known.has(item.call_id)) continue;
    throw badParameter(`No tool call found for function call output with call_id ${String(item.call_id)}.`, "input");
  }
};

const checkLimits = (json: JsonObject): void => {
  checkRange(json, "temperature", [0, 2]);
  checkRange(json, "top_p", [0, 1]);
  checkRange(json, "max_output_tokens", [16, Number.MAX_SAFE_INTEGER]);
  if (json.background === true && json.store === false) {
    throw badParameter("Background mode requires 'store' to be true.", "background");
  }
  if (json.previous_response_id && json.conversation) {
    const sentence = "Mutually exclusive parameters: 'previous_response_id' and 'conversation'.";
    throw badParameter(sentence, null, "mutually_exclusive_parameters");
  }
};

/** Checks a Responses request as the provider does. @throws ApiFault 400 or 404 in the provider's words */
export function responsesRequestOf(call: Call): ResponsesRequest {
  const { json } = call;
  if (json.model === undefined && json.prompt === undefined) throw missingParameter("model");
  const model = askedModel(call, { fallback: "gpt-4o" });
  const sources = [json.input, json.previous_response_id, json.prompt, json.conversation];
  if (sources.every((source) => source === undefined || source === null)) {
    const message = "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation' must be provided.";
    throw new ApiFault(400, { message, param: "input", code: "missing_required_parameter" });
  }
  checkFields(json, fields);
  checkLimits(json);
  const items = inputItemsOf(call, json.input);
  const conversation = conversationOf(call);
  const earlier = [...earlierItems(call, textOf(json.previous_response_id)), ...(conversation?.items ?? [])];
  checkOutputs(items, earlier);
  const last = items.at(-1);
  const lastParts = last?.role === "user" ? listOf(last.content) : [];
  return {
    model,
    items,
    inputTokens: itemTokens([...earlier, ...items], json.instructions),
    lastUserText: lastParts.map((part) => textOf(objectOf(part).text) ?? "").join(" "),
    conversation,
  };
}
