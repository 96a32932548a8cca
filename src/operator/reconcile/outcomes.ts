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
  /** Of quotas of other namespaces than the workload's. */
  readonly #byQuota = new GroupIndex<QuotaOutcome>();
  readonly #quotasOf = new Map<string, readonly QuotaOutcome[]>();

  set(outcome: WorkloadOutcome): void {
    this.#setBeyond(
      outcome.workload,
      outcome.quotas.filter(({ namespace }) => namespace !== outcome.workload.namespace),
    );
    this.#byNamespace.set(outcome.workload.namespace, workloadKey(outcome.workload), outcome);
  }

  delete(workload: Workload): void {
    this.#setBeyond(workload, []);
    this.#byNamespace.set(workload.namespace, workloadKey(workload), undefined);
  }

  in(namespace: string): readonly WorkloadOutcome[] {
    return this.#byNamespace.of(namespace);
  }

  /** Outcomes in which the route is one of those that name the service account. */
  ofRoute(namespace: string, name: string): readonly WorkloadOutcome[] {
    return this.in(namespace).filter(({ routes }) => routes.some((route) => route.name === name));
  }

  /** What was said of a quota, for workloads of its own namespace and of others. */
  ofQuota(namespace: string, name: string): readonly QuotaOutcome[] {
    const own = this.in(namespace).flatMap(({ quotas }) =>
      quotas.filter((quota) => quota.namespace === namespace && quota.name === name),
    );
    return [...own, ...this.#byQuota.of(`${namespace}/${name}`)];
  }

  #setBeyond(workload: Workload, quotas: readonly QuotaOutcome[]): void {
    const key = workloadKey(workload);
    for (const { namespace, name } of this.#quotasOf.get(key) ?? [])
      this.#byQuota.set(`${namespace}/${name}`, key, undefined);
    for (const quota of quotas) this.#byQuota.set(`${quota.namespace}/${quota.name}`, key, quota);
    if (quotas.length > 0) this.#quotasOf.set(key, quotas);
    else this.#quotasOf.delete(key);
  }
}
