/** Which rules of a route an identity opens, by the very gates of the request path. */
import type { RouteConfig, RuleConfig } from "../../config/contract.ts";
import type { Identity } from "../../sidecar/exchange.ts";
import { type AllowKind, gateOf, letsThrough } from "../../sidecar/stages/caller-gate.ts";
import type { RuleReport } from "./report.ts";

const words: Readonly<Record<AllowKind, string>> = {
  serviceAccounts: "a service account of",
  users: "a user of",
  groups: "a group of",
  roles: "a role of",
};

/** Every rule in its order. `isUsable`: whether the rule's backends are known to be usable. */
export const ruleReports = (
  { rules }: RouteConfig,
  identity: Identity,
  { areBackendsKnown }: { readonly areBackendsKnown: boolean },
): readonly RuleReport[] =>
  rules.map((rule) => {
    const lacking = (gateOf(rule.allow) ?? []).filter((condition) => !letsThrough([condition], identity));
    const why = lacking.map(({ kind, values }) => `needs ${words[kind]} ${[...values].join(", ")}`);
    const isEmpty = areBackendsKnown && rule.backendRefs.length === 0;
    if (isEmpty) why.push("none of its backends can be used: sidegate validate says why");
    return { name: rule.name, isOpen: lacking.length === 0, why, ...matchesOf(rule) };
  });

/** What the matches say together. */
const matchesOf = ({ matches }: RuleConfig): Pick<RuleReport, "models" | "endpoints"> => {
  const models = matches.flatMap((match) =>
    match.models.map(({ type, value }) => (type === "Exact" ? value : `${value}*`)),
  );
  const isAnyModel = matches.some((match) => match.models.length === 0);
  return {
    models: isAnyModel ? [] : [...new Set(models)],
    endpoints: [...new Set(matches.flatMap(({ endpoints }) => endpoints))],
  };
};
