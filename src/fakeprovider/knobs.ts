/** How the text of one knob is read. `choice` takes one of `values`. */
export interface KnobRow {
  readonly kind: "integer" | "text" | "flag" | "choice";
  readonly means: string;
  readonly default: string;
  readonly values?: readonly string[];
}

const choice = <const V extends readonly string[]>(values: V, means: string, fallback = "none") =>
  ({ kind: "choice", values, means, default: fallback }) as const;
const integer = (means: string, fallback = "none") => ({ kind: "integer", means, default: fallback }) as const;
const text = (means: string, fallback = "none") => ({ kind: "text", means, default: fallback }) as const;
const flag = (means: string) => ({ kind: "flag", means, default: "0" }) as const;

/**
 * Every knob of the fake provider: name, kind, meaning, default. The reference page is made from this table.
 * "Events" are the frames on the wire, counted from the first (the role chunk, usage chunk and `[DONE]` count too).
 */
export const knobs = {
  // The answer as an error.
  status: integer("Answer with this status and the provider's true body and headers for it"),
  code: text("Error code of the body, e.g. insufficient_quota, context_length_exceeded, content_filter", "by status"),
  "retry-after": text("`retry-after` header, taken literally (seconds, a date or rubbish)"),
  "retry-after-ms": text("`retry-after-ms` header, taken literally"),
  "should-retry": choice(["true", "false"], "`x-should-retry` header"),
  times: integer("Only the first N requests that carry this same text misbehave; the later ones succeed", "all"),
  id: text("Means nothing; makes the text unique, so that `times` counts apart"),
  redirect: text("Answer 307 (or `status`) to this URL"),
  // The body as a whole.
  body: choice(["html", "empty", "junk", "truncated"], "Body instead of the true one: a page, nothing, not JSON, cut"),
  raw: text("Body taken literally, with `type` as its content type"),
  type: text("`content-type` header instead of the true one", "true one"),
  header: text("One more response header, `name:value`"),
  "header-bytes": integer("Adds a response header of N bytes (names x-fake-filler-…, 4 KiB each)"),
  length: integer("Adds N to the true `content-length` (the body then ends too early)"),
  close: flag("`connection: close`, and the socket is closed after the answer"),
  chunked: flag("Chunked encoding where a content length would be sent"),
  encoding: text("Compress though nobody asked: gzip, br, deflate, zstd, a comma list of them, or wrong (a lie)"),
  // Time.
  delay: integer("Milliseconds before the headers", "0"),
  first: integer("Milliseconds between the headers and the first body byte", "0"),
  every: integer("Milliseconds between events (or between the 8 pieces of a plain body)", "0"),
  slow: integer("Bytes per second of the body", "unbounded"),
  early: flag("Answer before the request body is read (header or script only)"),
  // Broken ends. For a plain body k counts eighths of it.
  hang: choice(["headers", "body", "mid"], "Never answer; headers then silence; silence after `k` events"),
  k: integer("Events before `hang=mid`", "1"),
  reset: integer("RST after k events; 0 is before the headers"),
  fin: integer("FIN inside a chunk after k events"),
  eof: integer("Clean end after k events, no terminal event"),
  error: integer("Stream error event after k events, then the end"),
  failed: integer("Responses: `response.failed` after k events, then the end"),
  // The look of the stream.
  split: text("Write the body in pieces of N bytes, each in its own packet; `byte` is 1"),
  crlf: flag("Lines end with CR LF"),
  cr: flag("Lines end with CR"),
  bom: flag("The body begins with a byte order mark"),
  nospace: flag("`data:` without the space"),
  comment: flag("`: ping` lines before every event"),
  ids: flag("`id:` and `retry:` lines in every event"),
  multidata: flag("Each event's JSON over several `data:` lines"),
  emptydata: flag("An event with empty data after the first event"),
  noblank: flag("The last event lacks its blank line"),
  badutf8: flag("A byte 0xff inside the second event (or the body)"),
  badjson: flag("The second event's JSON (or the body's) is cut"),
  nul: flag("A NUL byte inside the second event (or the body)"),
  // Token endpoints.
  expires: integer("`expires_in` of an exchanged token, in seconds; 0 leaves it out", "3600"),
  // What the model says.
  answer: text("The answer's text", "8 made-up words"),
  tokens: integer("Output tokens: the answer is that many words", "8"),
  chunks: integer("Content events of a stream", "one per word"),
  big: integer("One content event, or one answer, of N bytes"),
  refusal: text("The model refuses with this text"),
  finish: choice(["stop", "length", "content_filter"], "Finish reason", "by the answer"),
  tool: text("Call this tool, asked for or not"),
  args: text("The tool call's arguments, literally", "made from its schema"),
  calls: integer("Number of parallel tool calls", "1"),
  interleave: flag("Fragments of parallel tool calls alternate"),
  latename: flag("A streamed tool call's name comes after its first arguments"),
  dupindex: flag("Streamed parallel tool calls all carry index 0"),
  model: text("Model named in the answer", "the dated snapshot"),
  tier: text("`service_tier` of the answer", "default"),
  polls: integer("GETs on background work that still say it is under way", "0"),
  outcome: choice(["completed", "failed", "cancelled"], "How background work ends", "completed"),
  // Usage.
  usage: choice(["none", "negative", "huge", "twice"], "Usage is missing, negative, absurd, or reported two times"),
  reasoning: integer("Hidden reasoning tokens, added to the output tokens", "0"),
  cached: integer("Cached input tokens", "0"),
  // Azure's habits.
  asyncfilter: flag("Azure: a content filter frame after the finish reason"),
  filtererror: flag("Azure: `content_filter_error` instead of results (the filter did not run)"),
} as const satisfies Record<string, KnobRow>;

