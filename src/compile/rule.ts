/** From a rule as users write it to a rule as a sidecar applies it: every default in place, units fixed. */
import type { RuleSpec } from "../api/airoute-rule.ts";
import { durationMs } from "../api/duration.ts";
import { quantityBytes } from "../api/quantity.ts";
import type { RuleConfig } from "../config/contract.ts";
import { inferenceEndpoints } from "../openai/endpoints.ts";

/** Who shares cached answers where a rule does not say it. */
type Partition = NonNullable<RuleConfig["cache"]>["partition"];

/** `usable`: names of the backends that can be called; refs to others are left out, all of them perhaps. */
export const compileRule = (rule: RuleSpec, usable: ReadonlySet<string>, partition: Partition): RuleConfig => {
  const { limits, ...request } = rule.request;
  const { choices: n, ...others } = limits;
  const bodyBytes = quantityBytes(limits.bodyBytes);
  return {
    name: rule.name,
    matches: rule.matches.map(({ models, endpoints }) => ({ models, endpoints: endpoints ?? [...inferenceEndpoints] })),
    ...(rule.allow && { allow: rule.allow }),
    backendRefs: rule.backendRefs.filter(({ name }) => usable.has(name)),
    request: {
      ...request,
      limits: { ...others, n, bodyBytes, jsonBytes: Math.min(bodyBytes, quantityBytes(limits.jsonBytes)) },
    },
    timeouts: {
      connectMs: durationMs(rule.timeouts.connect),
      firstByteMs: durationMs(rule.timeouts.firstByte),
      idleMs: durationMs(rule.timeouts.idle),
      totalMs: durationMs(rule.timeouts.total),
    },
    retry: rule.retry,
    ...(rule.cache && {
      cache: {
        ttlMs: durationMs(rule.cache.exact.ttl),
        when: rule.cache.exact.when,
        partition: rule.cache.partition ?? partition,
      },
    }),
  };
};
