/** Parameters of a header value (`; name=value`), read so strictly that no two parsers can disagree about where a value ends. */

/** Letters of a token (RFC 9110 section 5.6.2). */
const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const separator = /[ \t]*;[ \t]*/y;

/** A header value: what stands before the first `;`, and its parameters by lower-case name. */
export interface HeaderValue {
  readonly value: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * Reads `value; name=token; name="quoted"`. Undefined when anything is left over, a parameter stands twice, a quoted value holds a control
 * character, or a backslash stands right before a quote: some readers take that for an escape and some for the value's end.
 */
export function readParameters(text: string): HeaderValue | undefined {
  const mark = text.indexOf(";");
  const parameters = new Map<string, string>();
  let at = mark < 0 ? text.length : text.slice(0, mark).trimEnd().length;
  const value = text.slice(0, at).trim();
  while (at < text.length) {
    const gap = match(separator, text, at);
    const name = match(token, text, at + gap.length);
    const equals = at + gap.length + name.length;
    if (gap === "" || name === "" || text[equals] !== "=") return undefined;
    const read = text[equals + 1] === '"' ? readQuoted(text, equals + 1) : readToken(text, equals + 1);
    if (read === undefined || parameters.has(name.toLowerCase())) return undefined;
    parameters.set(name.toLowerCase(), read.value);
    at = read.end;
  }
  return { value, parameters };
}

interface Read {
  readonly value: string;
  readonly end: number;
}

function readToken(text: string, at: number): Read | undefined {
  const value = match(token, text, at);
  return value === "" ? undefined : { value, end: at + value.length };
}

function readQuoted(text: string, at: number): Read | undefined {
  const quote = text.indexOf('"', at + 1);
  if (quote < 0 || text[quote - 1] === "\\") return undefined;
  const value = text.slice(at + 1, quote);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return /[\x00-\x1f\x7f]/.test(value) ? undefined : { value, end: quote + 1 };
}

/** What a sticky pattern finds at `at`, "" for nothing. */
function match(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? "";
}
