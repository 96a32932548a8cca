/** From a change in the caches to the keys that it concerns. Pure look-ups: nothing is reconciled here. */
import { isDeepStrictEqual } from "node:util";
import type { AIQuota } from "../../api/aiquota.ts";
import type { AIRoute } from "../../api/airoute.ts";
import type { SecretResource } from "../../api/secret.ts";
import { clusterQuotasOf, meansNamespace, type NamespaceTarget } from "../../compile/cluster-quota.ts";
import { secretNames } from "../../compile/secret.ts";
import { type Workload, workloadKey } from "../../inject/workload.ts";
import { namespaceItem, quotaItem, routeItem, workloadItem } from "../reconcile/keys.ts";
import { unreadTargets } from "../reconcile/unreadable-quotas.ts";
import type { CacheListener, Caches } from "./caches.ts";
import type { Entry, InjectedPod, NamespaceEntry, Published } from "./projections.ts";

/** Enqueues a key. */
export type Enqueue = (key: string) => void;

/** Listens to the caches and enqueues what a change concerns. */
export class Triggers implements CacheListener {
  readonly #caches: () => Caches;
  readonly #enqueue: Enqueue;

  /** `caches` is asked for late: the caches need their listener first. */
  constructor(caches: () => Caches, enqueue: Enqueue) {
    this.#caches = caches;
    this.#enqueue = enqueue;
  }

