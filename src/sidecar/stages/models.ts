/** Answers `GET /models` from the route itself: what the caller may ask for, never more, and no call is made for it. */
import type { RouteConfig } from "../../config/contract.ts";
import { inferenceEndpoints } from "../../openai/endpoints.ts";
import { GatewayError } from "../errors.ts";
import type { Identity, Shaped } from "../exchange.ts";
import { sendWhole } from "../reply.ts";
import type { Stage } from "../stage.ts";
import { gatedRules, refuseCaller, ruleAllows } from "./authorize.ts";
import { letsThrough } from "./caller-gate.ts";

/** The API wants a creation time; a route has none, so it is always the same. */
const createdSeconds = 1_700_000_000;

const modelObject = (id: string): object => ({ id, object: "model", created: createdSeconds, owned_by: "sidegate" });

const inference = inferenceEndpoints.filter((endpoint) => endpoint !== "Models");

/** Models that a caller may ask for. `text`: the whole list as JSON. */
interface AllowedModels {
  readonly models: readonly string[];
  readonly text: string;
}

const allowed = (models: Iterable<string>): AllowedModels => {
  const sorted = [...new Set(models)].sort();
  return { models: sorted, text: JSON.stringify({ object: "list", data: sorted.map(modelObject) }) };
};

/** By caller: models that the rules for them name, and those of the price table that a Prefix opens; sorted. */
export const allowedModels = (route: RouteConfig): ((identity: Identity) => AllowedModels) => {
  const named = route.rules.flatMap((rule) =>
    rule.matches.flatMap((match) => match.models.filter((m) => m.type === "Exact").map((m) => m.value)),
  );
  const candidates = [...new Set([...named, ...Object.keys(route.models)])];
  const gated = gatedRules(route.rules).map(({ rule, gate }) => ({
    gate,
    models: candidates.filter((model) => inference.some((endpoint) => ruleAllows(rule, endpoint, model))),
  }));
  const toAll = allowed(gated.flatMap(({ models }) => models));
  if (gated.every(({ gate }) => gate === undefined)) return () => toAll;
  return (identity) => allowed(gated.filter(({ gate }) => letsThrough(gate, identity)).flatMap(({ models }) => models));
};

/** Ends requests to the Models endpoint, hands all others on. */
export const localModels = (route: RouteConfig): Stage<Shaped, Shaped> => {
  const modelsOf = allowedModels(route);
  const gated = gatedRules(route.rules);
  /** Rules that open the model, but not for this caller. One that is in no list (a Prefix opens it) is asked for in vain by all. */
  const closed = (identity: Identity, model: string) =>
    gated.filter(
      ({ rule, gate }) =>
        !letsThrough(gate, identity) && inference.some((endpoint) => ruleAllows(rule, endpoint, model)),
    );
  return (next) => (exchange) => {
    if (exchange.match.endpoint.name !== "Models") return next(exchange);
    const { models, text } = modelsOf(exchange.identity);
    const wanted = exchange.match.ids[0];
    if (wanted !== undefined && !models.includes(wanted)) {
      const others = closed(exchange.identity, wanted);
      if (others.length > 0) throw refuseCaller(others, exchange.identity, "Models", wanted);
      throw new GatewayError("model_not_allowed", [wanted, "Models"], { status: 404 });
    }
    exchange.end({ outcome: "completed", status: 200 });
    const headers: [string, string][] = [
      ["content-type", "application/json"],
      ["x-request-id", exchange.id],
    ];
    sendWhole(exchange, 200, headers, wanted === undefined ? text : JSON.stringify(modelObject(wanted)));
    return Promise.resolve();
  };
};
