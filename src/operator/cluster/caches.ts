/** What the operator knows of the cluster: one informer for each resource, cut down to what is used, with the indexes that reconcilers ask. */
import { isDeepStrictEqual } from "node:util";
import type { AIQuota } from "../../api/aiquota.ts";
import type { AIRoute } from "../../api/airoute.ts";
import { marks } from "../../api/annotations.ts";
import type { SecretResource } from "../../api/secret.ts";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { ClusterScope } from "../../compile/cluster-quota.ts";
import { type Workload, workloadKey } from "../../inject/workload.ts";
import { Informer } from "../../kube/informer.ts";
import { type KubeApi, resources } from "../../kube/port.ts";
import type { ResourceView } from "../ports.ts";
import { GroupIndex } from "./group-index.ts";
import { OwnWrites } from "./own-writes.ts";
import {
  credentialOf,
  type Entry,
  type InjectedPod,
  type NamespaceEntry,
  namespaceOf,
  type Published,
  podOf,
  publishedOf,
  quotaEntryOf,
  routeEntryOf,
} from "./projections.ts";

/** Who is told of each change; previous undefined: added, current undefined: gone. */
export interface CacheListener {
  route(previous: Entry<AIRoute> | undefined, current: Entry<AIRoute> | undefined): void;
  quota(previous: Entry<AIQuota> | undefined, current: Entry<AIQuota> | undefined): void;
  credential(previous: SecretResource | undefined, current: SecretResource | undefined): void;
  published(previous: Published | undefined, current: Published | undefined): void;
  pod(previous: InjectedPod | undefined, current: InjectedPod | undefined): void;
  serviceAccount(namespace: string, name: string): void;
  namespace(previous: NamespaceEntry | undefined, current: NamespaceEntry | undefined): void;
}

/** What the caches are made of. */
export interface CachesOptions {
  readonly api: KubeApi;
  /** Empty: every namespace. */
  readonly namespaces: readonly string[];
  /** Where quotas may target other namespaces, if every namespace is watched; absent: nowhere. */
  readonly operatorNamespace?: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly listener: CacheListener;
}

interface Named {
  readonly namespace: string;
  readonly name: string;
}

/** Lists and watches; answers from memory. */
export class Caches implements ResourceView {
  readonly #routes: Informer<Entry<AIRoute>>;
  readonly #quotas: Informer<Entry<AIQuota>>;
  readonly #credentials: Informer<SecretResource>;
  readonly #published: Informer<Published>;
  readonly #serviceAccounts: Informer<Named>;
  readonly #pods: Informer<InjectedPod>;
  /** Of all namespaces, or undefined where only some are watched: then no quota is over namespaces. */
  readonly #namespaces: Informer<NamespaceEntry> | undefined;
  readonly #operatorNamespace: string | undefined;
  readonly #podsByWorkload = new GroupIndex<InjectedPod>();
  readonly #routesByAccount = new GroupIndex<AIRoute>();
  /** What was written a moment ago and may not have come back by the watch yet. */
  readonly own = new OwnWrites();

