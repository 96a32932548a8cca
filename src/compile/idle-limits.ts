/** Limits of a quota that limit nothing: what the schema cannot say, because it takes the endpoint registry or the routes. */
import type { AIQuota } from "../api/aiquota.ts";
import type { LimitSpec } from "../api/aiquota-limit.ts";
import { type EndpointName, endpoints, inferenceEndpoints } from "../openai/endpoints.ts";
import type { Finding } from "./outcome.ts";
import type { TargetedRule } from "./targeted-rules.ts";

/** Endpoints with at least one call that is metered by its usage; tokens and cost are counted only there. */
const metered: ReadonlySet<EndpointName> = new Set(
  endpoints.filter((endpoint) => endpoint.metered === "usage").map(({ name }) => name),
);

/**
 * One finding for each limit that counts nothing. By itself: only an edit of the quota mends it. By the routes that it targets, all of
 * which exist but serve none of its models or endpoints: a route may be changed, so that one is pending. `targeted`: the rules of each target.
 */
export const idleLimits = (quota: AIQuota, targeted: readonly (readonly TargetedRule[])[]): readonly Finding[] => {
  const matches = targetedMatches(targeted);
  return quota.spec.limits.flatMap((limit, index): Finding[] => {
    const base = {
      kind: "AIQuota",
      namespace: quota.metadata.namespace,
      name: quota.metadata.name,
      type: "Accepted",
      reason: "Invalid",
    } as const;
    const path = ["spec", "limits", index];
    if (countsUsage(limit) && limit.endpoints && !limit.endpoints.some((name) => metered.has(name))) {
      const message = `limit ${limit.name} limits nothing: ${limit.resource} is not metered at ${limit.endpoints.join(", ")}; count Requests there, or name other endpoints`;
      return [{ ...base, path: [...path, "endpoints"], message, isPending: false }];
    }
    if (limit.endpoints?.every((name) => name === "Models")) {
      const message = `limit ${limit.name} limits nothing: sidecars answer Models by themselves, and count it for no limit; name other endpoints`;
      return [{ ...base, path: [...path, "endpoints"], message, isPending: false }];
    }
    if (!matches || matches.some((match) => isCounted(limit, match))) return [];
    const what = [...(limit.models ?? []), ...(limit.endpoints ?? [])].join(", ");
    const message = `limit ${limit.name} limits nothing yet: no rule of its targets serves ${what}`;
    return [{ ...base, path, message, isPending: true }];
  });
};

const countsUsage = ({ resource }: LimitSpec): boolean => resource !== "Requests" && resource !== "Concurrency";

type Match = TargetedRule["rule"]["matches"][number];

/** What the targets serve; undefined where that is not known: a target that does not exist, or no route at all. */
const targetedMatches = (targeted: readonly (readonly TargetedRule[])[]): readonly Match[] | undefined =>
  targeted.some((rules) => rules.length === 0) ? undefined : targeted.flat().flatMap(({ rule }) => rule.matches);

const isCounted = (limit: LimitSpec, match: Match): boolean => {
  const names: readonly string[] = match.endpoints ?? inferenceEndpoints;
  if (limit.endpoints && !limit.endpoints.some((name) => names.includes(name))) return false;
  if (!limit.models || match.models.length === 0) return true;
  return match.models.some(({ type, value }) =>
    limit.models?.some((model) => (type === "Prefix" ? model.startsWith(value) : model === value)),
  );
};
