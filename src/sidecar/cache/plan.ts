/** Whether a request may be answered from the cache, under which name, and what it may leave there. */
import type { RouteConfig, RuleConfig } from "../../config/contract.ts";
import type { Shaped } from "../exchange.ts";
import { canonicalDigest } from "../json/canonical.ts";
import type { JsonDocument, JsonValue } from "../json/view.ts";
import { type CacheControl, cacheControlOf } from "./control.ts";
import type { CacheSeal } from "./seal.ts";

/** Where the answer to one request is looked up and stored. `name`: the entry's, a MAC. `ttlMs`: how long a new entry lives. */
export interface CachePlan {
  readonly name: string;
  readonly ttlMs: number;
  readonly control: CacheControl;
}

/** How the answer travels does not change what it says; both are put back when it is replayed. */
const omitted: ReadonlySet<string> = new Set(["stream", "stream_options"]);
/** Request headers that change the answer. */
const headersInName = ["openai-beta", "openai-organization", "openai-project"] as const;

/** The plan, or undefined where nothing is looked up nor stored. */
export function planCache(exchange: Shaped, route: RouteConfig, seal: CacheSeal): CachePlan | undefined {
  const cache = exchange.rule.cache;
  const { body, match } = exchange;
  if (cache === undefined || !match.endpoint.cacheable || body.kind !== "json") return undefined;
  if (!isCacheableRequest(body.document, exchange, cache.when)) return undefined;
  const control = cacheControlOf(exchange.request.headers);
  if (!control.lookUp && !control.store) return undefined;
  const partition = partitionOf(exchange, route, cache.partition);
  if (partition === undefined) return undefined;
  const { headers } = exchange.request;
  const names = [
    partition,
    `${route.namespace}/${route.name}/${exchange.rule.name}`,
    route.policyVersion,
    match.endpoint.path,
    exchange.model,
    exchange.query,
  ];
  for (const header of headersInName) names.push(String(headers[header] ?? ""));
  const { document } = body;
  const name = seal.nameOf(names, (update) => canonicalDigest(document, { omit: omitted, update }));
  return { name, ttlMs: cache.ttlMs, control };
}

/** Undefined: the caller belongs to none. Kinds have names of their own, so that a user cannot be called like a namespace. */
function partitionOf(
  { identity }: Shaped,
  route: RouteConfig,
  partition: NonNullable<RuleConfig["cache"]>["partition"],
): string | undefined {
  const { namespace, serviceAccount, user, tenant } = identity;
  const workload = `${namespace}/${serviceAccount}`;
  switch (partition) {
    case "User":
      return user === undefined ? undefined : `user ${workload}/${user}`;
    case "Tenant":
      return tenant === undefined ? undefined : `tenant ${workload}/${tenant}`;
    case "ServiceAccount":
      return `sa ${workload}`;
    case "Namespace":
      return `ns ${namespace}`;
    case "Route":
      return `route ${route.namespace}/${route.name}`;
  }
}

const isSet = (value: JsonValue | undefined): boolean => value !== undefined && value.kind !== "null";

/**
 * Answers that a provider keeps (`store`) or that lean on what it kept are never shared. Deterministic: the client pinned the
 * answer (temperature 0), or the endpoint has one answer only (embeddings, moderations).
 */
function isCacheableRequest(document: JsonDocument, exchange: Shaped, when: "Deterministic" | "Always"): boolean {
  const root = document.root;
  const name = exchange.match.endpoint.name;
  if (root.get("store")?.kind === "true") return false;
  if (name === "Responses" && root.get("store")?.kind !== "false") return false;
  if (
    ["previous_response_id", "conversation", "background", "prompt_id"].some(
      (key) => root.get(key)?.kind !== "false" && isSet(root.get(key)),
    )
  ) {
    return false;
  }
  if (when === "Always" || name === "Embeddings" || name === "Moderations") return true;
  const { overrides, defaults } = exchange.rule.request;
  const temperature =
    "temperature" in overrides ? overrides.temperature : (root.get("temperature")?.number() ?? defaults.temperature);
  return temperature === 0;
}
