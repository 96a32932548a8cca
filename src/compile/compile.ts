/**
 * The one way from resources to a sidecar config: the operator, the admission check, the command line and the tests call it.
 * Pure: the same input gives the same bytes, in whatever order the resources come; and it never throws on what users wrote.
 */
import type { AIQuota } from "../api/aiquota.ts";
import type { AIRoute } from "../api/airoute.ts";
import { quotaAdjustments } from "../api/quota-adjustments.ts";
import type { SecretResource } from "../api/secret.ts";
import { contractVersion, type RouteConfig, type SidecarConfig } from "../config/contract.ts";
import type { PodIdentityConfig } from "../config/pod-identity.ts";
import type { QuotaConfig } from "../config/quota.ts";
import { type ClusterScope, clusterQuotasOf, isBeyond, isClusterQuota } from "./cluster-quota.ts";
import { idleLimits } from "./idle-limits.ts";
import { conditionOf, type Finding, type QuotaOutcome, type RouteOutcome } from "./outcome.ts";
import { compileQuota, type QuotaFault, quotaScope } from "./quota.ts";
import { adjustmentNotes } from "./quota-budget.ts";
import { renamedModels } from "./renamed-models.ts";
import { compileRoute } from "./route.ts";
import { targetedRules } from "./targeted-rules.ts";

/** What a config is made from. */
export interface CompileInput extends ClusterScope {
  /** The workload that the config is for. */
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Name of the route that the pod picked by annotation; absent: the oldest that names the service account. */
  readonly routePick?: string;
  /** Of any namespace; those of others are passed over. */
  readonly routes: readonly AIRoute[];
  readonly quotas: readonly AIQuota[];
  readonly secrets: readonly SecretResource[];
  /** Quotas that concern the workload and cannot be read: what they limit is not known, so the route refuses everything. Absent: none. */
  readonly unreadableQuotas?: readonly { readonly name: string; readonly message: string }[] | undefined;
  /** Keys for what the namespace stores, newest first; `secret` is 32 bytes in base64. At least one. */
  readonly keys: readonly { readonly id: string; readonly secret: string }[];
  /** Audiences that injected pods get tokens for; absent: not known here, so no credential is refused for its audience. */
  readonly tokenAudiences?: readonly string[] | undefined;
  /** Hosts that pods' tokens may go to, `HOST` or `HOST:PORT`; absent: not known here, so no credential is refused for its host. */
  readonly tokenHosts?: readonly string[] | undefined;
  /** Milliseconds since the epoch; absent: no certificate and no reset is judged by its time. The config is the same, but for resets that lie ahead. */
  readonly nowMs?: number | undefined;
  /** How pods prove who they are; absent (files on one machine, tests): they cannot. */
  readonly podIdentity?: PodIdentityConfig | undefined;
}

/** A config, and what is to be said about the resources. */
export interface CompileResult {
  readonly config: SidecarConfig;
  /** Routes that name the service account, the chosen one first. */
  readonly routes: readonly RouteOutcome[];
  /** Quotas of the namespace, and those over namespaces that mean it. */
  readonly quotas: readonly QuotaOutcome[];
  /** All that the conditions were made from, with the field at fault. */
  readonly findings: readonly Finding[];
}

/** Compiles the config of one service account. Where no route applies, or one cannot be enforced, the config has none and says why. */
export const compile = (input: CompileInput): CompileResult => {
  const { namespace, serviceAccount } = input;
  const [winner, ...losers] = candidates(input);
  const compiled = winner && compileRoute(winner, input);
  const judged = judgeQuotas(input, compiled?.route);
  const findings = [
    ...(compiled?.findings ?? []),
    ...(winner ? losers.map((loser) => conflict(loser, winner, input)) : []),
    ...losers.flatMap((loser) => compileRoute(loser, input).findings),
    ...(winner ? judged.blocks.map((message) => notEnforceable(winner, message)) : []),
    ...judged.findings,
  ];
  const isBlocked = judged.blocks.length > 0;
  const config: SidecarConfig = {
    contractVersion,
    subject: { namespace, serviceAccount },
    ...(input.podIdentity && { podIdentity: input.podIdentity }),
    ...(compiled && !isBlocked
      ? { route: compiled.route, quotas: [...judged.quotas] }
      : {
          noRouteReason: noRouteReason(input, judged.blocks),
          ...(isNotParent(input) && { isNotParent: true as const }),
          quotas: [],
        }),
    keys: input.keys.map(({ id, secret }) => ({ id, secret })),
  };
  const routes = [winner, ...losers].flatMap((route) => (route ? [routeOutcome(route, findings)] : []));
  return { config, routes, quotas: quotasOf(input).map((quota) => quotaOutcome(quota, findings)), findings };
};

