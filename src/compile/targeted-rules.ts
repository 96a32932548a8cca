/** Which rules of which routes a quota targets, as the routes of its namespace tell. */
import type { AIQuota } from "../api/aiquota.ts";
import type { AIRoute } from "../api/airoute.ts";

/** A rule, and the name of its route. */
export interface TargetedRule {
  readonly route: string;
  readonly rule: AIRoute["spec"]["rules"][number];
}

/** For each target its rules; none: it does not exist, or no route names it. */
export const targetedRules = (quota: AIQuota, routes: readonly AIRoute[]): readonly (readonly TargetedRule[])[] => {
  const inNamespace = routes.filter(({ metadata }) => metadata.namespace === quota.metadata.namespace);
  return quota.spec.targetRefs.map(({ kind, name, sectionName }) =>
    inNamespace
      .filter(({ metadata, spec }) => {
        if (kind === "AIRoute") return metadata.name === name;
        return kind === "Namespace" || spec.parentRefs.some((ref) => ref.name === name);
      })
      .flatMap(({ metadata, spec }) => spec.rules.map((rule) => ({ route: metadata.name, rule })))
      .filter(({ rule }) => sectionName === undefined || rule.name === sectionName),
  );
};
