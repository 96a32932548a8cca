/** Makes the reconcilers and wires them to what the operator has. */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { EventRecorder } from "../kube/events.ts";
import type { LeaderElection } from "../kube/leader.ts";
import type { KubeApi } from "../kube/port.ts";
import type { WorkQueue } from "../kube/work-queue.ts";
import type { Caches } from "./cluster/caches.ts";
import type { IssuerKeys } from "./identity/issuer-keys.ts";
import type { NamespaceSecrets } from "./keyring/namespace-secrets.ts";
import type { OperatorMetrics } from "./metrics.ts";
import { openTeller } from "./notify/open.ts";
import type { SharedState } from "./ports.ts";
import type { Figures } from "./reconcile/figures.ts";
import { quotaItem, routeItem } from "./reconcile/keys.ts";
import { NamespaceReconciler } from "./reconcile/namespace-reconciler.ts";
import { Outcomes } from "./reconcile/outcomes.ts";
import { Publisher } from "./reconcile/publisher.ts";
import { QuotaReconciler } from "./reconcile/quota-reconciler.ts";
import { reconcileFrame } from "./reconcile/reconcile.ts";
import { RouteReconciler } from "./reconcile/route-reconciler.ts";
import { StatusWriter } from "./reconcile/status-writer.ts";
import { WorkloadReconciler } from "./reconcile/workload-reconciler.ts";
import type { OperatorSettings } from "./settings.ts";
import type { StoreHealth } from "./store-health.ts";

/** What they are made of. `fenced`: writes only while this replica leads. */
export interface ReconcilerParts {
  readonly settings: OperatorSettings;
  readonly log: Log;
  readonly clock: Clock;
  readonly fenced: KubeApi;
  readonly caches: Caches;
  readonly state: SharedState;
  readonly figures: Figures;
  readonly events: EventRecorder;
  readonly queue: WorkQueue;
  readonly leader: LeaderElection;
  readonly metrics: OperatorMetrics;
  readonly secrets: NamespaceSecrets;
  readonly health: StoreHealth;
  readonly issuer: IssuerKeys;
}

/** What the queue calls for each key. Does nothing while this replica does not lead. */
export const openReconcilers = (parts: ReconcilerParts): ((key: string) => Promise<void>) => {
  const { settings, log, clock, fenced, caches, state, figures, events, queue, leader, metrics } = parts;
  const outcomes = new Outcomes();
  const publisher = new Publisher({ api: fenced, caches, clock, ownerName: settings.webhook.mutating });
  const writer = new StatusWriter({ api: fenced, events, clock });
  const nowMs = (): number => clock.nowMs();
  const workloads = new WorkloadReconciler({
    ...{ caches, outcomes, publisher, state, clock, log, events },
    keysOf: (namespace) => parts.secrets.keysOf(namespace),
    tokenAudiences: settings.injection.tokenAudiences,
    tokenHosts: settings.injection.tokenHosts,
    podIdentity: () => parts.issuer.identity,
    touched: ({ namespace }, routes, quotas) => {
      for (const name of routes) queue.add(routeItem(namespace, name));
      for (const quota of quotas) queue.add(quotaItem(quota.namespace, quota.name));
    },
  });
  const routes = new RouteReconciler({
    ...{ caches, outcomes, state, writer, figures, nowMs },
    storeFault: () => parts.health.fault,
    settings: settings.injection,
  });
  const teller = openTeller({
    ...{ caches, figures, nowMs, log, events, leader, metrics, queue },
    hosts: settings.notifications.hosts,
  });
  const quotas = new QuotaReconciler({ caches, outcomes, state, writer, figures, nowMs, teller });
  const namespaces = new NamespaceReconciler({ caches, state, clock, log });
  const reconcile = reconcileFrame({
    reconcilers: {
      workload: ({ workload }) => workloads.reconcile(workload),
      route: ({ namespace, name }) => routes.reconcile(namespace, name),
      quota: ({ namespace, name }) => quotas.reconcile(namespace, name),
      namespace: ({ namespace }) => namespaces.reconcile(namespace),
    },
    ...{ queue, clock, log },
    ended: (...end) => metrics.reconciled(...end),
  });
  // Keys that were due later outlive the term. Redis has no fence: an old keyring would bring back a user's old passwords.
  return async (key) => {
    if (leader.isLeading()) await reconcile(key);
  };
};
