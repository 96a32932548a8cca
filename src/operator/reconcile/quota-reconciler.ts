/** Status of an AIQuota: what compile said of each target, what has been used, and what is told of that. Writes nothing else. */
import { isDeepStrictEqual } from "node:util";
import type { AIQuota, AIQuotaSpec } from "../../api/aiquota.ts";
import type { Condition } from "../../api/conditions.ts";
import { effectiveQuota, quotaAdjustments } from "../../api/quota-adjustments.ts";
import { isClusterQuota, meansNamespace } from "../../compile/cluster-quota.ts";
import { compile } from "../../compile/compile.ts";
import type { QuotaOutcome } from "../../compile/outcome.ts";
import type { Caches } from "../cluster/caches.ts";
import type { Entry } from "../cluster/projections.ts";
import { type SharedState, StateUnavailable, type UsageRow } from "../ports.ts";
import { type Figures, usedRatio } from "./figures.ts";
import { done, type Outcome } from "./outcome.ts";
import type { Outcomes } from "./outcomes.ts";
import type { QuotaTeller } from "./quota-teller.ts";
import { controllerName, type StatusWriter } from "./status-writer.ts";
import { listIn, memberOf } from "./stored-status.ts";
import { withTransitions } from "./transitions.ts";

/** How often the use is read while pods of the namespace run, ms. */
const usageMs = 5_000;
/** How often where none runs, ms: windows still end. */
const idleUsageMs = 60_000;
/** Nothing is stored under this key: compile needs one where no workload stands behind the quota. */
const unusedKey = { id: "unused", secret: Buffer.alloc(32).toString("base64") };

type Target = AIQuotaSpec["targetRefs"][number];

/** What it works with. */
export interface QuotaDeps {
  readonly caches: Caches;
  readonly outcomes: Outcomes;
  readonly state: SharedState;
  readonly writer: StatusWriter;
  readonly figures: Figures;
  readonly teller: QuotaTeller;
  readonly nowMs: () => number;
}

/** Reconciles the statuses of quotas. */
export class QuotaReconciler {
  readonly #deps: QuotaDeps;

  constructor(deps: QuotaDeps) {
    this.#deps = deps;
  }

