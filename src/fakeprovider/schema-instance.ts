import type { JsonObject } from "./json-values.ts";
import { isObject, listOf, numberOf, objectOf, textOf } from "./json-values.ts";

/** Nesting of a made-up value; past it lists are empty and optional parts are left out. */
const depthMax = 8;

const formatted: Readonly<Record<string, string>> = {
  "date-time": "2026-01-02T03:04:05Z",
  date: "2026-01-02",
  time: "03:04:05Z",
  duration: "PT1H",
  email: "someone@example.com",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  uuid: "0b6c3f1e-8f5a-4d5e-9a51-3f1d2c4b5a69",
  uri: "https://example.com/",
};

const stringFor = (schema: JsonObject): string => {
  const least = numberOf(schema.minLength) ?? 0;
  const most = numberOf(schema.maxLength) ?? Number.POSITIVE_INFINITY;
  const word = formatted[textOf(schema.format) ?? ""] ?? "amber";
  return word.padEnd(least, "a").slice(0, most);
};

const numberFor = (schema: JsonObject, step: number): number => {
  const over = numberOf(schema.exclusiveMinimum);
  const least = numberOf(schema.minimum) ?? (over === undefined ? undefined : over + step);
  const most = numberOf(schema.maximum) ?? numberOf(schema.exclusiveMaximum);
  const wanted = step === 1 ? 7 : 7.5;
  if (least !== undefined && wanted < least) return step === 1 ? Math.ceil(least) : least;
  return most !== undefined && wanted >= most ? (least ?? most - 1) : wanted;
};

const referenced = (schema: JsonObject, root: JsonObject): unknown => {
  const pointer = textOf(schema.$ref);
  if (pointer === undefined) return schema;
  let place: unknown = root;
  for (const step of pointer.split("/").slice(1)) place = objectOf(place)[step];
  return place;
};

/** A valid instance of a JSON schema, always the same one: every property is there, lists have their least length. */
export function instanceOf(schema: unknown, root: JsonObject = objectOf(schema), depth = 0): unknown {
  const found = isObject(schema) ? referenced(schema, root) : schema;
  if (!isObject(found)) return {};
  if (found !== schema && textOf(objectOf(schema).$ref) !== undefined && depth > depthMax) return null;
  if (found.const !== undefined) return found.const;
  const values = listOf(found.enum);
  if (values.length > 0) return values[0];
  const choices = [...listOf(found.anyOf), ...listOf(found.oneOf)];
  if (choices.length > 0) return instanceOf(depth > depthMax ? choices.at(-1) : choices[0], root, depth + 1);
  const parts = listOf(found.allOf);
  if (parts.length > 0) return Object.assign({}, ...parts.map((part) => instanceOf(part, root, depth + 1)));
  return typedInstance(found, root, depth);
}

const typeOf = (schema: JsonObject): unknown => {
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  const stated: unknown = types.find((type) => type !== "null") ?? types[0];
  return stated ?? (schema.properties === undefined ? "string" : "object");
};

const typedInstance = (schema: JsonObject, root: JsonObject, depth: number): unknown => {
  switch (typeOf(schema)) {
    case "object": {
      const required = new Set(listOf(schema.required));
      const entries = Object.entries(objectOf(schema.properties))
        .filter(([name]) => depth <= depthMax || required.has(name))
        .map(([name, part]) => [name, instanceOf(part, root, depth + 1)]);
      return Object.fromEntries(entries);
    }
    case "array": {
      const count = numberOf(schema.minItems) ?? (depth > depthMax ? 0 : 1);
      return Array.from({ length: count }, () => instanceOf(schema.items, root, depth + 1));
    }
    case "integer":
      return numberFor(schema, 1);
    case "number":
      return numberFor(schema, 0.5);
    case "boolean":
      return true;
    case "null":
      return null;
    default:
      return stringFor(schema);
  }
};
