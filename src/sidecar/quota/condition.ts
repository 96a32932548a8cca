/** Which quotas count a request: those without a condition, and those whose condition holds. */
import { conditionCompiler } from "../../condition/compiler.ts";
import type { CompileCondition, Condition, ConditionFacts } from "../../condition/facts.ts";
import { ConfigFault } from "../../config/codec.ts";
import type { QuotaConfig } from "../../config/quota.ts";
import type { Authorized } from "../exchange.ts";
import { addressOf } from "./source-ip.ts";

/** Picks the quotas that count a request. Never throws. */
export type QuotaChoice = (exchange: Authorized) => readonly QuotaConfig[];

/**
 * Makes the choice of a config: conditions are parsed once. One that cannot be parsed or told counts, and `failed` hears of it. Where no
 * quota has a condition, it costs nothing, and what reads conditions is not even loaded. Throws ConfigFault where it cannot be loaded.
 */
export const quotaChoice = (quotas: readonly QuotaConfig[], failed: (quota: QuotaConfig) => void): QuotaChoice => {
  const conditions = new Map<QuotaConfig, Condition>();
  for (const quota of quotas) if (quota.when !== undefined) conditions.set(quota, conditionOf(quota, quota.when));
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
const conditionOf = (quota: QuotaConfig, text: string): Condition => {
  const compiled = compilerFor(quota)(text);
  return "fault" in compiled ? () => undefined : compiled.condition;
};

const compilerFor = ({ namespace, name }: QuotaConfig): CompileCondition => {
  try {
    return conditionCompiler();
  } catch (fault) {
    const why = fault instanceof Error ? (fault.message.split("\n")[0] ?? "") : String(fault);
    const message = `has a condition; the file that reads conditions belongs beside the sidecar's own, and cannot be loaded: ${why}`;
    throw new ConfigFault([{ path: `quota ${namespace}/${name}`, message }]);
  }
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
