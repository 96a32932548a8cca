/** The only writer of config Secrets and of the pods' digest annotation. */
import { marks } from "../../api/annotations.ts";
import type { Clock } from "../../base/clock.ts";
import { configSecretName, type Workload } from "../../inject/workload.ts";
import { isKubeFault, type KubeApi, type KubeObject, type OwnerReference, resources } from "../../kube/port.ts";
import type { Caches } from "../cluster/caches.ts";
import { type InjectedPod, type Published, publishedOf } from "../cluster/projections.ts";
import type { Desired } from "./desired.ts";

/** How long the owner that was looked up is believed, ms. */
const ownerMsMax = 10_000;

/** Written, or why not now. */
export type Written =
  | { readonly kind: "written"; readonly published: Published }
  | { readonly kind: "refused"; readonly reason: string; readonly afterMs: number };

/** What it needs. `ownerName`: the mutating webhook configuration, with which every config Secret goes when the chart is uninstalled. */
export interface PublisherOptions {
  readonly api: KubeApi;
  readonly caches: Caches;
  readonly clock: Clock;
  readonly ownerName: string;
}

/** Publishes configs and nudges pods. Every write is fenced by the KubeApi that it is given. */
export class Publisher {
  readonly #options: PublisherOptions;
  #owner: OwnerReference | undefined;
  #ownerLookedUpMs = Number.NEGATIVE_INFINITY;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /**
   * Applies the Secret. A cluster-scoped owner takes the Secrets of all namespaces with it: Kubernetes' garbage collector does
   * what an uninstall hook would. Without it nothing is published: the installation is not whole, or on its way out.
   */
  async publish(workload: Workload, desired: Desired, { isUnused }: { readonly isUnused: boolean }): Promise<Written> {
    const { api, caches, clock } = this.#options;
    const owner = await this.lookUpOwner();
    if (!owner)
      return {
        kind: "refused",
        reason: `the MutatingWebhookConfiguration ${this.#options.ownerName} does not exist; upgrade the chart's release`,
        afterMs: ownerMsMax,
      };
    const object = secretOf(workload, desired, {
      owner,
      ...(isUnused && { unusedSinceMs: clock.nowMs() }),
      resourceVersion: caches.publishedAt(workload.namespace, configSecretName(workload))?.resourceVersion,
    });
    try {
      const published = publishedOf(await api.apply(resources.secrets, object));
      caches.own.notePublished(published);
      return { kind: "written", published };
    } catch (fault) {
      // A namespace on its way out takes no new objects, and needs none.
      if (isKubeFault(fault, 403, 404) && fault.message.includes("being terminated"))
        return { kind: "refused", reason: `namespace ${workload.namespace} is being terminated`, afterMs: 60_000 };
      throw fault;
    }
  }

  /** Deletes a config Secret, if it is still the one that was seen. */
  async remove({ namespace, name, resourceVersion }: Published): Promise<void> {
    await this.#options.api.delete(resources.secrets, { namespace, name }, { resourceVersion });
  }

  /** Sets the pod's annotation through its status, which may not change anything else; a pod that is gone needs none. */
  async nudge(pod: InjectedPod, digest: string): Promise<void> {
    const { namespace, name, uid } = pod;
    const patch = { metadata: { uid, annotations: { [marks.configDigest]: digest } } };
    if (await this.#patchStatus({ namespace, name }, patch)) this.#options.caches.own.notePodDigest(pod, digest);
  }

  /** Touches a pod that has not taken its config although the annotation says so: the kubelet looks at its volumes once more. */
  async remind({ namespace, name, uid }: InjectedPod, count: number): Promise<void> {
    const patch = { metadata: { uid, annotations: { [marks.reminder]: String(count) } } };
    await this.#patchStatus({ namespace, name }, patch);
  }

  /** Resolves with false for a pod that is gone: it needs none. */
  async #patchStatus(ref: { readonly namespace: string; readonly name: string }, patch: object): Promise<boolean> {
    try {
      await this.#options.api.mergePatch(resources.pods, ref, patch, { subresource: "status" });
      return true;
    } catch (fault) {
      if (isKubeFault(fault, 404, 409)) return false; // 409: the uid is another pod's now
      throw fault;
    }
  }

  /** The owner, looked up at most every 10 s. */
  async lookUpOwner(): Promise<OwnerReference | undefined> {
    const { api, clock, ownerName: name } = this.#options;
    if (clock.monotonicMs() - this.#ownerLookedUpMs < ownerMsMax) return this.#owner;
    const resource = resources.mutatingWebhookConfigurations;
    try {
      const { metadata } = await api.get(resource, { name }, { isMetadataOnly: true });
      this.#owner = {
        apiVersion: `${resource.group}/${resource.version}`,
        kind: resource.kind,
        name,
        uid: metadata.uid ?? "",
      };
    } catch (fault) {
      if (!isKubeFault(fault, 404)) throw fault;
      this.#owner = undefined;
    }
    this.#ownerLookedUpMs = clock.monotonicMs();
    return this.#owner;
  }
}

const secretOf = (
  workload: Workload,
  desired: Desired,
  marksOf: {
    readonly owner: OwnerReference;
    readonly unusedSinceMs?: number;
    readonly resourceVersion: string | undefined;
  },
): KubeObject => {
  const { namespace, serviceAccount, routePick } = workload;
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: {
      name: configSecretName(workload),
      namespace,
      // A stale writer's apply is refused with a conflict.
      ...(marksOf.resourceVersion !== undefined && { resourceVersion: marksOf.resourceVersion }),
      labels: { [marks.config]: "true", "app.kubernetes.io/managed-by": "sidegate" },
      annotations: {
        [marks.configDigest]: desired.configDigest,
        [marks.serviceAccount]: serviceAccount,
        ...(routePick !== undefined && { [marks.route]: routePick }),
        ...(marksOf.unusedSinceMs !== undefined && {
          [marks.unusedSince]: new Date(marksOf.unusedSinceMs).toISOString(),
        }),
      },
      ownerReferences: [marksOf.owner],
    },
    type: "Opaque",
    data: desired.data ?? {},
  };
};