  /** Lists nothing before `start`. */
  constructor({ api, namespaces, operatorNamespace, clock, log, listener }: CachesOptions) {
    const base = { api, clock, log, ...(namespaces.length > 0 && { namespaces }) };
    this.#operatorNamespace = namespaces.length > 0 ? undefined : operatorNamespace;
    if (this.#operatorNamespace !== undefined) this.#namespaces = namespaceInformer(base, listener);
    this.#routes = new Informer({
      ...base,
      resource: resources.airoutes,
      project: routeEntryOf,
      onChange: (previous, current) => {
        this.#indexRoute(previous, current);
        listener.route(previous, current);
      },
    });
    this.#quotas = new Informer({
      ...base,
      resource: resources.aiquotas,
      project: quotaEntryOf,
      onChange: (previous, current) => listener.quota(previous, current),
    });
    this.#credentials = new Informer({
      ...base,
      resource: resources.secrets,
      labelSelector: `${marks.credential}=true`,
      project: credentialOf,
      onChange: (previous, current) => listener.credential(previous, current),
    });
    this.#published = new Informer({
      ...base,
      resource: resources.secrets,
      labelSelector: `${marks.config}=true`,
      project: publishedOf,
      onChange: (previous, current) => {
        this.own.publishedSeen(previous, current);
        listener.published(previous, current);
      },
    });
    this.#serviceAccounts = new Informer({
      ...base,
      resource: resources.serviceAccounts,
      isMetadataOnly: true,
      project: ({ metadata }): Named => ({ namespace: metadata.namespace ?? "", name: metadata.name }),
      isSame: () => true, // only whether it exists is asked
      onChange: (previous, current) => {
        const account = current ?? previous;
        if (account && (!previous || !current)) listener.serviceAccount(account.namespace, account.name);
      },
    });
    this.#pods = new Informer({
      ...base,
      resource: resources.pods,
      labelSelector: `${marks.injected}=true`,
      project: podOf,
      isSame: isDeepStrictEqual, // a pod's status changes often, the fields used seldom
      onChange: (previous, current) => {
        this.#indexPod(previous, current);
        this.own.podSeen(previous, current);
        listener.pod(previous, current);
      },
    });
  }

  /** Begins to list and watch; resolves when every list was read once. */
  async start(): Promise<void> {
    const all = Object.values(this.informers());
    for (const informer of all) informer.start();
    await Promise.all(all.map((informer) => informer.whenSynced()));
  }

  /** Ends all watches. */
  async stop(): Promise<void> {
    await Promise.all(Object.values(this.informers()).map((informer) => informer.stop()));
  }

  /** By the name that metrics use. */
  informers() {
    return {
      airoutes: this.#routes,
      aiquotas: this.#quotas,
      credentials: this.#credentials,
      configs: this.#published,
      serviceaccounts: this.#serviceAccounts,
      pods: this.#pods,
      ...(this.#namespaces && { namespaces: this.#namespaces }),
    } as const;
  }

  get isSynced(): boolean {
    return Object.values(this.informers()).every((informer) => informer.isSynced);
  }

  routes(namespace: string): readonly AIRoute[] {
    return this.#routes.list(namespace).flatMap(({ resource }) => (resource ? [resource] : []));
  }

  quotas(namespace: string): readonly AIQuota[] {
    return this.#quotas.list(namespace).flatMap(({ resource }) => (resource ? [resource] : []));
  }

  /** What `compile` is to know beyond a namespace; empty where only some namespaces are watched. */
  clusterScope(namespace: string): ClusterScope {
    const operatorNamespace = this.#operatorNamespace;
    if (operatorNamespace === undefined) return {};
    return {
      operatorNamespace,
      clusterQuotas: this.quotas(operatorNamespace),
      namespaceLabels: this.#namespaces?.get("", namespace)?.labels,
    };
  }

  secrets(namespace: string): readonly SecretResource[] {
    return this.#credentials.list(namespace);
  }

  /** An AIRoute, whether it parses or not. */
  routeEntry(namespace: string, name: string): Entry<AIRoute> | undefined {
    return this.#routes.get(namespace, name);
  }

  /** An AIQuota, whether it parses or not. */
  quotaEntry(namespace: string, name: string): Entry<AIQuota> | undefined {
    return this.#quotas.get(namespace, name);
  }

  quotaEntries(namespace?: string): readonly Entry<AIQuota>[] {
    return this.#quotas.list(namespace);
  }

  routeEntries(namespace?: string): readonly Entry<AIRoute>[] {
    return this.#routes.list(namespace);
  }

  /** Routes that name a service account, in no order. */
  routesNaming(namespace: string, serviceAccount: string): readonly AIRoute[] {
    return this.#routesByAccount.of(`${namespace}/${serviceAccount}`);
  }

  /** Pods of one workload, ended ones included. */
  podsOf(workload: Workload): readonly InjectedPod[] {
    return this.#podsByWorkload.of(workloadKey(workload));
  }

  hasServiceAccount(namespace: string, name: string): boolean {
    return this.#serviceAccounts.get(namespace, name) !== undefined;
  }

  /** The config Secret of a name, as it stands or as we wrote it a moment ago. */
  publishedAt(namespace: string, name: string): Published | undefined {
    return this.own.published(namespace, name) ?? this.#published.get(namespace, name);
  }

  publishedIn(namespace?: string): readonly Published[] {
    return this.#published.list(namespace);
  }

  pods(namespace?: string): readonly InjectedPod[] {
    return this.#pods.list(namespace);
  }

  #indexRoute(previous: Entry<AIRoute> | undefined, current: Entry<AIRoute> | undefined): void {
    for (const [entry, isThere] of [
      [previous, false],
      [current, true],
    ] as const) {
      const route = entry?.resource;
      if (!route) continue;
      for (const { name } of route.spec.parentRefs)
        this.#routesByAccount.set(
          `${route.metadata.namespace}/${name}`,
          route.metadata.name,
          isThere ? route : undefined,
        );
    }
  }

  #indexPod(previous: InjectedPod | undefined, current: InjectedPod | undefined): void {
    if (previous) this.#podsByWorkload.set(workloadKey(previous.workload), previous.name, undefined);
    if (current) this.#podsByWorkload.set(workloadKey(current.workload), current.name, current);
  }
}

const namespaceInformer = (
  base: Pick<CachesOptions, "api" | "clock" | "log">,
  listener: CacheListener,
): Informer<NamespaceEntry> =>
  new Informer({
    ...base,
    resource: resources.namespaces,
    isMetadataOnly: true,
    project: namespaceOf,
    isSame: isDeepStrictEqual,
    onChange: (previous, current) => listener.namespace(previous, current),
  });
