import type { Handler } from "./call.ts";
import { jsonReply } from "./call.ts";
import { badParameter, missingParameter } from "./failures.ts";
import { checkRange, unsupportedValue } from "./field-types.ts";
import { numberOf } from "./json-values.ts";
import { answeringModel, askedModel } from "./models.ts";
import type { Route } from "./router.ts";
import { embeddingUsage } from "./token-usage.ts";
import { inputTokensOf, randomFrom } from "./words.ts";

const inputsMax = 2048;

/** One text or one list of token numbers. */
type Input = string | readonly number[];

const invalidInput = () =>
  badParameter(
    "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
    null,
  );

const isTokens = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((token) => Number.isInteger(token));

const inputsOf = (input: unknown): readonly Input[] => {
  if (input === undefined) throw missingParameter("input");
  if (isTokens(input)) return [input];
  const inputs: readonly unknown[] = Array.isArray(input) ? input : [input];
  if (inputs.length === 0 || inputs.length > inputsMax) throw invalidInput();
  return inputs.map((one) => {
    if ((typeof one === "string" && one !== "") || isTokens(one)) return one;
    throw invalidInput();
  });
};

const seedOf = (input: Input): number => {
  const text = typeof input === "string" ? input : input.join(" ");
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
};

/** A vector of length 1 that depends on the text alone. */
const vectorOf = (input: Input, dimensions: number): Float32Array => {
  const random = randomFrom(seedOf(input));
  const vector = new Float32Array(dimensions);
  let squares = 0;
  for (let i = 0; i < dimensions; i += 1) {
    const value = random() - 0.5;
    vector[i] = value;
    squares += value * value;
  }
  const length = Math.sqrt(squares) || 1;
  return vector.map((value) => value / length);
};

const dimensionsOf = (model: string): number => (model.includes("3-large") ? 3072 : 1536);

const create: Handler = (call) => {
  const { json } = call;
  const model = answeringModel(call, askedModel(call), "text-embedding-3-small");
  const inputs = inputsOf(json.input);
  const format = json.encoding_format ?? "float";
  if (format !== "float" && format !== "base64") throw unsupportedValue("encoding_format", format, ["float", "base64"]);
  const most = dimensionsOf(model);
  checkRange(json, "dimensions", [1, most]);
  const dimensions = numberOf(json.dimensions) ?? most;
  const data = inputs.map((input, index) => {
    const vector = vectorOf(input, dimensions);
    const embedding = format === "base64" ? Buffer.from(vector.buffer).toString("base64") : [...vector];
    return { object: "embedding", index, embedding };
  });
  const characters = inputs.reduce((sum, one) => sum + (typeof one === "string" ? one.length : one.length * 4), 0);
  return jsonReply({ object: "list", data, model, usage: embeddingUsage(inputTokensOf(characters), call.behaviour) });
};

/** Endpoint of embeddings. */
export const embeddingRoutes: readonly Route[] = [["POST /embeddings", create]];
