/** Status of an AIQuota: what compile said of each target, and what has been used. Writes nothing else. */
import type { AIQuota, AIQuotaSpec } from "../../api/aiquota.ts";
import type { Condition } from "../../api/conditions.ts";
import { compile } from "../../compile/compile.ts";
import type { QuotaOutcome } from "../../compile/outcome.ts";
import type { Caches } from "../cluster/caches.ts";
import type { Entry } from "../cluster/projections.ts";
import { type SharedState, StateUnavailable, type UsageRow } from "../ports.ts";
import { type Figures, usedRatio } from "./figures.ts";
import { done, type Outcome } from "./outcome.ts";
import type { Outcomes } from "./outcomes.ts";
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
  readonly nowMs: () => number;
}

/** Reconciles the statuses of quotas. */
export class QuotaReconciler {
  readonly #deps: QuotaDeps;

  constructor(deps: QuotaDeps) {
    this.#deps = deps;
  }

  async reconcile(namespace: string, name: string): Promise<Outcome> {
    const { caches, writer, figures, nowMs } = this.#deps;
    const entry = caches.quotaEntry(namespace, name);
    if (!entry) {
      figures.quota(namespace, name, undefined);
      return done();
    }
    const before = listIn(writer.statusOf(entry), "ancestors");
    const ancestors = this.#ancestors(entry).map(({ ancestorRef, conditions }) => {
      const old = before.find((ancestor) => isSameTarget(memberOf(ancestor, "ancestorRef"), ancestorRef));
      return { ancestorRef, conditions, old: listIn(old, "conditions") };
    });
    const usage = entry.resource && (await this.#usage(namespace, entry.resource));
    if (usage) figures.quota(namespace, name, usage);
    const status = {
      ancestors: ancestors.map(({ ancestorRef, conditions, old }) => ({
        ancestorRef,
        controllerName,
        conditions: withTransitions(conditions, old, nowMs()),
      })),
      ...keptUsage(usage, writer.statusOf(entry)),
    };
    const laterMs = await writer.write({
      kind: "AIQuota",
      entry,
      status,
      conditions: ancestors.map(({ conditions, old }) => ({ now: conditions, before: old })),
    });
    const againMs = caches.pods(namespace).some(({ isLive }) => isLive) ? usageMs : idleUsageMs;
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
      const against = conditions.find(({ status }) => status !== "True");
      const [accepted] = conditions;
      const condition = against ?? accepted;
      return { ancestorRef, conditions: condition ? [condition] : [] };
    });
  }

  /** What each workload's compile said; where there is none, one is made for nobody. */
  #opinions(quota: AIQuota): readonly QuotaOutcome[] {
    const { namespace, name, generation } = quota.metadata;
    const known = this.#deps.outcomes
      .in(namespace)
      .flatMap(({ quotas }) => quotas.filter((outcome) => outcome.name === name));
    const current = known.filter(({ ancestors }) =>
      ancestors.every(({ conditions }) =>
        conditions.every(({ observedGeneration }) => observedGeneration === generation),
      ),
    );
    if (current.length > 0) return current;
    const { caches } = this.#deps;
    const routes = caches.routes(namespace);
    return compile({ namespace, serviceAccount: "", routes, quotas: [quota], secrets: [], keys: [unusedKey] }).quotas;
  }

  /** undefined: Redis is away, and what was read last stays. */
  async #usage(namespace: string, quota: AIQuota): Promise<readonly UsageRow[] | undefined> {
    try {
      const rows = await this.#deps.state.usage(namespace, quota);
      return [...rows].sort((a, b) => usedRatio(b) - usedRatio(a)); // the columns of kubectl show the first
    } catch (fault) {
      if (fault instanceof StateUnavailable) return undefined;
      throw fault;
    }
  }
}

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
  (["group", "kind", "name", "sectionName"] as const).every((name) => memberOf(a, name) === b[name]);
