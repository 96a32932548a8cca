/** A JSON object nobody has looked into yet. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether the value is a JSON object; a list and null are none. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The value when it is text, else absent. */
export const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/** The value when it is a number, else absent. */
export const numberOf = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined);

/** The value when it is an object, else an empty one. */
export const objectOf = (value: unknown): JsonObject => (isObject(value) ? value : {});

/** The value when it is a list, else an empty one. */
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
