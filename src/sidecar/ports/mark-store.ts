import type { Leg } from "./leg-store.ts";

/** One mark: of one process, beside one leg of what a namespace holds. */
export interface MarkPlace {
  readonly namespace: string;
  readonly leg: Leg;
  /** Names the process among all that count. */
  readonly instance: string;
}

/** What a mark met where it was written. */
export interface Marked {
  /** The one that stood there; undefined: none. */
  readonly before: number | undefined;
  /** Names the server that has it now, until that ends; undefined: it does not tell. Another one than the last time may lack writes. */
  readonly server: string | undefined;
}

/**
 * A number for each sidecar that goes up with its commands. A store that has lost its last writes shows an older one, and what was
 * sent before the number that it shows is still there.
 */
export interface MarkStore {
  /** Writes `mark`; answers what it met. Keeps its place among reserves and settlements. Throws StoreUnavailable. */
  move(place: MarkPlace, mark: number): Promise<Marked>;
}
