/** How long a provider wants to be left alone, as its headers say. */
import type { HeaderList } from "../reply.ts";

const headerIn = (headers: HeaderList, wanted: string): string | undefined =>
  headers.find(([name]) => name === wanted)?.[1];

/** A number that is written out in full; not what `Number` makes of "" or "0x10". */
const numberIn = (text: string | undefined): number | undefined =>
  text !== undefined && /^\s{0,8}\d{1,15}(\.\d{1,15})?\s{0,8}$/.test(text) ? Number(text) : undefined;

/**
 * The wait in ms: `retry-after-ms`, else `retry-after` in seconds or as a date (RFC 9110 section 10.2.3), as both SDKs read
 * them. 0 for a date that has passed; absent where neither header can be read. `headers`: names in lower case.
 */
export function retryAfterMs(headers: HeaderList, nowMs: number): number | undefined {
  const ms = numberIn(headerIn(headers, "retry-after-ms"));
  if (ms !== undefined) return ms;
  const text = headerIn(headers, "retry-after");
  const seconds = numberIn(text);
  if (seconds !== undefined) return seconds * 1000;
  const date = text !== undefined && /[a-z]{3}/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
