/**
 * A number for each sidecar that goes up with its commands. A store that has lost its last writes shows an older one, and what was
 * sent before the number that it shows is still there.
 */
export interface MarkStore {
  /** Writes `mark`; answers the one that stood there before, undefined: none. Keeps its place among reserves and settlements. Throws StoreUnavailable. */
  move(namespace: string, instance: string, mark: number): Promise<number | undefined>;
}
