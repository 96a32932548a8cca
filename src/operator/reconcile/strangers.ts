/** Pods whose service account no route names, though there are routes: they are refused, and `kubectl describe pod` says why. */
import { type Workload, workloadKey } from "../../inject/workload.ts";
import type { EventRecorder } from "../../kube/events.ts";
import type { InjectedPod } from "../cluster/projections.ts";

/** Pods of a workload that are told; its other pods would hear the same. */
const toldPerWorkloadMax = 10;

/** Tells each such pod once. */
export class Strangers {
  readonly #events: Pick<EventRecorder, "record">;
  /** Uids by workload; those of pods that are no more go with the next look. */
  readonly #told = new Map<string, ReadonlySet<string>>();

  constructor(events: Pick<EventRecorder, "record">) {
    this.#events = events;
  }

  /** The workload has no pod any more. */
  forget(workload: Workload): void {
    this.#told.delete(workloadKey(workload));
  }

  /** `isStranger`: routes, or the one that the pods picked, name other service accounts only. */
  look({
    workload,
    pods,
    isStranger,
  }: {
    readonly workload: Workload;
    readonly pods: readonly InjectedPod[];
    readonly isStranger: boolean;
  }): void {
    const key = workloadKey(workload);
    const told = this.#told.get(key);
    if (!isStranger || pods.length === 0) {
      this.#told.delete(key);
      return;
    }
    const shown = pods.slice(0, toldPerWorkloadMax);
    this.#told.set(key, new Set(shown.map(({ uid }) => uid)));
    for (const { namespace, name, uid } of shown) {
      if (told?.has(uid)) continue;
      const regarding = { apiVersion: "v1", kind: "Pod", namespace, name, uid };
      this.#events.record(regarding, { type: "Warning", reason: "NotAParent", message: messageFor(workload) });
    }
  }
}

const messageFor = ({ serviceAccount, routePick }: Workload): string => {
  const who = `service account ${serviceAccount}`;
  return routePick === undefined
    ? `every request is refused (403 identity_refused): no AIRoute of the namespace names ${who}; add it to the parentRefs of one`
    : `every request is refused (403 identity_refused): AIRoute ${routePick}, which the pod picks, does not name ${who}; add it to its parentRefs, or take the annotation sidegate.dev/route away`;
};
