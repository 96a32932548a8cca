import type { InjectedPod, Published } from "./projections.ts";

/**
 * What we wrote a moment ago and the watch may not have shown yet. Without it a reconcile that runs in between would write the
 * same thing again. An entry ends when the watch shows the object at our version or a later one, or shows that it is gone.
 */
export class OwnWrites {
  readonly #published = new Map<string, Published>();
  readonly #podDigests = new Map<string, string>();

  /** A config Secret as the API server answered our write. */
  notePublished(published: Published): void {
    this.#published.set(keyOf(published), published);
  }

  /** The digest that a pod's annotation was set to. */
  notePodDigest({ uid }: InjectedPod, digest: string): void {
    this.#podDigests.set(uid, digest);
  }

  published(namespace: string, name: string): Published | undefined {
    return this.#published.get(`${namespace}/${name}`);
  }

  /** What the pod's annotation says, by our own last write if that is newer. */
  podDigest(pod: InjectedPod): string | undefined {
    return this.#podDigests.get(pod.uid) ?? pod.configDigest;
  }

  /** The watch showed a config Secret. */
  publishedSeen(previous: Published | undefined, current: Published | undefined): void {
    const seen = current ?? previous;
    if (!seen) return;
    const own = this.#published.get(keyOf(seen));
    if (own && (!current || !isOlder(current.resourceVersion, own.resourceVersion)))
      this.#published.delete(keyOf(seen));
  }

  /** The watch showed a pod. */
  podSeen(previous: InjectedPod | undefined, current: InjectedPod | undefined): void {
    if (!current) {
      if (previous) this.#podDigests.delete(previous.uid);
    } else if (this.#podDigests.get(current.uid) === current.configDigest) this.#podDigests.delete(current.uid);
  }
}

const keyOf = ({ namespace, name }: Published): string => `${namespace}/${name}`;

/** True when `version` is known to come before `than`. Versions of one resource can be compared as integers (guaranteed since Kubernetes 1.35, true of etcd before); else: not older. */
export const isOlder = (version: string, than: string): boolean =>
  /^\d{1,20}$/.test(version) && /^\d{1,20}$/.test(than) && BigInt(version) < BigInt(than);
