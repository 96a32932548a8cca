import { z } from "zod";
import { assert } from "../base/assert.ts";
import { celMatches, matching } from "./rules.ts";

/** One to four groups of one to five digits and a unit, as Gateway API writes them (GEP-2257): `90s`, `1m30s`, `500ms`. */
export const durationPattern = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";
/** Four groups of five digits with a unit of two letters. */
const durationLengthMax = 28;
const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** Milliseconds of a GEP-2257 duration; groups add up in any order. undefined when `text` is none. */
export const parseDuration = (text: string): number | undefined => {
  if (text.length > durationLengthMax || !new RegExp(durationPattern).test(text)) return undefined;
  let totalMs = 0;
  for (const [, digits, unit] of text.matchAll(/([0-9]+)(ms|h|m|s)/g))
    totalMs += Number(digits) * (unitMs[unit ?? ""] ?? 0);
  return totalMs;
};

/** Milliseconds of a duration that a schema has already accepted. Throws AssertionFault otherwise. */
export const durationMs = (text: string): number => {
  const ms = parseDuration(text);
  assert(ms !== undefined, `${JSON.stringify(text)} is not a duration`);
  return ms;
};

/** Schema of a duration between two durations, both included. */
export const durationSchema = (bounds: { min: string; max: string }) => {
  const minMs = durationMs(bounds.min);
  const maxMs = durationMs(bounds.max);
  const message = `must be a duration from ${bounds.min} to ${bounds.max}`;
  const written = 'must be a duration such as "90s", "1m30s" or "500ms"';
  const isWritten = celMatches("self", durationPattern);
  const isWithin = `duration(self) >= duration('${bounds.min}') && duration(self) <= duration('${bounds.max}')`;
  return matching(z.string().max(durationLengthMax), durationPattern, written)
    .check((context) => {
      const ms = parseDuration(context.value);
      if (ms !== undefined && (ms < minMs || ms > maxMs))
        context.issues.push({ code: "custom", message, input: context.value });
    })
    .meta({
      bounds: `${bounds.min} to ${bounds.max}`,
      "x-kubernetes-validations": [
        { rule: isWritten, message: written },
        { rule: `!${isWritten} || (${isWithin})`, message },
      ],
    });
};
