/** Stage 4: makes the request what the route says it is: defaults, overrides, system prompt, limits, usage asked for. */
import type { ModelConfig, RuleConfig } from "../../config/contract.ts";
import { modelOf, unknownModel } from "../../config/model-defaults.ts";
import { refuse } from "../errors.ts";
import { type Authorized, type Estimate, know, type RequestBody, type Shaped } from "../exchange.ts";
import type { JsonEdit } from "../json/splice.ts";
import type { JsonValue } from "../json/view.ts";
import { fieldOf } from "../multipart/scan.ts";
import { boundOf, inputOf } from "../quota/input-bound.ts";
import type { Stage } from "../stage.ts";
import { typed } from "./accept.ts";

/** Names under which a request asks for its output maximum, by endpoint path. Servers differ in which they read: the larger counts. */
export const outputMembers: Readonly<Record<string, readonly string[]>> = {
  "/chat/completions": ["max_completion_tokens", "max_tokens"],
  "/completions": ["max_tokens"],
  "/responses": ["max_output_tokens"],
};
/** What the provider writes when a legacy completion names no maximum. */
const completionsOutputDefault = 16;

/** Applies what the rule says about requests; refuses what is over its limits. */
export const shape =
  (models: Readonly<Record<string, ModelConfig>>): Stage<Authorized, Shaped> =>
  (next) =>
  (exchange) => {
    const { rule, body } = exchange;
    checkBytes(exchange);
    const model = modelOf(models, exchange.model) ?? unknownModel;
    const wish = new Wish(exchange, rule);
    checkMessages(exchange, rule);
    const estimate = estimateOf(exchange, model, wish);
    const usage = usageEdit(exchange, wish);
    const edits = body.kind === "json" ? [...ruleEdits(exchange, wish), ...usage] : [];
    return next(know(exchange, { edits, estimate, stripUsage: usage.length > 0 }));
  };

const otherType = Symbol("another type");

/** A request's members as they will be: overrides, then what the client sent, then defaults. */
class Wish {
  readonly #root: JsonValue | undefined;
  readonly #rule: RuleConfig;
  constructor(exchange: Authorized, rule: RuleConfig) {
    this.#root = exchange.body.kind === "json" ? exchange.body.document.root : undefined;
    this.#rule = rule;
  }
  member(key: string): JsonValue | undefined {
    const value = this.#root?.get(key);
    return value && value.kind !== "null" ? value : undefined;
  }
  /** A whole number of at least `min`, or undefined when nobody names one. */
  integer(key: string, min: number): number | undefined {
    const value = this.#value(key, (sent) => sent.number());
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min)
      throw typed(key, `an integer of at least ${min}`);
    return value;
  }
  /** A text, or "" when nobody names one. */
  text(key: string): string {
    const value = this.#value(key, (sent) => sent.string()) ?? "";
    if (typeof value !== "string") throw typed(key, "a string");
    return value;
  }
  /** As it will be sent. What the client sent of another type than `read` reads is a symbol, which is no JSON. */
  #value(key: string, read: (sent: JsonValue) => unknown): unknown {
    const { overrides, defaults } = this.#rule.request;
    if (key in overrides) return overrides[key];
    const sent = this.member(key);
    return sent === undefined ? defaults[key] : (read(sent) ?? otherType);
  }
}

function checkBytes(exchange: Authorized): void {
  const { body, rule } = exchange;
  const limits = rule.request.limits;
  if (body.kind === "json" && body.bytes.length > limits.jsonBytes)
    throw refuse("json_too_large", String(limits.jsonBytes));
  const bytes = body.kind === "raw" ? (body.length ?? 0) : body.kind === "none" ? 0 : body.bytes.length;
  if (bytes > limits.bodyBytes) throw refuse("body_too_large", String(limits.bodyBytes));
}

function checkMessages(exchange: Authorized, rule: RuleConfig): void {
  if (exchange.body.kind !== "json") return;
  const root = exchange.body.document.root;
  const list = root.get("messages") ?? root.get("input");
  if (list?.kind === "array" && list.length > rule.request.limits.messages) {
    throw refuse("too_many_messages", String(list.length), String(rule.request.limits.messages));
  }
}

