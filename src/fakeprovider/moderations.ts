import type { Handler } from "./call.ts";
import { jsonReply } from "./call.ts";
import { missingParameter, wrongType } from "./failures.ts";
import type { JsonObject } from "./json-values.ts";
import { objectOf, textOf } from "./json-values.ts";
import { askedModel } from "./models.ts";
import type { Route } from "./router.ts";

const categories = [
  "harassment",
  "harassment/threatening",
  "hate",
  "hate/threatening",
  "illicit",
  "illicit/violent",
  "self-harm",
  "self-harm/intent",
  "self-harm/instructions",
  "sexual",
  "sexual/minors",
  "violence",
  "violence/graphic",
] as const;

const perCategory = <T>(value: (category: string) => T): Record<string, T> =>
  Object.fromEntries(categories.map((category) => [category, value(category)]));

/** A text with the word "kill" is violent, all others are harmless. */
const verdictOn = (text: string): JsonObject => {
  const flagged = /\bkill/i.test(text);
  const isHit = (category: string) => flagged && category === "violence";
  return {
    flagged,
    categories: perCategory(isHit),
    category_scores: perCategory((category) => (isHit(category) ? 0.97 : 0.00001)),
    category_applied_input_types: perCategory(() => ["text"]),
  };
};

const textsOf = (input: unknown): readonly string[] => {
  if (input === undefined) throw missingParameter("input");
  if (typeof input === "string") return [input];
  if (!Array.isArray(input)) throw wrongType("input", "one of a string or array of strings", input);
  const parts = input.map((part) => (typeof part === "string" ? part : (textOf(objectOf(part).text) ?? "")));
  const isOneMessage = input.some((part) => typeof part === "object");
  return isOneMessage ? [parts.join(" ")] : parts;
};

const create: Handler = (call) => {
  const model = askedModel(call, { fallback: "omni-moderation-latest" });
  const results = textsOf(call.json.input).map(verdictOn);
  return jsonReply({ id: call.newId("modr-"), model: call.behaviour.model ?? model, results });
};

/** Endpoint of moderation. */
export const moderationRoutes: readonly Route[] = [["POST /moderations", create]];
