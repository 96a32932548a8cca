/**
 * Stage 3: may this caller use this endpoint with this model? The rules are the allow-list; the first that matches decides. A rule whose
 * `allow` does not fit the caller does not match, so the next one is asked.
 */
import type { RuleConfig } from "../../config/contract.ts";
import type { EndpointName } from "../../openai/endpoints.ts";
import { GatewayError, refuse } from "../errors.ts";
import { type Accepted, type Authorized, type Identity, know } from "../exchange.ts";
import type { Stage } from "../stage.ts";
import { type CallerGate, gateOf, letsThrough, missingKinds } from "./caller-gate.ts";

type Match = RuleConfig["matches"][number];

const modelFits = (match: Match, model: string): boolean =>
  match.models.length === 0 ||
  match.models.some((m) => (m.type === "Exact" ? m.value === model : model.startsWith(m.value)));

/** Whether the rule opens the endpoint for the model, whoever calls; "" for endpoints without one. */
export const ruleAllows = (rule: RuleConfig, endpoint: EndpointName, model: string): boolean =>
  rule.matches.some((match) => match.endpoints.includes(endpoint) && (model === "" || modelFits(match, model)));

/** A rule and whom it is for. */
export interface GatedRule {
  readonly rule: RuleConfig;
  readonly gate: CallerGate | undefined;
}

/** By the list of a config, for as long as that is in use: several stages ask for it. */
const gatedLists = new WeakMap<readonly RuleConfig[], readonly GatedRule[]>();

/** The rules with their gates, in order; made once for each list. */
export const gatedRules = (rules: readonly RuleConfig[]): readonly GatedRule[] => {
  const known = gatedLists.get(rules);
  if (known) return known;
  const gated = rules.map((rule) => ({ rule, gate: gateOf(rule.allow) }));
  gatedLists.set(rules, gated);
  return gated;
};

/** RFC 6750 section 3.1: the token is good, but does not open this. */
const challenge = 'Bearer realm="sidegate", error="insufficient_scope"';

/** 403: others may, this caller may not. The message says what is missing, never what would fit: the lists are not the caller's business. */
export const refuseCaller = (
  passedOver: readonly GatedRule[],
  identity: Identity,
  endpoint: EndpointName,
  model: string,
) => {
  const what = model === "" ? endpoint : `${endpoint} with model '${model.slice(0, 100)}'`;
  const kinds = missingKinds(
    passedOver.map(({ gate }) => gate),
    identity,
  );
  const isTold = identity.user !== undefined; // by a token or a key; where the pod is the caller, there is none to send
  return new GatewayError("caller_not_allowed", [what, kinds.join(", ")], {
    ...(isTold && { headers: [["www-authenticate", challenge] as const] }),
  });
};

/** Finds the rule, or refuses with what to add to the route. */
export const authorize = (rules: readonly RuleConfig[]): Stage<Accepted, Authorized> => {
  const gated = gatedRules(rules);
  return (next) => (exchange) => {
    const name = exchange.match.endpoint.name;
    // the list of models is made of the rules, so whoever may ask for it is told there that a model is not in it
    const model = name === "Models" ? "" : exchange.model;
    const { identity } = exchange;
    const found = gated.find(({ rule, gate }) => ruleAllows(rule, name, model) && letsThrough(gate, identity));
    if (!found) throw refusal(gated, exchange, model);
    const { rule } = found;
    // the rule stands, so that no later one takes its requests to another provider
    if (rule.backendRefs.length === 0 && name !== "Models") throw refuse("backend_unavailable", rule.name);
    return next(know(exchange, { rule }));
  };
};

/** Why no rule is there: for nobody, or not for this caller. */
const refusal = (gated: readonly GatedRule[], { match, identity }: Accepted, model: string) => {
  const { name } = match.endpoint;
  if (!gated.some(({ rule }) => ruleAllows(rule, name, ""))) return refuse("endpoint_not_allowed", name);
  const passedOver = gated.filter(({ rule }) => ruleAllows(rule, name, model));
  if (passedOver.length > 0) return refuseCaller(passedOver, identity, name, model);
  return refuse("model_not_allowed", model.slice(0, 100), name);
};
