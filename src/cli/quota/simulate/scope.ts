/** Which of the proposed quotas count a workload's calls, compiled as the operator does. */
import type { AIQuota } from "../../../api/aiquota.ts";
import type { AIRoute } from "../../../api/airoute.ts";
import { isClusterQuota } from "../../../compile/cluster-quota.ts";
import { builtinModels } from "../../../compile/models.ts";
import { compileQuota, quotaScope } from "../../../compile/quota.ts";
import { compileRoute } from "../../../compile/route.ts";
import type { ModelConfig, RouteConfig } from "../../../config/contract.ts";
import { unknownModel } from "../../../config/model-defaults.ts";
import type { QuotaConfig } from "../../../config/quota.ts";
import { operatorNamespaceDefault } from "../../../resources/validate.ts";
import { type QuotaChoice, quotaChoice } from "../../../sidecar/quota/condition.ts";
import { QuotaCommandFault } from "../fault.ts";

/** What counts for the calls of one workload on one route. */
export interface Scope {
  readonly choice: QuotaChoice;
  modelOf(name: string): ModelConfig;
}

/** Workloads that are remembered at once; of more, all are compiled anew. */
const workloadsMax = 10_000;

/** Compiles each workload's quotas once. */
export class Scopes {
  readonly #quotas: readonly AIQuota[];
  readonly #routes: ReadonlyMap<string, RouteConfig>;
  readonly #known = new Map<string, Scope>();

  constructor(quotas: readonly AIQuota[], routes: readonly AIRoute[]) {
    this.#quotas = quotas;
    // Without their Secrets: nothing is called.
    const compiled = routes.map((route) => compileRoute(route, { secrets: [] }).route);
    this.#routes = new Map(compiled.map((route) => [`${route.namespace}/${route.name}`, route]));
  }

  /** Throws QuotaCommandFault for a quota that nobody could enforce. */
  of(workload: { readonly namespace: string; readonly serviceAccount: string; readonly route: string }): Scope {
    const key = `${workload.namespace}/${workload.serviceAccount} ${workload.route}`;
    const known = this.#known.get(key);
    if (known) return known;
    if (this.#known.size >= workloadsMax) this.#known.clear();
    const route = this.#routes.get(`${workload.namespace}/${workload.route}`) ?? unknownRoute(workload);
    const quotas = this.#quotas.flatMap((quota) => compiled(quota, route, workload) ?? []);
    const scope: Scope = {
      choice: quotaChoice(quotas, () => undefined), // one that cannot tell counts, as in a sidecar
      modelOf: (name) => route.models[name] ?? builtinModels.get(name) ?? unknownModel,
    };
    this.#known.set(key, scope);
    return scope;
  }
}

const compiled = (
  quota: AIQuota,
  route: RouteConfig,
  { namespace, serviceAccount }: { readonly namespace: string; readonly serviceAccount: string },
): QuotaConfig | undefined => {
  const isCluster = isClusterQuota(quota, operatorNamespaceDefault);
  const scope = quotaScope(quota, {
    namespace,
    serviceAccount,
    route: route.name,
    isCluster,
    namespaceLabels: undefined,
  });
  if (!scope) return undefined;
  const { quota: config, faults } = compileQuota(quota, route, scope.rules);
  const fault = faults.find(({ path }) => path.includes("timeZone")); // others are of the route, or told with the refusals
  if (fault)
    throw new QuotaCommandFault(`AIQuota ${quota.metadata.namespace}/${quota.metadata.name}: ${fault.message}`);
  return { ...config, ...(isCluster && { scope: "Cluster" as const }) };
};

/** A route that is not among the files: the built-in prices count, and whatever was called may be called. */
const unknownRoute = ({ namespace, route }: { readonly namespace: string; readonly route: string }): RouteConfig => ({
  ...{ namespace, name: route, policyVersion: "", backends: [], rules: [], models: {} },
  audit: { sink: "None", onFailure: "Allow" },
});