  async reconcile(namespace: string, name: string): Promise<Outcome> {
    const { caches, writer, figures, teller, nowMs } = this.#deps;
    const entry = caches.quotaEntry(namespace, name);
    if (!entry) {
      figures.quota(namespace, name, undefined);
      return done();
    }
    const stored = writer.statusOf(entry);
    const before = listIn(stored, "ancestors");
    const ancestors = this.#ancestors(entry).map(({ ancestorRef, conditions }) => {
      const old = before.find((ancestor) => isSameTarget(memberOf(ancestor, "ancestorRef"), ancestorRef));
      return { ancestorRef, conditions, old: listIn(old, "conditions") };
    });
    const over = entry.resource && this.#over(entry.resource);
    const usage = entry.resource && (await this.#usage(entry.resource, over));
    if (usage) figures.quota(namespace, name, usage);
    const told = entry.resource && teller.look(entry.resource, entry.metadata, usage, stored);
    const own = { conditions: told?.conditions ?? [], old: listIn(stored, "conditions") };
    const status = {
      ancestors: ancestors.map(({ ancestorRef, conditions, old }) => ({
        ancestorRef,
        controllerName,
        conditions: withTransitions(conditions, old, nowMs()),
      })),
      ...(own.conditions.length > 0 && { conditions: withTransitions(own.conditions, own.old, nowMs()) }),
      ...keptUsage(usage, stored),
      ...told?.status,
    };
    const laterMs = await writer.write({
      kind: "AIQuota",
      entry,
      status,
      conditions: [...ancestors, own].map(({ conditions, old }) => ({ now: conditions, before: old })),
    });
    if (laterMs === undefined) told?.tell();
    const isLive = (over ?? [namespace]).some((each) => caches.pods(each).some((pod) => pod.isLive));
    const againMs = isLive ? usageMs : idleUsageMs;
    return done(laterMs === undefined ? againMs : Math.min(laterMs, againMs));
  }

  #ancestors(
    entry: Entry<AIQuota>,
  ): readonly { readonly ancestorRef: Target; readonly conditions: readonly Condition[] }[] {
    const { metadata, resource, faults, spec } = entry;
    const observed = metadata.generation === undefined ? {} : { observedGeneration: metadata.generation };
    if (!resource) {
      const message = faults.join("; ").slice(0, 4096);
      const condition: Condition = { type: "Accepted", status: "False", reason: "Invalid", message, ...observed };
      // The API server has checked the shape of targetRefs before it stored them.
      return listIn(spec, "targetRefs").map((ref) => ({ ancestorRef: ref as Target, conditions: [condition] }));
    }
    const opinions = this.#opinions(resource);
    return resource.spec.targetRefs.map((ancestorRef, index) => {
      const conditions = opinions.flatMap(({ ancestors }) => ancestors[index]?.conditions ?? []);
      const against = conditions.find(({ status }) => status !== "True") ?? this.#missing(resource, ancestorRef);
      const [accepted] = conditions;
      const condition = against ?? accepted;
      return { ancestorRef, conditions: condition ? [condition] : [] };
    });
  }

  /** A service account may come with its pod: only the cluster knows whether it is there. */
  #missing({ metadata: { namespace, generation } }: AIQuota, { kind, name = "" }: Target): Condition | undefined {
    if (kind !== "ServiceAccount" || this.#deps.caches.hasServiceAccount(namespace, name)) return undefined;
    const message = `service account ${name} does not exist in namespace ${namespace}`;
    return {
      ...{ type: "Accepted", status: "False", reason: "TargetNotFound", message },
      ...(generation !== undefined && { observedGeneration: generation }),
    };
  }

  /** What each workload's compile said, and what one for nobody says now: what routes decide may have changed since the workloads' own. */
  #opinions(quota: AIQuota): readonly QuotaOutcome[] {
    const { namespace, name, generation } = quota.metadata;
    const known = this.#deps.outcomes.ofQuota(namespace, name);
    const current = known.filter(({ ancestors }) =>
      ancestors.every(({ conditions }) =>
        conditions.every(({ observedGeneration }) => observedGeneration === generation),
      ),
    );
    const { caches, nowMs } = this.#deps;
    const routes = caches.routes(namespace);
    const cluster = { ...caches.clusterScope(namespace), clusterQuotas: [quota] };
    const nobody = { namespace, serviceAccount: "", secrets: [], keys: [unusedKey] };
    const { quotas } = compile({ ...nobody, ...cluster, routes, quotas: [quota], nowMs: nowMs() });
    return [...current.map(ofRouteAlone), ...quotas];
  }

  /** Namespaces with sidecars that a quota over namespaces counts for; undefined: it is none. */
  #over(quota: AIQuota): readonly string[] | undefined {
    const { caches } = this.#deps;
    const { namespace: own } = quota.metadata;
    if (!isClusterQuota(quota, caches.clusterScope(own).operatorNamespace)) return undefined;
    const namespaces = new Set(caches.publishedIn().map(({ namespace }) => namespace));
    return [...namespaces].sort().filter((namespace) => {
      const { namespaceLabels } = caches.clusterScope(namespace);
      return (
        namespace === own || quota.spec.targetRefs.some((target) => meansNamespace(target, namespace, namespaceLabels))
      );
    });
  }

  /** undefined: Redis is away, and what was read last stays. */
  async #usage(quota: AIQuota, over: readonly string[] | undefined): Promise<readonly UsageRow[] | undefined> {
    try {
      const nowMs = this.#deps.nowMs();
      const counted = effectiveQuota(quota, quotaAdjustments(quota, nowMs), nowMs);
      const rows = await this.#deps.state.usage(quota.metadata.namespace, counted, over);
      return [...rows].sort((a, b) => usedRatio(b) - usedRatio(a)); // the columns of kubectl show the first
    } catch (fault) {
      if (fault instanceof StateUnavailable) return undefined;
      throw fault;
    }
  }
}

/** Without what stands against a target only as long as other objects are as they were. */
const ofRouteAlone = ({ ancestors, ...outcome }: QuotaOutcome): QuotaOutcome => ({
  ...outcome,
  ancestors: ancestors.map((ancestor) => (ancestor.isPending ? { ...ancestor, conditions: [] } : ancestor)),
});

/** Rows as they were written, where their amounts are the same: a new time of observation alone is no reason to write. */
const keptUsage = (usage: readonly UsageRow[] | undefined, status: unknown): { usage?: readonly unknown[] } => {
  const before = listIn(status, "usage");
  if (usage === undefined) return before.length > 0 ? { usage: before } : {};
  const amounts = (row: unknown): string =>
    JSON.stringify(
      ["limit", "subject", "used", "reserved", "remaining", "resetsAt"].map((name) => memberOf(row, name)),
    );
  const isSame = usage.length === before.length && usage.every((row, index) => amounts(row) === amounts(before[index]));
  if (isSame) return before.length > 0 ? { usage: before } : {};
  return usage.length > 0 ? { usage } : {};
};

const isSameTarget = (a: unknown, b: Target): boolean =>
  (["group", "kind", "name", "sectionName"] as const).every((name) => memberOf(a, name) === b[name]) &&
  isDeepStrictEqual(memberOf(a, "selector"), b.selector);