/** Routes that name the service account: the picked one alone, or all of them, the oldest first. */
const candidates = ({ namespace, serviceAccount, routePick, routes }: CompileInput): readonly AIRoute[] =>
  routes
    .filter(
      ({ metadata, spec }) =>
        metadata.namespace === namespace && spec.parentRefs.some(({ name }) => name === serviceAccount),
    )
    .filter(({ metadata }) => routePick === undefined || metadata.name === routePick)
    .sort((a, b) => ageMs(a) - ageMs(b) || compareText(a.metadata.name, b.metadata.name));

/** A route without a time of creation is younger than all that have one. */
const ageMs = ({ metadata }: AIRoute): number => {
  const createdMs = Date.parse(metadata.creationTimestamp ?? "");
  return Number.isNaN(createdMs) ? Number.MAX_SAFE_INTEGER : createdMs;
};

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const quotasOf = (input: CompileInput): readonly AIQuota[] => {
  const { namespace, quotas, operatorNamespace } = input;
  const own = quotas.filter(
    (quota) => quota.metadata.namespace === namespace && !isClusterQuota(quota, operatorNamespace),
  );
  const byName = (a: AIQuota, b: AIQuota): number => compareText(a.metadata.name, b.metadata.name);
  return [...own.sort(byName), ...clusterQuotasOf(namespace, input).toSorted(byName)];
};

/** There are routes, or the one that was picked, and they name other service accounts only: this workload may not, whereas without any route nobody may yet. */
const isNotParent = ({ namespace, serviceAccount, routePick, routes }: CompileInput): boolean => {
  const eligible = routes.filter(
    ({ metadata }) => metadata.namespace === namespace && (routePick === undefined || metadata.name === routePick),
  );
  return (
    eligible.length > 0 && eligible.every(({ spec }) => spec.parentRefs.every(({ name }) => name !== serviceAccount))
  );
};

const noRouteReason = ({ namespace, serviceAccount, routePick }: CompileInput, blocks: readonly string[]): string => {
  if (blocks.length > 0) return blocks.join("; ").slice(0, 1000);
  const workload = `service account ${namespace}/${serviceAccount}`;
  return routePick === undefined ? `no AIRoute names ${workload}` : `no AIRoute ${routePick} names ${workload}`;
};

interface JudgedQuotas {
  readonly quotas: readonly QuotaConfig[];
  readonly findings: readonly Finding[];
  /** Why the route must refuse everything: a quota in mode Enforce that applies to it cannot be enforced. */
  readonly blocks: readonly string[];
}

/** A quota that cannot be enforced is never passed over: in mode Enforce it closes the route, in mode Audit it is left out. */
const judgeQuotas = (input: CompileInput, route: RouteConfig | undefined): JudgedQuotas => {
  const quotas: QuotaConfig[] = [];
  const findings: Finding[] = [];
  const blocks = (input.unreadableQuotas ?? []).map(
    ({ name, message }) => `AIQuota ${name} cannot be read, so it cannot be enforced: ${message}`,
  );
  for (const quota of quotasOf(input)) {
    const isCluster = isClusterQuota(quota, input.operatorNamespace);
    const findingOf = (fault: QuotaFault): Finding => ({
      ...about("AIQuota", quota),
      ...fault,
      type: "Accepted",
      isPending: false,
    });
    // Of a quota over namespaces it is not plain whose route is meant.
    const routeFindingOf = (fault: QuotaFault): Finding =>
      findingOf(isCluster ? { ...fault, message: `in namespace ${input.namespace}: ${fault.message}` } : fault);
    // Routes of a quota over namespaces are everywhere: those at hand say nothing of what it limits.
    const targeted = targetedRules(quota, isCluster ? [] : input.routes);
    findings.push(
      ...targetFindings(quota, input),
      ...adjustmentNotes(quotaAdjustments(quota, input.nowMs)).map(findingOf),
      ...idleLimits(quota, targeted),
      ...renamedModels(quota, targeted),
    );
    const scope = route && quotaScope(quota, { ...input, isCluster, route: route.name });
    if (!route || !scope) continue;
    const compiled = compileQuota(quota, route, scope.rules, input.nowMs);
    findings.push(...[...compiled.faults, ...compiled.notes].map(routeFindingOf));
    if (compiled.faults.length === 0) quotas.push({ ...compiled.quota, ...(isCluster && { scope: "Cluster" }) });
    else if (quota.spec.mode === "Enforce") {
      blocks.push(
        `AIQuota ${isCluster ? `${quota.metadata.namespace}/` : ""}${quota.metadata.name} cannot be enforced: ${compiled.faults.map(({ message }) => message).join("; ")}`,
      );
    }
  }
  return { quotas, findings, blocks };
};

