/**
 * START HERE. The one frame that every reconcile runs in: a key comes from the queue, its reconciler looks at what is (never at
 * what changed), and its outcome says when the key is due again. Order within a kind is that kind's own list of steps.
 *
 * | key       | reconciler                | writes                                           |
 * |-----------|---------------------------|--------------------------------------------------|
 * | workload  | workload-reconciler.ts    | the config Secret, the digest on pods            |
 * | route     | route-reconciler.ts       | status of an AIRoute                             |
 * | quota     | quota-reconciler.ts       | status of an AIQuota                             |
 * | namespace | namespace-reconciler.ts   | the namespace's user in Redis                    |
 */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { isKubeFault } from "../../kube/port.ts";
import { type WorkItem, workItemOf } from "./keys.ts";
import { NotLeading, type Outcome } from "./outcome.ts";

/** One reconciler for each kind of key. */
export interface Reconcilers {
  workload(item: Extract<WorkItem, { kind: "workload" }>): Promise<Outcome>;
  route(item: { readonly namespace: string; readonly name: string }): Promise<Outcome>;
  quota(item: { readonly namespace: string; readonly name: string }): Promise<Outcome>;
  namespace(item: { readonly namespace: string }): Promise<Outcome>;
}

/** What the frame needs of the queue. */
export interface Requeue {
  /** After a time; an earlier add wins. */
  addAfter(key: string, ms: number): void;
  /** After a time that grows with each failure of the key. */
  addRateLimited(key: string): void;
  /** The key's failures are over. */
  forget(key: string): void;
}

/** What the frame is made of. */
export interface FrameOptions {
  readonly reconcilers: Reconcilers;
  readonly queue: Requeue;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of each end. `result`: done, waiting, conflict, failed or notLeading. */
  readonly ended: (kind: string, result: string, seconds: number) => void;
}

/** The handler that the queue calls for each key. Never throws: what fails is logged, counted and tried again. */
export const reconcileFrame = ({
  reconcilers,
  queue,
  clock,
  log,
  ended,
}: FrameOptions): ((key: string) => Promise<void>) => {
  const run = (item: WorkItem): Promise<Outcome> => {
    switch (item.kind) {
      case "workload":
        return reconcilers.workload(item);
      case "route":
        return reconcilers.route(item);
      case "quota":
        return reconcilers.quota(item);
      case "namespace":
        return reconcilers.namespace(item);
    }
  };
  return async (key) => {
    const item = workItemOf(key);
    const startMs = clock.monotonicMs();
    const end = (result: string): void => ended(item.kind, result, (clock.monotonicMs() - startMs) / 1000);
    try {
      const outcome = await run(item);
      queue.forget(key);
      if (outcome.kind === "waiting") {
        log.info({ key, reason: outcome.reason, afterMs: outcome.afterMs }, "waiting");
        queue.addAfter(key, outcome.afterMs);
        end("waiting");
        return;
      }
      const afterMs = outcome.kind === "done" ? outcome.afterMs : undefined;
      if (afterMs !== undefined) queue.addAfter(key, afterMs);
      end("done");
    } catch (fault) {
      if (fault instanceof NotLeading) {
        end("notLeading"); // whoever leads now has the key, too
        return;
      }
      const isConflict = isKubeFault(fault, 409);
      if (isConflict) log.debug({ key }, "conflict, once more with what the watch brings");
      else log.error({ key, err: fault }, "reconcile failed");
      queue.addRateLimited(key);
      end(isConflict ? "conflict" : "failed");
    }
  };
};
