/** Limits that go by the model's name, on rules that let the application choose a name and send it to a model of the rule's own. */
import type { AIQuota } from "../api/aiquota.ts";
import type { LimitSpec } from "../api/aiquota-limit.ts";
import { endpoints, inferenceEndpoints } from "../openai/endpoints.ts";
import type { Finding } from "./outcome.ts";
import type { TargetedRule } from "./targeted-rules.ts";

type Match = TargetedRule["rule"]["matches"][number];

/** Endpoints whose requests name a model that is sent on. */
const naming: ReadonlySet<string> = new Set(
  endpoints.filter(({ model }) => model === "body" || model === "form").map(({ name }) => name),
);

/**
 * One finding for each such limit: by another name the same model is counted at another price, in another counter, or not at all. It may
 * be meant, where all those names cost the same. `targeted`: the rules of each target.
 */
export const renamedModels = (quota: AIQuota, targeted: readonly (readonly TargetedRule[])[]): readonly Finding[] => {
  const rules = targeted.flat();
  return quota.spec.limits.flatMap((limit, index): Finding[] => {
    const what = nameUse(limit, quota.spec.per);
    const found = what === undefined ? undefined : rules.flatMap((each) => renaming(limit, each) ?? [])[0];
    if (!found) return [];
    const message = `limit ${limit.name} ${what} by the model's name, but rule ${found.rule} of AIRoute ${found.route} sends ${found.names} to ${found.model}, so that the application chooses the name it is counted by; name the models there one by one, or take backendRefs[].model away`;
    return [
      {
        ...{ kind: "AIQuota", namespace: quota.metadata.namespace, name: quota.metadata.name },
        ...{
          path: ["spec", "limits", index],
          type: "Accepted",
          reason: "Invalid",
          message,
          isPending: true,
          isAdvice: true,
        },
      },
    ];
  });
};

/** What the name decides; undefined: nothing. */
const nameUse = ({ resource, models }: LimitSpec, per: AIQuota["spec"]["per"]): string | undefined => {
  if (models) return "chooses what it counts";
  if (per.includes("Model")) return "has its counters";
  return resource === "Cost" ? "has its price" : undefined;
};

const renaming = (limit: LimitSpec, { route, rule }: TargetedRule) => {
  const model = rule.backendRefs.find((ref) => ref.model !== undefined)?.model;
  if (model === undefined) return undefined;
  const match = rule.matches.find((each) => isOpen(each) && isCountedAt(limit, each) && isOf(limit, each, model));
  return match && { route, rule: rule.name, names: openNames(match), model };
};

/** The application chooses the name. */
const isOpen = ({ models }: Match): boolean => models.length === 0 || models.some(({ type }) => type === "Prefix");

const openNames = ({ models }: Match): string => {
  const prefix = models.find(({ type }) => type === "Prefix")?.value;
  return prefix === undefined ? "any name" : `each name that begins with ${prefix}`;
};

const isCountedAt = (limit: LimitSpec, match: Match): boolean =>
  (match.endpoints ?? inferenceEndpoints).some((name) => naming.has(name) && (limit.endpoints?.includes(name) ?? true));

/** The limit names a model that the match lets in, or the one that it is sent to. */
const isOf = ({ models }: LimitSpec, match: Match, sent: string): boolean =>
  models?.some(
    (model) =>
      model === sent ||
      match.models.length === 0 ||
      match.models.some(({ type, value }) => (type === "Prefix" ? model.startsWith(value) : model === value)),
  ) ?? true;
