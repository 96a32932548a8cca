/** Which quotas count a request: those without a condition, and those whose condition holds. */
import { type Condition, type ConditionFacts, compileCondition } from "../../condition/condition.ts";
import type { QuotaConfig } from "../../config/quota.ts";
import type { Authorized } from "../exchange.ts";
import { addressOf } from "./source-ip.ts";

/** Picks the quotas that count a request. Never throws. */
export type QuotaChoice = (exchange: Authorized) => readonly QuotaConfig[];

/**
 * Makes the choice of a config: conditions are parsed once. One that cannot be parsed or told counts, and `failed` hears of it. Where no
 * quota has a condition, it costs nothing.
 */
export const quotaChoice = (quotas: readonly QuotaConfig[], failed: (quota: QuotaConfig) => void): QuotaChoice => {
  const conditions = new Map<QuotaConfig, Condition>();
  for (const quota of quotas) if (quota.when !== undefined) conditions.set(quota, conditionOf(quota.when));
  if (conditions.size === 0) return () => quotas;
  return (exchange) => {
    const facts = factsOf(exchange);
    return quotas.filter((quota) => {
      const condition = conditions.get(quota);
      if (!condition) return true;
      const holds = condition(facts);
      if (holds === undefined) failed(quota);
      return holds !== false;
    });
  };
};

/** `compile` has parsed it before; an operator of a later release may take more than this sidecar can read. */
const conditionOf = (text: string): Condition => {
  const compiled = compileCondition(text);
  return "fault" in compiled ? () => undefined : compiled.condition;
};

const factsOf = (exchange: Authorized): ConditionFacts => {
  const { namespace, serviceAccount, pod, app, user, tenant, clientKey, roles, groups } = exchange.identity;
  return {
    identity: {
      ...{ namespace, serviceAccount, pod: pod ?? "", app: app ?? "" },
      ...{ user: user ?? "", tenant: tenant ?? "", clientKey: clientKey ?? "" },
      ...{ roles: roles ?? [], groups: groups ?? [] },
    },
    request: {
      model: exchange.model,
      endpoint: exchange.match.endpoint.name,
      streamed: exchange.streamed,
      sourceIP: addressOf(exchange),
    },
  };
};