/** Upper bounds of the cost; refuses what is over the rule's limits. */
function estimateOf(exchange: Authorized, model: ModelConfig, wish: Wish): Estimate {
  const { limits } = exchange.rule.request;
  const input = inputOf(exchange, model);
  if (limits.inputTokens !== undefined && input.likelyTokens > limits.inputTokens) {
    throw refuse("input_too_long", String(input.likelyTokens), String(limits.inputTokens));
  }
  const choices = choicesOf(exchange, wish);
  if (choices > limits.n) throw refuse("too_many_choices", String(choices), String(limits.n));
  const asked = askedOutput(exchange, wish);
  if (asked !== undefined && limits.outputTokens !== undefined && asked > limits.outputTokens) {
    throw refuse("output_over_limit", String(asked), String(limits.outputTokens));
  }
  const producesText = ["Embeddings", "Moderations"].includes(exchange.match.endpoint.name) === false;
  const cap = producesText
    ? (asked ?? Math.min(limits.outputTokens ?? model.outputTokensMax, model.outputTokensMax))
    : 0;
  const metered = exchange.match.endpoint.metered === "usage";
  const isBounded = input.hosted !== undefined && exchange.match.endpoint.path === "/responses";
  const calls = isBounded ? wish.integer("max_tool_calls", 0) : undefined;
  return {
    ...boundOf(input, { metered, window: model.inputTokensMax, calls }),
    ...(input.predictionTokens > 0 && { outputExtra: input.predictionTokens * choices }),
    outputTokens: metered ? cap * choices : 0,
    outputCap: cap,
    choices,
    // where no member takes a cap the hold is whole: to hold less would ask nobody to write less
    capAsked: asked !== undefined || !producesText || outputMembers[exchange.match.endpoint.path] === undefined,
    // a rule that limits the output has it asked for, quota or not
    capWanted: limits.outputTokens !== undefined,
  };
}

function choicesOf(exchange: Authorized, wish: Wish): number {
  const name = exchange.match.endpoint.name;
  if (!["ChatCompletions", "Completions", "ImagesGenerations", "ImagesEdits"].includes(name)) return 1;
  if (exchange.body.kind === "multipart") return formInteger(exchange.body, "n") ?? 1;
  const n = wish.integer("n", 1) ?? 1;
  const prompts = name === "Completions" ? wish.member("prompt") : undefined;
  const lists =
    prompts?.kind === "array" && [...prompts.items()].some((item) => item.kind !== "number") ? prompts.length : 1;
  return Math.max(n, name === "Completions" ? (wish.integer("best_of", 1) ?? 1) : 1) * Math.max(1, lists);
}

/** A whole number of at least 1 in a form; undefined when it has none. */
function formInteger({ bytes, scan }: Extract<RequestBody, { kind: "multipart" }>, name: string): number | undefined {
  const text = fieldOf(bytes, scan, { name });
  if (text === undefined) return undefined;
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw typed(name, "an integer of at least 1");
  return Number(text);
}

function askedOutput(exchange: Authorized, wish: Wish): number | undefined {
  const path = exchange.match.endpoint.path;
  let asked: number | undefined;
  for (const member of outputMembers[path] ?? []) {
    const value = wish.integer(member, 1);
    if (value !== undefined) asked = Math.max(asked ?? 0, value);
  }
  return asked ?? (path === "/completions" ? completionsOutputDefault : undefined);
}

/** Edits that make the body what the rule says; later lists win over what the client sent. */
function ruleEdits(exchange: Authorized, wish: Wish): JsonEdit[] {
  const { defaults, overrides, systemPrompt } = exchange.rule.request;
  const edits: JsonEdit[] = [];
  for (const [key, value] of Object.entries(defaults)) {
    if (!(key in overrides) && wish.member(key) === undefined && key !== "stream_options")
      edits.push(set([key], value));
  }
  for (const [key, value] of Object.entries(overrides)) if (key !== "stream_options") edits.push(set([key], value));
  if (systemPrompt !== undefined) edits.push(...systemPromptEdit(exchange, wish, systemPrompt));
  return edits;
}

const set = (path: (string | number)[], value: unknown): JsonEdit => ({
  op: "set",
  path,
  value: JSON.stringify(value),
});

function systemPromptEdit(exchange: Authorized, wish: Wish, systemPrompt: string): JsonEdit[] {
  if (exchange.body.kind !== "json") return [];
  const root = exchange.body.document.root;
  if (exchange.match.endpoint.path === "/chat/completions") {
    if (root.get("messages")?.kind !== "array") throw typed("messages", "a list of messages");
    return [{ op: "insert", path: ["messages", 0], value: JSON.stringify({ role: "system", content: systemPrompt }) }];
  }
  if (exchange.match.endpoint.path !== "/responses") return [];
  const own = wish.text("instructions");
  return [set(["instructions"], own === "" ? systemPrompt : `${systemPrompt}\n\n${own}`)];
}

/**
 * A stream reports its usage only when asked (`stream_options.include_usage`), so it is always asked for; the extra frame is
 * taken out again when the client did not ask. An empty list: nothing to change, the client gets the frame.
 */
function usageEdit(exchange: Authorized, wish: Wish): JsonEdit[] {
  const { path } = exchange.match.endpoint;
  if (!exchange.streamed || (path !== "/chat/completions" && path !== "/completions")) return [];
  const options = wish.member("stream_options");
  if (options !== undefined && options.kind !== "object") throw typed("stream_options", "an object");
  if (options?.get("include_usage")?.kind === "true") return [];
  return [{ op: "set", path: ["stream_options", "include_usage"], value: "true" }];
}
