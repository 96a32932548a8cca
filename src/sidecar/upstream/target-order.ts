/** Which targets a request may go to, and in which order. */
import type { RuleConfig } from "../../config/contract.ts";
import type { Accepted, Authorized } from "../exchange.ts";
import type { Backend } from "./backend.ts";
import { orderTargets, type Rests, type Target, targetsOf } from "./targets.ts";

/** What the order is made from. `random`: 0 to below 1, picks among targets of one priority by weight. */
export interface TargetOrderDeps {
  readonly rules: readonly RuleConfig[];
  readonly backends: ReadonlyMap<string, Backend>;
  readonly rests: Rests;
  readonly random: () => number;
}

/** The targets that a request may be sent to, the first one first: as many as its rule has tries. Each call may draw another order. */
export type TargetOrder = (exchange: Authorized) => readonly Target[];

/** Takes the rules' targets apart once. */
export const targetOrder = ({ rules, backends, rests, random }: TargetOrderDeps): TargetOrder => {
  const targetsByRule = new Map(rules.map((rule) => [rule, targetsOf(rule, backends)]));
  return (exchange) => {
    const { rule, body } = exchange;
    const ordered = orderTargets(targetsByRule.get(rule) ?? [], { pinned: isPinned(exchange), rests, random });
    const tries = body.kind === "raw" ? 1 : 1 + rule.retry.attempts;
    return ordered.length <= tries ? ordered : ordered.slice(0, tries);
  };
};

/** State lives where it was made: such requests always go to the rule's first backend. */
function isPinned(exchange: Accepted): boolean {
  const { endpoint } = exchange.match;
  if (endpoint.model === "none") return true;
  if (endpoint.name !== "Responses" || exchange.body.kind !== "json") return false;
  const root = exchange.body.document.root;
  return ["previous_response_id", "conversation"].some((key) => (root.get(key)?.kind ?? "null") !== "null");
}
