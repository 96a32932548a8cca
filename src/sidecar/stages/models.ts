/** Answers `GET /models` from the route itself: what the application may ask for, never more, and no call is made for it. */
import type { RouteConfig } from "../../config/contract.ts";
import { inferenceEndpoints } from "../../openai/endpoints.ts";
import { GatewayError } from "../errors.ts";
import type { Shaped } from "../exchange.ts";
import { sendWhole } from "../reply.ts";
import type { Stage } from "../stage.ts";
import { ruleAllows } from "./authorize.ts";

/** The API wants a creation time; a route has none, so it is always the same. */
const createdSeconds = 1_700_000_000;

const modelObject = (id: string): object => ({ id, object: "model", created: createdSeconds, owned_by: "sidegate" });

/** Models that the rules name, and those of the price table that a Prefix opens; sorted. */
export function allowedModels(route: RouteConfig): string[] {
  const named = route.rules.flatMap((rule) =>
    rule.matches.flatMap((match) => match.models.filter((m) => m.type === "Exact").map((m) => m.value)),
  );
  const candidates = new Set([...named, ...Object.keys(route.models)]);
  const inference = inferenceEndpoints.filter((endpoint) => endpoint !== "Models");
  return [...candidates]
    .filter((model) => route.rules.some((rule) => inference.some((endpoint) => ruleAllows(rule, endpoint, model))))
    .sort();
}

/** Ends requests to the Models endpoint, hands all others on. */
export const localModels = (route: RouteConfig): Stage<Shaped, Shaped> => {
  const models = allowedModels(route);
  const list = JSON.stringify({ object: "list", data: models.map(modelObject) });
  return (next) => (exchange) => {
    if (exchange.match.endpoint.name !== "Models") return next(exchange);
    const wanted = exchange.match.ids[0];
    if (wanted !== undefined && !models.includes(wanted)) {
      throw new GatewayError("model_not_allowed", [wanted, "Models"], { status: 404 });
    }
    exchange.end({ outcome: "completed", status: 200 });
    const headers: [string, string][] = [
      ["content-type", "application/json"],
      ["x-request-id", exchange.id],
    ];
    sendWhole(exchange, 200, headers, wanted === undefined ? list : JSON.stringify(modelObject(wanted)));
    return Promise.resolve();
  };
};
