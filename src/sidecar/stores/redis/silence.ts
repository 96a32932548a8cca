/** With no answer for so long, ms, a connection may be dead without a sign. */
export const silenceMsMax = 3_000;

/** Since when Redis says nothing: on a Cluster for each slot that was asked, as one of its nodes may be silent while the others answer. */
export class Silence {
  /** By slot; null: one server. A sidecar has two, that of its namespace and that of quotas over namespaces. */
  readonly #sinceMs = new Map<number | null, number>();

  /** An answer came. */
  broken(slot: number | null): void {
    if (this.#sinceMs.size > 0) this.#sinceMs.delete(slot);
  }

  /** No answer came: whether that has been so for more than 3 s. If so it begins anew. */
  isTooLong(slot: number | null, nowMs: number): boolean {
    const sinceMs = this.#sinceMs.get(slot);
    if (sinceMs === undefined) this.#sinceMs.set(slot, nowMs);
    if (sinceMs === undefined || nowMs - sinceMs <= silenceMsMax) return false;
    this.#sinceMs.delete(slot);
    return true;
  }

  /** The connection is new. */
  reset(): void {
    this.#sinceMs.clear();
  }
}
