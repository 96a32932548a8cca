/** Request paths of both dialects: what the client's URL means, and what a backend's URL must be. Nothing is decoded. */
import { type Endpoint, endpoints } from "../../openai/endpoints.ts";
import { GatewayError, refuse } from "../errors.ts";

/** A request path, understood. */
export interface PathMatch {
  readonly endpoint: Endpoint;
  /** Azure: `/openai/deployments/...` and dated resource paths, or `/openai/v1`. */
  readonly dialect: "openai" | "azure";
  /** The deployment that the path names; it is the model then. */
  readonly deployment?: string;
  /** Path below the version root, ids filled in: `/files/file-1/content`. */
  readonly path: string;
  /** The segments that stood for `{id}`, in order. */
  readonly ids: readonly string[];
}

/** Longest path, longest query, in characters. */
export const pathCharsMax = 2048;
export const queryCharsMax = 8192;

/** Never sent on: the version is the backend's own; the others are where a client may put its token or key (RFC 6750 section 2.3). */
const droppedParameters: ReadonlySet<string> = new Set(["api-version", "access_token", "api_key", "api-key"]);

const segmentPattern = /^[A-Za-z0-9._:-]{1,256}$/;
const queryPattern = /^[\x21-\x7e]*$/;
/** Parameters by which some servers take another model than the body's: a way around the allow-list. */
const forbiddenParameters = new Set(["model", "deployment", "deployment_id", "deployment-id", "engine"]);

interface Template {
  readonly endpoint: Endpoint;
  readonly segments: readonly string[];
}
const templates: readonly Template[] = endpoints.map((endpoint) => ({
  endpoint,
  segments: endpoint.path.slice(1).split("/"),
}));

const isId = (segment: string): boolean => segmentPattern.test(segment) && segment !== "." && segment !== "..";
const fits = (template: Template, segments: readonly string[]): boolean =>
  template.segments.length === segments.length &&
  template.segments.every((want, i) => want === segments[i] || (want === "{id}" && isId(segments[i] ?? "")));

function matchEndpoint(
  method: string,
  segments: readonly string[],
  shown: string,
): { endpoint: Endpoint; ids: string[] } {
  const candidates = templates.filter((template) => fits(template, segments));
  // a literal segment wins over {id}: /responses/input_tokens is not a response's id
  const literal = candidates.filter((t) => t.segments.every((want, i) => want === segments[i]));
  const pool = literal.some((t) => t.endpoint.method === method) ? literal : candidates;
  const found = pool.find((t) => t.endpoint.method === method);
  if (found) {
    return { endpoint: found.endpoint, ids: segments.filter((_, i) => found.segments[i] === "{id}") };
  }
  if (candidates.length === 0) throw refuse("unknown_endpoint", shown);
  const allow = [...new Set(candidates.map((t) => t.endpoint.method))].sort().join(", ");
  throw new GatewayError("method_not_allowed", [method.slice(0, 16), allow], { headers: [["allow", allow]] });
}

/** The version root that a path starts with, what follows it, and the deployment in it. */
function splitRoot(
  segments: readonly string[],
): { dialect: "openai" | "azure"; deployment?: string; rest: readonly string[] } | undefined {
  const [first, second, third] = segments;
  const afterDeployments = (from: number, dialect: "openai" | "azure") =>
    segments[from] === "deployments" && third !== undefined && isId(segments[from + 1] ?? "")
      ? { dialect, deployment: segments[from + 1] ?? "", rest: segments.slice(from + 2) }
      : undefined;
  if (first === "v1")
    return second === "deployments" ? afterDeployments(1, "azure") : { dialect: "openai", rest: segments.slice(1) };
  if (first !== "openai") return undefined;
  if (second === "v1") return { dialect: "azure", rest: segments.slice(2) };
  if (second === "deployments") return afterDeployments(1, "azure");
  return { dialect: "azure", rest: segments.slice(1) };
}

const known = new Map<string, PathMatch>();
const knownMax = 512;

/**
 * Understands a request's method and path (without query). One canonical form only: no percent-encoding, no empty or dot
 * segments, no parameters; everything else is refused before anything is looked up.
 * Throws GatewayError invalid_url, unknown_endpoint or method_not_allowed.
 */
export function matchPath(method: string, path: string): PathMatch {
  const key = `${method} ${path}`;
  const cached = known.get(key);
  if (cached) return cached;
  if (path.length > pathCharsMax) throw refuse("invalid_url", `the path is longer than ${pathCharsMax} characters`);
  const segments = path.slice(1).split("/");
  if (path[0] !== "/" || !segments.every(isId)) {
    throw refuse("invalid_url", "path segments are 1 to 256 of A-Z a-z 0-9 . _ : - and nothing is percent-encoded");
  }
  const root = splitRoot(segments);
  if (!root || root.rest.length === 0) throw refuse("unknown_endpoint", `${method.slice(0, 16)} ${path.slice(0, 120)}`);
  const { endpoint, ids } = matchEndpoint(method, root.rest, `${method.slice(0, 16)} ${path.slice(0, 120)}`);
  const match: PathMatch = {
    endpoint,
    dialect: root.dialect,
    deployment: root.deployment,
    path: `/${root.rest.join("/")}`,
    ids,
  };
  // only paths without ids: those are few, so the map stays small whatever clients send
  if (ids.length === 0 && known.size < knownMax) known.set(key, match);
  return match;
}

/**
 * The query as it may travel on: `api-version` is ours to set, a caller's token or key is nobody else's, names by which a model could be
 * smuggled in are refused.
 * Answers "" or the query with its leading `?`. Throws GatewayError invalid_url.
 */
export function forwardedQuery(query: string): string {
  if (query === "") return "";
  if (query.length > queryCharsMax) throw refuse("invalid_url", `the query is longer than ${queryCharsMax} characters`);
  if (!queryPattern.test(query)) throw refuse("invalid_url", "the query has a character that must be percent-encoded");
  const kept: string[] = [];
  for (const pair of query.split("&")) {
    const name = decodedName(pair);
    if (droppedParameters.has(name) || pair === "") continue;
    if (forbiddenParameters.has(name))
      throw refuse("invalid_url", `the query must not name '${name}'; the model stands in the body`);
    kept.push(pair);
  }
  return kept.length === 0 ? "" : `?${kept.join("&")}`;
}

function decodedName(pair: string): string {
  const raw = pair.split("=", 1)[0] ?? "";
  try {
    return decodeURIComponent(raw.replaceAll("+", " ")).trim().toLowerCase();
  } catch (cause) {
    throw new GatewayError("invalid_url", ["the query has a broken percent-encoding"], { cause });
  }
}
