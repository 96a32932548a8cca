/** From the faults of a schema to sentences that name the fix. No value stands in them: the resource may be a Secret. */
import { z } from "zod";
import { suggest } from "./suggest.ts";

/** What is wrong at `path`. `isKey`: the member's name itself is at fault. */
export interface SchemaFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly isKey: boolean;
}

/** A schema of resources that parse to `Output`. */
export type Schema<Output> = z.ZodType<Output>;

/** Parses `value`, or says all that is wrong with it: one fault for each field. */
export const parseWith = <Output>(
  schema: Schema<Output>,
  value: unknown,
): { readonly value: Output } | { readonly faults: readonly SchemaFault[] } => {
  const result = schema.safeParse(value, { error: sentenceOf });
  if (result.success) return { value: result.data };
  const faults = new Map<string, SchemaFault>();
  for (const fault of result.error.issues.flatMap((issue) => faultsOf(issue, schema))) {
    const key = JSON.stringify(fault.path);
    if (!faults.has(key)) faults.set(key, fault);
  }
  return { faults: [...faults.values()] };
};

const faultsOf = (issue: z.core.$ZodIssue, schema: z.ZodType): SchemaFault[] => {
  const path = issue.path.filter((part) => typeof part !== "symbol");
  if (issue.code !== "unrecognized_keys") return [{ path, message: issue.message, isKey: false }];
  const known = fieldsAt(schema, path);
  return issue.keys.map((key) => {
    const near = suggest(key, known);
    const hint = near ? `did you mean ${near}?` : `known are ${[...known].sort().join(", ")}`;
    return { path: [...path, key], message: `is unknown here; ${hint}`, isKey: true };
  });
};

/** Names of the fields that an object schema has at `path`; none where there is no object. */
const fieldsAt = (schema: z.core.$ZodType, path: readonly (string | number)[]): readonly string[] => {
  const inner = unwrap(schema);
  const [part, ...rest] = path;
  if (part === undefined) return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
  if (inner instanceof z.ZodArray) return fieldsAt(inner.element, rest);
  const member = inner instanceof z.ZodObject ? inner.shape[part] : undefined;
  return member ? fieldsAt(member, rest) : [];
};

const unwrap = (schema: z.core.$ZodType): z.core.$ZodType =>
  schema instanceof z.ZodOptional ||
  schema instanceof z.ZodDefault ||
  schema instanceof z.ZodPrefault ||
  schema instanceof z.ZodNullable
    ? unwrap(schema.unwrap())
    : schema;

/** Sentences for the faults that have no words of their own in the schema. */
const sentenceOf = (issue: z.core.$ZodRawIssue): string | undefined => {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined
        ? "is required"
        : `must be ${typeNames[issue.expected] ?? issue.expected}, not ${kindOf(issue.input)}`;
    case "invalid_value":
      return invalidValue(issue.values.map(String), issue.input);
    case "too_small":
      return `must ${sizeOf(issue.origin, "at least", Number(issue.minimum))}`;
    case "too_big":
      return `must ${sizeOf(issue.origin, "at most", Number(issue.maximum))}`;
    default:
      return undefined;
  }
};

const invalidValue = (values: readonly string[], input: unknown): string => {
  const list = values.map((value) => (value === "" ? '""' : value)).join(", ");
  const what = values.length === 1 ? `must be ${list}` : `must be one of ${list}`;
  if (input === undefined) return `is required; ${what}`;
  const near = typeof input === "string" ? suggest(input, values) : undefined;
  return near ? `${what}; did you mean ${near}?` : what;
};

const sizeOf = (origin: string, bound: string, figure: number): string => {
  if (origin === "string") return `have ${bound} ${figure} character${figure === 1 ? "" : "s"}`;
  if (origin === "array") return `have ${bound} ${figure} entr${figure === 1 ? "y" : "ies"}`;
  return `be ${bound} ${figure}`;
};

const typeNames: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "an object",
  record: "an object",
  array: "a list",
};

const kindOf = (value: unknown): string => {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "number") return Number.isInteger(value) ? "a number" : "a fraction";
  if (typeof value === "boolean") return "true or false";
  return typeof value === "string" ? "a string" : "an object";
};
