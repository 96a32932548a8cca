/** Stage 3: may this identity use this endpoint with this model? The rules are the allow-list; the first that matches decides. */
import type { RuleConfig } from "../../config/contract.ts";
import type { EndpointName } from "../../openai/endpoints.ts";
import { refuse } from "../errors.ts";
import { type Authorized, type Identified, know } from "../exchange.ts";
import type { Stage } from "../stage.ts";

type Match = RuleConfig["matches"][number];

const modelFits = (match: Match, model: string): boolean =>
  match.models.length === 0 ||
  match.models.some((m) => (m.type === "Exact" ? m.value === model : model.startsWith(m.value)));

/** Whether the rule opens the endpoint for the model; "" for endpoints without one. */
export const ruleAllows = (rule: RuleConfig, endpoint: EndpointName, model: string): boolean =>
  rule.matches.some((match) => match.endpoints.includes(endpoint) && (model === "" || modelFits(match, model)));

/** Finds the rule, or refuses with what to add to the route. */
export const authorize =
  (rules: readonly RuleConfig[]): Stage<Identified, Authorized> =>
  (next) =>
  (exchange) => {
    const name = exchange.match.endpoint.name;
    const open = rules.some((rule) => ruleAllows(rule, name, ""));
    if (!open) throw refuse("endpoint_not_allowed", name);
    // the list of models is made of the rules, so whoever may ask for it is told there that a model is not in it
    const model = name === "Models" ? "" : exchange.model;
    const rule = rules.find((r) => ruleAllows(r, name, model));
    if (!rule) throw refuse("model_not_allowed", exchange.model.slice(0, 100), name);
    // the rule stands, so that no later one takes its requests to another provider
    if (rule.backendRefs.length === 0 && name !== "Models") throw refuse("backend_unavailable", rule.name);
    return next(know(exchange, { rule }));
  };
