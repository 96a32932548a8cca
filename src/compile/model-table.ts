/** The models that a route's config describes: those its rules can name, from the route's own list and the built-in one. */
import type { AIRouteSpec } from "../api/airoute.ts";
import { nanoDollars } from "../api/money.ts";
import type { ModelConfig, RuleConfig } from "../config/contract.ts";
import { unknownModel } from "../config/model-defaults.ts";
import { builtinModels } from "./models.ts";

/** By name: every exact model of the rules, every model of the route's list, and the built-in ones that a prefix or "any" lets in. */
export const compileModels = (
  specs: AIRouteSpec["models"],
  rules: readonly RuleConfig[],
): Record<string, ModelConfig> => {
  const names = new Set(specs.map(({ name }) => name));
  for (const match of rules.flatMap((rule) => rule.matches)) {
    for (const { type, value } of match.models) if (type === "Exact") names.add(value);
    for (const name of builtinModels.keys()) if (letsIn(match.models, name)) names.add(name);
  }
  const models = [...names].sort().map(
    (name) =>
      [
        name,
        describe(
          name,
          specs.find((spec) => spec.name === name),
        ),
      ] as const,
  );
  return Object.fromEntries(models);
};

const letsIn = (matches: RuleConfig["matches"][number]["models"], name: string): boolean =>
  matches.length === 0 || matches.some(({ type, value }) => type === "Prefix" && name.startsWith(value));

/** What the route says wins, field by field. */
const describe = (name: string, spec: AIRouteSpec["models"][number] | undefined): ModelConfig => {
  const known = builtinModels.get(name) ?? unknownModel;
  const pricing = spec?.pricing
    ? {
        inputPerMTok: nanoDollars(spec.pricing.inputPerMTok),
        cachedInputPerMTok: nanoDollars(spec.pricing.cachedInputPerMTok ?? spec.pricing.inputPerMTok),
        outputPerMTok: nanoDollars(spec.pricing.outputPerMTok),
      }
    : known.pricing;
  const inputTokensMax = spec?.inputTokensMax ?? known.inputTokensMax;
  return {
    ...(pricing && { pricing }),
    ...(inputTokensMax !== undefined && { inputTokensMax }),
    outputTokensMax: spec?.outputTokensMax ?? known.outputTokensMax,
    imageTokensMax: spec?.imageTokensMax ?? known.imageTokensMax,
  };
};
