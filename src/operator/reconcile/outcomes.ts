/** What the last compile of each workload said: from it the statuses are written, without compiling again. */
import type { QuotaOutcome, RouteOutcome } from "../../compile/outcome.ts";
import { type Workload, workloadKey } from "../../inject/workload.ts";
import { GroupIndex } from "../cluster/group-index.ts";

/** The last compile of one workload. */
export interface WorkloadOutcome {
  readonly workload: Workload;
  /** Routes that name the service account, the chosen one first. */
  readonly routes: readonly RouteOutcome[];
  readonly quotas: readonly QuotaOutcome[];
  /** Whether the config has a route, or refuses everything. */
  readonly isServing: boolean;
  readonly policyVersion?: string;
  readonly configDigest: string;
  /** By contract version. */
  readonly digests: ReadonlyMap<number, string>;
  /** Whether it stands in the Secret; false: it is too large, or was not written yet. */
  readonly isPublished: boolean;
  /** Why it cannot be published; absent: it can. */
  readonly tooLarge?: string;
}

/** By workload, with an index by namespace. */
export class Outcomes {
  readonly #byNamespace = new GroupIndex<WorkloadOutcome>();

  set(outcome: WorkloadOutcome): void {
    this.#byNamespace.set(outcome.workload.namespace, workloadKey(outcome.workload), outcome);
  }

  delete(workload: Workload): void {
    this.#byNamespace.set(workload.namespace, workloadKey(workload), undefined);
  }

  in(namespace: string): readonly WorkloadOutcome[] {
    return this.#byNamespace.of(namespace);
  }

  /** Outcomes in which the route is one of those that name the service account. */
  ofRoute(namespace: string, name: string): readonly WorkloadOutcome[] {
    return this.in(namespace).filter(({ routes }) => routes.some((route) => route.name === name));
  }
}
