/** JSON in and out without damage to numbers: what a double cannot hold stays the text it was. */
import { type JsonRecord, recordOf } from "../openai/json-record.ts";

/** JSON with source text access (ES2026), which the type library does not have yet. */
interface SourceTextJson {
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
  rawJSON(text: string): object;
}
const json = JSON as unknown as SourceTextJson; // present in Node since version 22

/** Only texts with a long digit run or an exponent can hold a number that a double damages. May also match text; harmless. */
const suspectNumber = /[0-9.]{16}|[0-9][eE]/;

/**
 * The object in `text`; undefined where it is not JSON, not an object, or too deep for the stack. Numbers that would change
 * (integers beyond 2^53, 1E400, decimals with too many digits) are kept as raw JSON, which `stringifyExact` writes back.
 */
export function parseExact(text: string): JsonRecord | undefined {
  try {
    return recordOf(suspectNumber.test(text) ? json.parse(text, keepNumber) : JSON.parse(text));
  } catch {
    return undefined; // a cached answer that cannot be read is a cache miss, nothing worse
  }
}

/** The text of what `parseExact` gave, or of parts of it; undefined where it is nested too deep for the stack. */
export function stringifyExact(value: JsonRecord): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

function keepNumber(_key: string, value: unknown, context: { source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const { source } = context;
  return source === undefined || String(value) === source ? value : json.rawJSON(source);
}
