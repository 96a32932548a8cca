/** What a quota asks about callers, held against what a route can know of them; and whether its condition can be asked at all. */
import type { AIQuotaSpec } from "../api/aiquota.ts";
import { compileCondition } from "../condition/condition.ts";
import type { CallerConfig } from "../config/caller.ts";
import type { RouteConfig } from "../config/contract.ts";
import type { SubjectKind } from "../config/quota.ts";

/** What only callers who prove who they are have. */
const callerParts = ["user", "tenant", "roles", "groups", "clientKey"] as const;
type CallerPart = (typeof callerParts)[number];

const partOfSubject: Partial<Record<SubjectKind, CallerPart>> = {
  User: "user",
  Tenant: "tenant",
  Group: "groups",
  ClientKey: "clientKey",
};

/** Why a quota cannot be enforced on a route. `path` is below the quota. */
interface CallerFault {
  readonly reason: "Invalid";
  readonly message: string;
  readonly path: readonly (string | number)[];
}

/** Faults of `per` and `when` on this route. What cannot be known would be one counter for all, or a condition that is never true. */
export const callerFaults = ({ per, when }: Pick<AIQuotaSpec, "per" | "when">, route: RouteConfig): CallerFault[] => [
  ...per.flatMap((kind, index): CallerFault[] => {
    const part = partOfSubject[kind];
    const fix = part && missingFor(part, route.caller);
    if (!fix) return [];
    const message = `it counts by ${kind}, which AIRoute ${route.name} cannot know: ${fix} in the AIRoute, or count by ServiceAccount`;
    return [{ reason: "Invalid", message, path: ["spec", "per", index] }];
  }),
  ...whenFaults(when, route),
];

const whenFaults = (when: string | undefined, route: RouteConfig): CallerFault[] => {
  if (when === undefined) return [];
  const path = ["spec", "when"];
  const compiled = compileCondition(when);
  if ("fault" in compiled) return [{ reason: "Invalid", message: `its condition (when), ${compiled.fault}`, path }];
  return callerParts.flatMap((part): CallerFault[] => {
    const fix = compiled.names.has(`identity.${part}`) ? missingFor(part, route.caller) : undefined;
    if (!fix) return [];
    const message = `its condition asks for identity.${part}, which AIRoute ${route.name} cannot know: ${fix} in the AIRoute`;
    return [{ reason: "Invalid", message, path }];
  });
};

/** What has to be set so that the route knows it; undefined: it does. */
const missingFor = (part: CallerPart, caller: CallerConfig | undefined): string | undefined => {
  if (part === "clientKey") return caller?.require === "APIKey" ? undefined : "set identity.require to APIKey";
  if (!caller) return "set identity.require to Bearer or APIKey";
  if (caller.require === "APIKey" || caller.issuers.some(({ claims }) => claims[part] !== undefined)) return undefined;
  return `set identity.issuers[].claims.${part}`;
};
