/** Where a sidecar's heartbeat goes. Law: nothing that happens to a heartbeat is felt by requests, and none waits for another. */
export interface BeatStore {
  /** Keeps it for `ttlMs`, in place of the one before. Throws StoreUnavailable. */
  put(beat: {
    readonly namespace: string;
    readonly pod: string;
    readonly text: string;
    readonly ttlMs: number;
  }): Promise<void>;
  /** Throws StoreUnavailable. */
  remove(namespace: string, pod: string): Promise<void>;
  /** Calls back whenever the store can be reached again: it may have lost what it kept. */
  onRecovered(listener: () => void): void;
}
