/** Tells of Cost limits that count by built-in prices which nobody has compared with the provider's list for long. */
import type { AIQuota } from "../api/aiquota.ts";
import type { AIRoute } from "../api/airoute.ts";
import { builtinModels, pricesAsOf } from "../compile/models.ts";

/** Built-in prices older than this are told of. */
export const priceAgeDaysMax = 180;

/** What is said of one limit. `path` is below the quota. */
export interface PriceNote {
  readonly quota: AIQuota;
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Models named in the message. */
const namedMax = 5;

/** A note for each Cost limit beside routes that have models without a price of their own. `nowMs`: since the epoch. */
export const oldPrices = (
  quotas: readonly AIQuota[],
  routes: readonly AIRoute[],
  nowMs: number,
): readonly PriceNote[] => {
  if (nowMs - Date.parse(`${pricesAsOf}-01T00:00:00Z`) <= priceAgeDaysMax * 86_400_000) return [];
  const models = [...new Set(routes.flatMap(builtinPriced))].sort();
  return quotas.flatMap((quota) =>
    quota.spec.limits.flatMap((limit, index) => {
      const counted = models.filter((model) => limit.models?.includes(model) ?? true);
      if (limit.resource !== "Cost" || counted.length === 0) return [];
      const named = `${counted.slice(0, namedMax).join(", ")}${counted.length > namedMax ? " and others" : ""}`;
      const message = `counts ${named} by built-in prices of ${pricesAsOf}, more than ${priceAgeDaysMax} days ago; compare them with the provider's list and set spec.models[].pricing of the route where they differ`;
      return [{ quota, path: ["spec", "limits", index], message }];
    }),
  );
};

/** Models that the route names one by one and that have a built-in price alone. */
const builtinPriced = ({ spec }: AIRoute): readonly string[] =>
  spec.rules
    .flatMap(({ matches }) => matches.flatMap(({ models }) => models))
    .filter(({ type, value }) => type === "Exact" && builtinModels.get(value)?.pricing !== undefined)
    .map(({ value }) => value)
    .filter((value) => !spec.models.some(({ name, pricing }) => name === value && pricing !== undefined));
