import type { Leg } from "./leg-store.ts";

/** One mark: of one process, beside one leg of what a namespace holds. */
export interface MarkPlace {
  readonly namespace: string;
  readonly leg: Leg;
  /** Names the process among all that count. */
  readonly instance: string;
}

/**
 * A number for each sidecar that goes up with its commands. A store that has lost its last writes shows an older one, and what was
 * sent before the number that it shows is still there.
 */
export interface MarkStore {
  /** Writes `mark`; answers the one that stood there before, undefined: none. Keeps its place among reserves and settlements. Throws StoreUnavailable. */
  move(place: MarkPlace, mark: number): Promise<number | undefined>;
}
