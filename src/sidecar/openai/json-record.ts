/** Reading of parsed JSON of unknown shape. */

/** A parsed JSON object. */
export type JsonRecord = Record<string, unknown>;

/** The value as a JSON object; undefined for anything else: arrays, null, and numbers kept as raw text. */
export function recordOf(value: unknown): JsonRecord | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value) || isRawNumber(value)) return undefined;
  return value as JsonRecord; // an object that is no array, no null: its members are unknown, which is what the type says
}

/** The value as a list; empty for anything else. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The value as a string with at least one character, cut to `charsMax`; undefined for anything else. */
export function textOf(value: unknown, charsMax = 256): string | undefined {
  return typeof value === "string" && value !== "" ? value.slice(0, charsMax) : undefined;
}

/** The text of a whole JSON object; undefined where it is not JSON, or not an object. */
export function parseRecord(text: string): JsonRecord | undefined {
  try {
    return recordOf(JSON.parse(text));
  } catch {
    return undefined; // what a provider sends is not trusted to be JSON; the caller decides what that means
  }
}

/** `JSON.isRawJSON` of ES2026, which the type library does not have yet. */
interface RawNumbers {
  isRawJSON(value: unknown): boolean;
}
const rawNumbers = JSON as unknown as RawNumbers; // present in Node since version 22

function isRawNumber(value: object): boolean {
  return rawNumbers.isRawJSON(value);
}
