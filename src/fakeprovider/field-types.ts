import { badParameter, wrongType } from "./failures.ts";
import type { JsonObject } from "./json-values.ts";
import { isObject } from "./json-values.ts";

/** What a request field takes; every optional field also takes null, as the provider's do. */
export type FieldType = "string" | "integer" | "number" | "boolean" | "object" | "array" | "any";

const expectations: Readonly<Record<FieldType, readonly [expected: string, test: (value: unknown) => boolean]>> = {
  string: ["a string", (value) => typeof value === "string"],
  integer: ["an integer", (value) => Number.isInteger(value)],
  number: ["a decimal", (value) => typeof value === "number"],
  boolean: ["a boolean", (value) => typeof value === "boolean"],
  object: ["an object", isObject],
  array: ["an array", Array.isArray],
  any: ["anything", () => true],
};

/** Checks the fields of a request against their types. @throws ApiFault 400 for an unknown field or a wrong type. */
export function checkFields(json: JsonObject, fields: Readonly<Record<string, FieldType>>): void {
  for (const name in json) {
    const type = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (type === undefined) throw badParameter(`Unknown parameter: '${name}'.`, name, "unknown_parameter");
    const value = json[name];
    const [expected, test] = expectations[type];
    if (value !== null && value !== undefined && !test(value)) throw wrongType(name, expected, value);
  }
}

/** Fields that the provider calls decimals even when their value is whole. */
const decimalFields: ReadonlySet<string> = new Set(["temperature", "top_p", "presence_penalty", "frequency_penalty"]);

/** Checks that a number lies within bounds; absent and null pass. @throws ApiFault 400 */
export function checkRange(json: JsonObject, name: string, [least, most]: readonly [number, number]): void {
  const value = json[name];
  if (typeof value !== "number" || (value >= least && value <= most)) return;
  const noun = decimalFields.has(name) ? "decimal" : "integer";
  const isLow = value < least;
  throw badParameter(
    `Invalid '${name}': ${noun} ${isLow ? "below minimum" : "above maximum"} value. Expected a value ` +
      `${isLow ? `>= ${least}` : `<= ${most}`}, but got ${value} instead.`,
    name,
    `${noun}_${isLow ? "below_min" : "above_max"}_value`,
  );
}

const quotedList = (values: readonly string[]): string => {
  const quoted = values.map((value) => `'${value}'`);
  return quoted.length < 2 ? quoted.join("") : `${quoted.slice(0, -1).join(", ")}, and ${quoted.at(-1)}`;
};

/** The refusal of a value that is none of the known ones. */
export const unsupportedValue = (param: string, value: unknown, supported: readonly string[]) =>
  badParameter(
    `Invalid value: '${String(value)}'. Supported values are: ${quotedList(supported)}.`,
    param,
    "invalid_value",
  );
