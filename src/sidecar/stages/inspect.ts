/**
 * Stage 5: what the request asks for beyond an answer. State that the provider keeps and work that goes on after the answer
 * escape per-request metering, so a rule has to name them. Rules on content take their place here.
 */
import type { EndpointName } from "../../openai/endpoints.ts";
import { refuse } from "../errors.ts";
import type { Shaped } from "../exchange.ts";
import { asksBackground } from "../openai/background.ts";
import type { Stage } from "../stage.ts";
import { ruleAllows } from "./authorize.ts";

/** Members of a Responses request that lean on state kept by the provider. */
const stateMembers = ["previous_response_id", "conversation"] as const;

function alsoNeeds(exchange: Shaped): EndpointName[] {
  if (exchange.match.endpoint.path !== "/responses" || exchange.body.kind !== "json") return [];
  const root = exchange.body.document.root;
  const needs: EndpointName[] = asksBackground(exchange) ? ["ResponsesBackground"] : [];
  if (stateMembers.some((key) => (root.get(key)?.kind ?? "null") !== "null")) needs.push("ResponsesState");
  return needs;
}

/** Refuses with what to add to the route. */
export const inspect = (): Stage<Shaped, Shaped> => (next) => (exchange) => {
  for (const need of alsoNeeds(exchange)) {
    if (!ruleAllows(exchange.rule, need, exchange.model)) throw refuse("endpoint_not_allowed", need);
  }
  return next(exchange);
};