const about = (kind: Finding["kind"], { metadata }: AIRoute | AIQuota) => ({
  kind,
  namespace: metadata.namespace,
  name: metadata.name,
});

const conflict = (loser: AIRoute, winner: AIRoute, { serviceAccount }: CompileInput): Finding => ({
  ...about("AIRoute", loser),
  path: ["spec", "parentRefs", loser.spec.parentRefs.findIndex(({ name }) => name === serviceAccount)],
  type: "Accepted",
  reason: "Conflicted",
  message: `service account ${serviceAccount} is served by the older AIRoute ${winner.metadata.name}; pods can pick this one by the annotation sidegate.dev/route`,
  isPending: true,
});

const notEnforceable = (route: AIRoute, message: string): Finding => ({
  ...about("AIRoute", route),
  path: ["metadata", "name"],
  type: "Accepted",
  reason: "QuotaNotEnforceable",
  message,
  isPending: true,
});

/** Targets that do not exist, as far as the workload's namespace tells. Whether a service account exists is not known here: it may come with its pod. */
const targetFindings = (quota: AIQuota, { namespace, operatorNamespace, routes }: CompileInput): readonly Finding[] =>
  quota.spec.targetRefs.flatMap((target, index): Finding[] => {
    const { kind, name, sectionName } = target;
    const own = quota.metadata.namespace;
    const path = ["spec", "targetRefs", index];
    const base = { ...about("AIQuota", quota), type: "Accepted" } as const;
    if (isBeyond(target, own) && own !== operatorNamespace) {
      const message = `a quota can target only its own namespace, ${own}, not ${name ?? "others"}; quotas over namespaces stand in the namespace of an operator that watches all of them`;
      return [
        {
          ...base,
          path: [...path, name === undefined ? "selector" : "name"],
          reason: "Invalid",
          message,
          isPending: false,
        },
      ];
    }
    if (kind !== "AIRoute" || own !== namespace) return [];
    const route = routes.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
    if (!route) {
      const message = `AIRoute ${name} does not exist in namespace ${namespace}`;
      return [{ ...base, path: [...path, "name"], reason: "TargetNotFound", message, isPending: true }];
    }
    if (sectionName === undefined || route.spec.rules.some((rule) => rule.name === sectionName)) return [];
    const message = `AIRoute ${name} has no rule ${sectionName}`;
    return [{ ...base, path: [...path, "sectionName"], reason: "TargetNotFound", message, isPending: false }];
  });

const routeOutcome = (route: AIRoute, findings: readonly Finding[]): RouteOutcome => {
  const { namespace, name } = route.metadata;
  const own = findings.filter(
    (finding) => finding.kind === "AIRoute" && finding.namespace === namespace && finding.name === name,
  );
  return {
    namespace,
    name,
    conditions: [conditionOf("Accepted", own, route.metadata), conditionOf("ResolvedRefs", own, route.metadata)],
  };
};

/** A finding about one target is that target's alone; any other is everybody's. */
const quotaOutcome = (quota: AIQuota, findings: readonly Finding[]): QuotaOutcome => {
  const { namespace, name } = quota.metadata;
  const own = findings.filter(
    (finding) =>
      finding.kind === "AIQuota" && finding.namespace === namespace && finding.name === name && !finding.isAdvice,
  );
  const ancestors = quota.spec.targetRefs.map((ancestorRef, index) => {
    const relevant = own.filter(({ path }) => path[1] !== "targetRefs" || path[2] === index);
    return {
      ancestorRef,
      conditions: [conditionOf("Accepted", relevant, quota.metadata)],
      isPending: relevant.length > 0 && relevant.every(({ isPending }) => isPending),
    };
  });
  return { namespace, name, ancestors };
};
