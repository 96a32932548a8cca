/** Which headers travel on, in both directions. Decided by name, once for each spelling. */

/** Hop-by-hop fields (RFC 9110 section 7.6.1) and what belongs to one connection. */
const hopByHop = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
  "http2-settings",
];

/** Never sent on: credentials of the client, what we set ourselves, claims about who calls, and other methods and paths than the judged ones. */
const requestDropped = new Set([
  ...hopByHop,
  "host",
  "content-length",
  "accept-encoding",
  "authorization",
  "api-key",
  // where other clients put the same token or key
  "x-api-key",
  "x-auth-token",
  "x-access-token",
  "x-goog-api-key",
  "openai-organization",
  "openai-project",
  "cookie",
  "forwarded",
  "via",
  "x-real-ip",
  "x-no-cache",
  "x-http-method",
  "x-http-method-override",
  "x-method-override",
  "x-original-url",
  "x-rewrite-url",
]);
const requestDroppedPrefixes = ["x-sidegate-", "x-forwarded-"];

/** Never sent back: framing that we make anew, cookies, and what would redirect the client's later calls. */
const responseDropped = new Set([
  ...hopByHop,
  "content-length",
  "content-encoding",
  "set-cookie",
  "set-cookie2",
  "alt-svc",
  "strict-transport-security",
  "clear-site-data",
]);
const responseDroppedPrefixes = ["x-sidegate-"];

/** Remembers the decision for each spelling of a name; bounded, since clients choose names. */
class NameFilter {
  readonly #dropped: ReadonlySet<string>;
  readonly #prefixes: readonly string[];
  readonly #known = new Map<string, string | undefined>();
  constructor(dropped: ReadonlySet<string>, prefixes: readonly string[]) {
    this.#dropped = dropped;
    this.#prefixes = prefixes;
  }
  /** The lower-case name, or undefined when the field is dropped. */
  pass(raw: string): string | undefined {
    if (this.#known.has(raw)) return this.#known.get(raw);
    const name = raw.toLowerCase();
    const verdict = this.#dropped.has(name) || this.#prefixes.some((p) => name.startsWith(p)) ? undefined : name;
    if (this.#known.size < 1000) this.#known.set(raw, verdict);
    return verdict;
  }
}

const requestNames = new NameFilter(requestDropped, requestDroppedPrefixes);
const responseNames = new NameFilter(responseDropped, responseDroppedPrefixes);

/** The client's headers that travel on, as a flat list. Fields that `Connection` nominates stay behind. */
export function forwardedRequestHeaders(raw: readonly string[], connection: string | undefined): string[] {
  const nominated =
    connection === undefined || connection === "keep-alive" || connection === "close" ? undefined : namesIn(connection);
  const headers: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = requestNames.pass(raw[i] ?? "");
    if (name !== undefined && !nominated?.has(name)) headers.push(name, raw[i + 1] ?? "");
  }
  return headers;
}

/** The provider's headers that travel back. `raw`: flat list as it came. */
export function forwardedResponseHeaders(raw: readonly (Buffer | string)[]): [string, string][] {
  const headers: [string, string][] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = responseNames.pass(String(raw[i]));
    if (name === undefined) continue;
    const value = raw[i + 1] ?? "";
    headers.push([name, typeof value === "string" ? value : value.toString("latin1")]);
  }
  return headers;
}

function namesIn(connection: string): Set<string> {
  const names = connection.split(",").map((name) => name.trim().toLowerCase());
  return new Set(names.filter((name) => name !== "content-type")); // it is the body's, so nobody can name it away
}
