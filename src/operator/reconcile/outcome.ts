/** How a reconcile ended, and so when the next one is due. Only the frame in reconcile.ts acts on it. */

/** Next: go on with the following step. Done: nothing is left to do until something changes, or until `afterMs`. */
export type Outcome =
  | { readonly kind: "next" }
  | { readonly kind: "done"; readonly afterMs?: number | undefined }
  /** Something else must come first: look again after `afterMs`. */
  | { readonly kind: "waiting"; readonly reason: string; readonly afterMs: number };

/** Go on with the next step. */
export const next: Outcome = { kind: "next" };

/** Nothing left; `afterMs`: look again then, whatever happens. */
export const done = (afterMs?: number): Outcome => ({ kind: "done", afterMs });

/** Cannot go on yet. */
export const waiting = (reason: string, afterMs: number): Outcome => ({ kind: "waiting", reason, afterMs });

/** This process is not the leader (any more), so it must not write. */
export class NotLeading extends Error {
  override readonly name = "NotLeading";
}
