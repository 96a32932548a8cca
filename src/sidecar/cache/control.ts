/** What the client says about caching: RFC 9111 request directives, and `x-no-cache: 1` for clients that cannot set those. */
import type { IncomingHttpHeaders } from "node:http";

/** What one request asks of the cache. Says it nothing: look up, store, take any age, and call when nothing is stored. */
export interface CacheControl {
  /** Look for a stored answer. */
  readonly lookUp: boolean;
  /** Store the answer. */
  readonly store: boolean;
  /** Oldest answer that the client takes; Infinity: any that has not expired. */
  readonly maxAgeMs: number;
  /** 504 instead of a call when there is no stored answer. */
  readonly onlyIfCached: boolean;
}

const all: CacheControl = { lookUp: true, store: true, maxAgeMs: Number.POSITIVE_INFINITY, onlyIfCached: false };

/** Reads the directives; what it does not know is ignored, as RFC 9111 section 5.2.3 says. */
export function cacheControlOf(headers: IncomingHttpHeaders): CacheControl {
  const bypass = headers["x-no-cache"] === "1" || headers["x-no-cache"] === "true";
  const text = headers["cache-control"];
  if (text === undefined) return bypass ? { ...all, lookUp: false } : all;
  const control = { ...all, lookUp: !bypass };
  for (const directive of text.toLowerCase().split(",", 32)) {
    const [name, value] = directive.trim().split("=", 2);
    if (name === "no-cache") control.lookUp = false;
    if (name === "no-store") control.store = false;
    if (name === "only-if-cached") control.onlyIfCached = true;
    if (name === "max-age" && value !== undefined && /^"?\d{1,10}"?$/.test(value)) {
      control.maxAgeMs = Number(value.replaceAll('"', "")) * 1000;
    }
  }
  return control;
}
