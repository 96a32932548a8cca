/** What annotations and `onExceeded` make of a limit, and what is said where they cannot be done. None of it keeps a quota from being enforced. */
import type { AIQuota } from "../api/aiquota.ts";
import type { LimitSpec } from "../api/aiquota-limit.ts";
import { maxOf } from "../api/limit-max.ts";
import { type QuotaAdjustments, resetsOfLimit } from "../api/quota-adjustments.ts";
import type { RouteConfig } from "../config/contract.ts";
import type { LimitConfig } from "../config/quota.ts";
import type { EndpointName } from "../openai/endpoints.ts";

/** Something that is not done. `path` is below the quota. */
export interface BudgetNote {
  readonly reason: "Invalid" | "UnsupportedValue";
  readonly message: string;
  readonly path: readonly (string | number)[];
}

/** Override and resets of a limit as its sidecars take them. */
export const adjustedLimit = (
  limit: LimitSpec,
  { resets, overrides }: QuotaAdjustments,
): Pick<LimitConfig, "override" | "resets"> => {
  const override = overrides.find((entry) => entry.limit === limit.name);
  const own = resetsOfLimit(resets, limit.name);
  return {
    ...(override && {
      override: { max: maxOf(limit, override.to), untilMs: Date.parse(override.until) },
    }),
    ...(own && { resets: own }),
  };
};

/** What of the annotations could not be read. */
export const adjustmentNotes = ({ faults }: QuotaAdjustments): readonly BudgetNote[] =>
  faults.map(({ annotation, message }) => ({
    reason: "Invalid",
    message: `the annotation ${annotation} is not done, the limits stand as they are written: ${message}`,
    path: ["metadata", "annotations", annotation],
  }));

/** The model that requests go to which a limit of a route refuses; or why they are refused instead. */
export const downgradeOf = (
  limit: LimitSpec,
  { index, quota, route }: { readonly index: number; readonly quota: AIQuota; readonly route: RouteConfig },
): { readonly downgradeTo?: string; readonly notes: readonly BudgetNote[] } => {
  const model = limit.onExceeded?.model;
  const at = endpointsOf(limit, route);
  if (model === undefined || at.length === 0) return { notes: [] };
  const path = ["spec", "limits", index, "onExceeded", "model"];
  const refused = `requests that limit ${limit.name} refuses stay refused on AIRoute ${route.name}:`;
  if (!at.some((endpoint) => opens(route, endpoint, model))) {
    const message = `${refused} no rule opens ${model} at ${at.join(", ")}; add it to a rule, or name another model`;
    return { notes: [{ reason: "Invalid", message, path }] };
  }
  const priced = quota.spec.limits.find(
    (other) => other.resource === "Cost" && (other.models?.includes(model) ?? true),
  );
  if (priced && !route.models[model]?.pricing) {
    const message = `${refused} ${model} has no price, which limit ${priced.name} needs; add pricing to the route's models`;
    return { notes: [{ reason: "Invalid", message, path }] };
  }
  return { downgradeTo: model, notes: [] };
};

/** Endpoints at which the route serves a model of the limit; none: the limit counts nothing here. */
const endpointsOf = ({ models = [], endpoints }: LimitSpec, route: RouteConfig): readonly EndpointName[] => {
  const named = new Set(route.rules.flatMap((rule) => rule.matches.flatMap((match) => match.endpoints)));
  return [...named].filter(
    (endpoint) => (endpoints?.includes(endpoint) ?? true) && models.some((model) => opens(route, endpoint, model)),
  );
};

const opens = (route: RouteConfig, endpoint: EndpointName, model: string): boolean =>
  route.rules.some((rule) =>
    rule.matches.some(
      (match) =>
        match.endpoints.includes(endpoint) &&
        (match.models.length === 0 ||
          match.models.some(({ type, value }) => (type === "Exact" ? value === model : model.startsWith(value)))),
    ),
  );