  route(previous: Entry<AIRoute> | undefined, current: Entry<AIRoute> | undefined): void {
    const { namespace = "", name = "" } = (current ?? previous)?.metadata ?? {};
    this.#enqueue(routeItem(namespace, name));
    // A status that was written is no change of what is compiled.
    if (isSameSpec(previous, current)) return;
    const accounts = new Set(
      [previous, current].flatMap((entry) => entry?.resource?.spec.parentRefs.map((ref) => ref.name) ?? []),
    );
    for (const serviceAccount of accounts) this.#account(namespace, serviceAccount);
    // Pods that picked it under another service account are told that they may not; so are all, once there is a first route.
    const isFirstOrLast = !(previous && current) && this.#caches().routes(namespace).length <= 1;
    for (const { workload } of this.#caches().publishedIn(namespace))
      if ((isFirstOrLast || workload.routePick === name) && !accounts.has(workload.serviceAccount))
        this.#enqueue(workloadItem(workload));
    this.#targeting(namespace, "AIRoute", name);
  }

  quota(previous: Entry<AIQuota> | undefined, current: Entry<AIQuota> | undefined): void {
    const { namespace = "", name = "" } = (current ?? previous)?.metadata ?? {};
    this.#enqueue(quotaItem(namespace, name));
    if (isSameSpec(previous, current)) return;
    for (const serviceAccount of this.#reach(namespace, [previous, current])) this.#account(namespace, serviceAccount);
    if (namespace === this.#caches().clusterScope(namespace).operatorNamespace)
      this.#beyond(namespace, [previous, current]);
  }

  credential(previous: SecretResource | undefined, current: SecretResource | undefined): void {
    const secret = current ?? previous;
    if (!secret) return;
    for (const route of this.#caches().routes(secret.namespace)) {
      if (!secretNames(route.spec).has(secret.name)) continue;
      for (const { name } of route.spec.parentRefs) this.#account(secret.namespace, name);
    }
  }

  published(previous: Published | undefined, current: Published | undefined): void {
    const secret = current ?? previous;
    if (secret?.workload.serviceAccount) this.#enqueue(workloadItem(secret.workload));
  }

  pod(previous: InjectedPod | undefined, current: InjectedPod | undefined): void {
    const pod = current ?? previous;
    if (!pod) return;
    const isSame =
      previous?.uid === current?.uid &&
      previous?.isActive === current?.isActive &&
      previous?.contract === current?.contract;
    const isSameLife = previous?.isLive === current?.isLive;
    if (!isSame || !isSameLife || previous?.configDigest !== current?.configDigest)
      this.#enqueue(workloadItem(pod.workload));
    if (isSame && isSameLife) return;
    const { namespace, serviceAccount } = pod.workload;
    for (const { metadata } of this.#caches().routesNaming(namespace, serviceAccount))
      this.#enqueue(routeItem(namespace, metadata.name));
  }

  /** Other labels may mean other quotas over namespaces. */
  namespace(previous: NamespaceEntry | undefined, current: NamespaceEntry | undefined): void {
    const caches = this.#caches();
    const { name = "" } = current ?? previous ?? {};
    const scope = caches.clusterScope(name);
    const [before, after] = [previous, current].map(
      (entry) => new Set(clusterQuotasOf(name, { ...scope, namespaceLabels: entry?.labels })),
    );
    const changed = [...(scope.clusterQuotas ?? [])].filter((quota) => before?.has(quota) !== after?.has(quota));
    if (changed.length === 0) return;
    this.#everybody(name);
    for (const { metadata } of changed) this.#enqueue(quotaItem(metadata.namespace, metadata.name));
  }

  serviceAccount(namespace: string, name: string): void {
    for (const { metadata } of this.#caches().routesNaming(namespace, name))
      this.#enqueue(routeItem(namespace, metadata.name));
    this.#targeting(namespace, "ServiceAccount", name);
  }

  /** Everything there is: at the start of a term, and every ten minutes. */
  all(): void {
    const caches = this.#caches();
    const workloads = new Map<string, Workload>();
    const add = (workload: Workload): void => {
      workloads.set(workloadKey(workload), workload);
    };
    for (const { resource } of caches.routeEntries())
      for (const { name } of resource?.spec.parentRefs ?? [])
        for (const workload of this.#workloadsOf(resource?.metadata.namespace ?? "", name)) add(workload);
    for (const { workload } of caches.publishedIn()) add(workload);
    for (const { workload } of caches.pods()) add(workload);
    for (const workload of workloads.values()) this.#enqueue(workloadItem(workload));
    for (const { metadata } of caches.routeEntries()) this.#enqueue(routeItem(metadata.namespace ?? "", metadata.name));
    for (const { metadata } of caches.quotaEntries()) this.#enqueue(quotaItem(metadata.namespace ?? "", metadata.name));
    this.namespaces();
  }

  /** Every namespace that has something: a new connection to Redis may be to one that has lost its users. */
  namespaces(): void {
    const caches = this.#caches();
    const found = new Set([
      ...caches.routeEntries().map(({ metadata }) => metadata.namespace ?? ""),
      ...caches.publishedIn().map(({ namespace }) => namespace),
      ...caches.pods().map(({ namespace }) => namespace),
    ]);
    for (const namespace of found) this.#enqueue(namespaceItem(namespace));
  }

  #account(namespace: string, serviceAccount: string): void {
    // First of all the user: a config may name counters that it does not reach yet.
    this.#enqueue(namespaceItem(namespace));
    for (const workload of this.#workloadsOf(namespace, serviceAccount)) this.#enqueue(workloadItem(workload));
  }

  /** The quotas that name it as a target. */
  #targeting(namespace: string, kind: "AIRoute" | "ServiceAccount", name: string): void {
    for (const { metadata, resource } of this.#caches().quotaEntries(namespace)) {
      const targets = resource?.spec.targetRefs ?? [];
      if (targets.some((target) => target.kind === kind && target.name === name))
        this.#enqueue(quotaItem(namespace, metadata.name));
    }
  }

  /** Every account of a namespace that a route names. */
  #everybody(namespace: string): void {
    const accounts = this.#caches()
      .routes(namespace)
      .flatMap(({ spec }) => spec.parentRefs.map(({ name }) => name));
    for (const serviceAccount of new Set(accounts)) this.#account(namespace, serviceAccount);
  }

  /** Namespaces with routes, beside its own, that a quota of the operator's namespace means or meant. */
  #beyond(own: string, entries: readonly (Entry<AIQuota> | undefined)[]): void {
    const caches = this.#caches();
    const targets = entries.flatMap((entry): readonly NamespaceTarget[] => (entry ? targetsOf(entry) : []));
    for (const namespace of new Set(caches.routeEntries().map(({ metadata }) => metadata.namespace ?? ""))) {
      const { namespaceLabels } = caches.clusterScope(namespace);
      if (namespace !== own && targets.some((target) => meansNamespace(target, namespace, namespaceLabels)))
        this.#everybody(namespace);
    }
  }

  /** Workloads of one service account: without a pick, and with each pick that there may be. */
  #workloadsOf(namespace: string, serviceAccount: string): readonly Workload[] {
    const caches = this.#caches();
    const picks = new Set<string>();
    const routes = caches.routesNaming(namespace, serviceAccount);
    for (const { metadata } of routes) picks.add(metadata.name);
    for (const { workload } of caches.publishedIn(namespace))
      if (workload.serviceAccount === serviceAccount && workload.routePick !== undefined) picks.add(workload.routePick);
    return [
      { namespace, serviceAccount },
      ...[...picks].map((routePick) => ({ namespace, serviceAccount, routePick })),
    ];
  }

  /** Service accounts that a quota reaches or reached. */
  #reach(namespace: string, entries: readonly (Entry<AIQuota> | undefined)[]): ReadonlySet<string> {
    const accounts = new Set<string>();
    const add = (route: AIRoute | undefined): void => {
      for (const { name } of route?.spec.parentRefs ?? []) accounts.add(name);
    };
    const anything = [{ kind: "Namespace", name: namespace }];
    const targetsOrAnything = (entry: Entry<AIQuota>): readonly NamespaceTarget[] => {
      const targets = targetsOf(entry);
      return targets.length > 0 ? targets : anything;
    };
    for (const { kind, name = "" } of entries.flatMap((entry) => (entry ? targetsOrAnything(entry) : []))) {
      if (kind === "ServiceAccount") accounts.add(name);
      else if (kind === "AIRoute") add(this.#caches().routeEntry(namespace, name)?.resource);
      else for (const route of this.#caches().routes(namespace)) add(route);
    }
    return accounts;
  }
}

/** Nothing but the status or labels differ: the API server counts the generation up with each change of the spec, not of annotations. */
const isSameSpec = (
  previous: Pick<Entry<AIQuota>, "metadata"> | undefined,
  current: Pick<Entry<AIQuota>, "metadata"> | undefined,
): boolean =>
  previous !== undefined &&
  current !== undefined &&
  previous.metadata.uid === current.metadata.uid &&
  previous.metadata.generation === current.metadata.generation &&
  isDeepStrictEqual(previous.metadata.annotations, current.metadata.annotations);

const targetsOf = ({ resource, spec }: Pick<Entry<AIQuota>, "resource" | "spec">): readonly NamespaceTarget[] =>
  resource?.spec.targetRefs ?? unreadTargets({ spec });