/** A knob's name. */
export type KnobName = keyof typeof knobs;

type KnobValue<R> = R extends { readonly kind: "integer" }
  ? number
  : R extends { readonly kind: "flag" }
    ? boolean
    : R extends { readonly values: readonly (infer V)[] }
      ? V
      : string;

/** What one request is answered with. Absent knobs have the default of the table `knobs`. */
export type Behaviour = { readonly [K in KnobName]?: KnobValue<(typeof knobs)[K]> };

/** A behaviour that cannot be read. The message names the knob and what it takes. */
export class BehaviourFault extends Error {}

const isKnobName = (name: string): name is KnobName => Object.hasOwn(knobs, name);

const decoded = (value: string): string => {
  try {
    return decodeURIComponent(value);
  } catch {
    return value; // a lone percent sign is meant literally
  }
};

const knobValue = (name: KnobName, value: unknown): number | string | boolean => {
  const row: KnobRow = knobs[name];
  if (row.kind === "integer") {
    const count = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
    if (typeof count === "number" && Number.isSafeInteger(count) && count >= 0) return count;
    throw new BehaviourFault(`fake: ${name} takes a whole number, not ${JSON.stringify(value)}`);
  }
  if (row.kind === "flag") {
    if ([true, 1, "1", "true", ""].some((yes) => yes === value)) return true;
    if ([false, 0, "0", "false"].some((no) => no === value)) return false;
    throw new BehaviourFault(`fake: ${name} takes 1 or 0, not ${JSON.stringify(value)}`);
  }
  const words = typeof value === "number" || typeof value === "boolean" ? String(value) : value;
  if (typeof words !== "string") throw new BehaviourFault(`fake: ${name} takes text`);
  if (row.values === undefined || row.values.includes(words)) return words;
  throw new BehaviourFault(`fake: ${name} takes ${row.values.join("|")}, not ${JSON.stringify(words)}`);
};

/** Checks a behaviour that came as an object. @throws BehaviourFault on an unknown knob or a wrong value. */
export function behaviourFrom(value: unknown): Behaviour {
  if (typeof value === "string") return behaviourFromText(value);
  if (typeof value !== "object" || value === null) throw new BehaviourFault("fake: a behaviour is an object or text");
  const found: Record<string, number | string | boolean> = {};
  for (const [name, raw] of Object.entries(value)) {
    if (!isKnobName(name)) throw new BehaviourFault(`fake: unknown knob ${JSON.stringify(name)}`);
    if (raw !== undefined) found[name] = knobValue(name, raw);
  }
  return found as Behaviour; // every entry has just been checked against its row
}

/**
 * Reads `key=value;key=value`. Values are trimmed and may be percent-encoded (`%3B` for a semicolon); a key alone sets a flag.
 * @throws BehaviourFault on an unknown knob or a wrong value.
 */
export function behaviourFromText(source: string): Behaviour {
  const found: Record<string, string> = {};
  for (const part of source.split(";")) {
    if (part.trim() === "") continue;
    const equals = part.indexOf("=");
    if (equals === -1) found[part.trim()] = "";
    else found[part.slice(0, equals).trim()] = decoded(part.slice(equals + 1).trim());
  }
  return behaviourFrom(found);
}
