/** From an AIQuota to what one route's sidecar enforces, or the reason why nobody can. */
import type { AIQuota } from "../api/aiquota.ts";
import type { LimitSpec } from "../api/aiquota-limit.ts";
import { durationMs } from "../api/duration.ts";
import { burstOf } from "../api/limit-max.ts";
import { nanoDollars } from "../api/money.ts";
import { type QuotaAdjustments, quotaAdjustments } from "../api/quota-adjustments.ts";
import { isTimeZone } from "../base/calendar.ts";
import type { RouteConfig } from "../config/contract.ts";
import type { LimitConfig, QuotaConfig } from "../config/quota.ts";
import { type EndpointName, endpoints } from "../openai/endpoints.ts";
import { type ClusterScope, meansNamespace } from "./cluster-quota.ts";
import { adjustedLimit, downgradeOf } from "./quota-budget.ts";
import { callerFaults } from "./quota-caller.ts";

/** The time zone of a calendar window that names none. */
const timeZoneDefault = "UTC";

/** Why a quota cannot be enforced. `path` is below the quota. */
export interface QuotaFault {
  readonly reason: "Invalid" | "UnsupportedValue";
  readonly message: string;
  readonly path: readonly (string | number)[];
}

/** Whether any target of the quota is this route or this service account; and if only some of its rules, which. */
export const quotaScope = (
  quota: AIQuota,
  subject: Pick<ClusterScope, "namespaceLabels"> & {
    readonly namespace: string;
    readonly serviceAccount: string;
    readonly route: string;
    /** The quota counts over namespaces. */
    readonly isCluster: boolean;
  },
): { readonly rules?: readonly string[] } | undefined => {
  const isOwn = quota.metadata.namespace === subject.namespace;
  if (!isOwn && !subject.isCluster) return undefined;
  const targets = quota.spec.targetRefs.filter((target) => {
    const { kind, name, selector } = target;
    if (kind === "Namespace")
      return (
        (subject.isCluster || selector === undefined) &&
        meansNamespace(target, subject.namespace, subject.namespaceLabels)
      );
    return isOwn && name === (kind === "AIRoute" ? subject.route : subject.serviceAccount);
  });
  if (targets.length === 0) return undefined;
  const rules = targets.flatMap(({ sectionName }) => sectionName ?? []);
  return rules.length === targets.length ? { rules: [...new Set(rules)].sort() } : {};
};

/**
 * Compiles a quota that applies; faults are what keeps it from being enforced on this route, notes what else is not done on it.
 * `nowMs`: resets that lie ahead of it are left out; absent: none is.
 */
export const compileQuota = (
  quota: AIQuota,
  route: RouteConfig,
  rules?: readonly string[],
  nowMs?: number,
): { readonly quota: QuotaConfig; readonly faults: readonly QuotaFault[]; readonly notes: readonly QuotaFault[] } => {
  const adjustments = quotaAdjustments(quota, nowMs);
  const downgrades = quota.spec.limits.map((limit, index) => downgradeOf(limit, { index, quota, route }));
  const { namespace, name } = quota.metadata;
  const { mode, failurePolicy, precision, per, when, reservation } = quota.spec;
  const { output, onUnknownUsage } = reservation;
  return {
    quota: {
      namespace,
      name,
      mode,
      failurePolicy,
      ...(precision === "Leased" && { precision }),
      ...(rules && { rules: [...rules] }),
      per,
      ...(when !== undefined && { when }),
      limits: quota.spec.limits.map((limit, index) => compileLimit(limit, adjustments, downgrades[index]?.downgradeTo)),
      reservation: { output, leaseMs: durationMs(reservation.lease), onUnknownUsage },
    },
    faults: [
      ...callerFaults(quota.spec, route),
      ...quota.spec.limits.flatMap((limit, index) => [
        ...timeZoneFaults(limit, ["spec", "limits", index]),
        ...priceFaults(limit, unpricedModels(limit, route, rules), ["spec", "limits", index]),
      ]),
    ],
    notes: downgrades.flatMap(({ notes }) => notes),
  };
};

const compileLimit = (limit: LimitSpec, adjustments: QuotaAdjustments, downgradeTo?: string): LimitConfig => ({
  name: limit.name,
  resource: limit.resource,
  limit: limit.resource === "Cost" ? nanoDollars(limit.limit) : Number(limit.limit),
  burst: burstOf(limit),
  ...(limit.window && { window: compileWindow(limit.window) }),
  ...(limit.models && { models: limit.models }),
  ...(limit.endpoints && { endpoints: limit.endpoints }),
  ...adjustedLimit(limit, adjustments),
  ...(downgradeTo !== undefined && { downgradeTo }),
});

const compileWindow = ({
  type,
  duration,
  period,
  timeZone = timeZoneDefault,
}: NonNullable<LimitSpec["window"]>): LimitConfig["window"] => ({
  type,
  ...(duration && { durationMs: durationMs(duration) }),
  ...(period && { period, timeZone }),
});

const timeZoneFaults = ({ window }: LimitSpec, path: QuotaFault["path"]): QuotaFault[] => {
  if (window?.timeZone === undefined || isTimeZone(window.timeZone)) return [];
  const message = `${window.timeZone} is no time zone; write an IANA name such as Europe/Warsaw or Asia/Kolkata`;
  return [{ reason: "UnsupportedValue", message, path: [...path, "window", "timeZone"] }];
};

const priceFaults = (limit: LimitSpec, models: readonly string[], path: QuotaFault["path"]): QuotaFault[] => {
  if (models.length === 0) return [];
  const message = `limit ${limit.name} counts cost, but ${models.join(", ")} ${models.length === 1 ? "has" : "have"} no price; add pricing to the route's models`;
  return [{ reason: "Invalid", message, path: [...path, "resource"] }];
};

/** Models that the route names one by one, the limit counts, and nobody knows the price of. A prefix names none: there the sidecar refuses. */
const unpricedModels = (limit: LimitSpec, route: RouteConfig, rules?: readonly string[]): readonly string[] => {
  if (limit.resource !== "Cost") return [];
  const counted = (endpoint: EndpointName) => metered.has(endpoint) && (limit.endpoints?.includes(endpoint) ?? true);
  const named = route.rules
    .filter((rule) => rules?.includes(rule.name) ?? true)
    .flatMap((rule) => rule.matches)
    .filter((match) => match.endpoints.some(counted))
    .flatMap((match) => match.models.filter(({ type }) => type === "Exact").map(({ value }) => value));
  return [...new Set(named)]
    .filter((model) => (limit.models?.includes(model) ?? true) && !route.models[model]?.pricing)
    .sort();
};

/** Endpoints whose answers cost by usage. */
const metered: ReadonlySet<EndpointName> = new Set(
  endpoints.filter((endpoint) => endpoint.metered === "usage").map(({ name }) => name),
);
