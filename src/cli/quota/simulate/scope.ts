/** Which of the proposed quotas count a workload's calls, compiled as the operator does. */
import type { AIQuota } from "../../../api/aiquota.ts";
import { type AIRoute, airouteSpecSchema } from "../../../api/airoute.ts";
import { apiVersion } from "../../../api/object.ts";
import { isClusterQuota } from "../../../compile/cluster-quota.ts";
import { builtinModels } from "../../../compile/models.ts";
import { compileQuota, quotaScope } from "../../../compile/quota.ts";
import { compileRoute } from "../../../compile/route.ts";
import type { ModelConfig, RouteConfig } from "../../../config/contract.ts";
import { modelOf, unknownModel } from "../../../config/model-defaults.ts";
import type { QuotaConfig } from "../../../config/quota.ts";
import { endpointNames } from "../../../openai/endpoints.ts";
import { operatorNamespaceDefault } from "../../../resources/validate.ts";
import { type QuotaChoice, quotaChoice } from "../../../sidecar/quota/condition.ts";
import { QuotaCommandFault } from "../fault.ts";

/** What counts for the calls of one workload on one route. */
export interface Scope {
  readonly choice: QuotaChoice;
  modelOf(name: string): ModelConfig;
}

/** A workload on a route. */
interface Workload {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly route: string;
}

/** Workloads that are remembered at once; of more, all are compiled anew. */
const workloadsMax = 10_000;
/** Remarks that are kept; what further routes would say is left out. */
const remarksMax = 20;

/** Compiles each workload's quotas once. */
export class Scopes {
  /** What a reader must know of the quotas on these routes: the first of it. */
  readonly remarks = new Set<string>();
  readonly #quotas: readonly AIQuota[];
  readonly #routes: ReadonlyMap<string, RouteConfig>;
  readonly #openRoute = openRoute();
  readonly #known = new Map<string, Scope>();

  /** Throws QuotaCommandFault for a quota that nobody could enforce on any route. */
  constructor(quotas: readonly AIQuota[], routes: readonly AIRoute[]) {
    this.#quotas = quotas.map(asWritten);
    for (const quota of this.#quotas) {
      const [fault] = compileQuota(quota, this.#openRoute).faults;
      if (fault) throw new QuotaCommandFault(`${nameOf(quota)}: ${fault.message}`);
    }
    // Without their Secrets: nothing is called.
    const compiled = routes.map((route) => compileRoute(route, { secrets: [] }).route);
    this.#routes = new Map(compiled.map((route) => [`${route.namespace}/${route.name}`, route]));
  }

  /** What counts for this workload. */
  of(workload: Workload): Scope {
    const key = `${workload.namespace}/${workload.serviceAccount} ${workload.route}`;
    const known = this.#known.get(key);
    if (known) return known;
    if (this.#known.size >= workloadsMax) this.#known.clear();
    const { namespace, route: name } = workload;
    const given = this.#routes.get(`${namespace}/${name}`);
    const route = given ?? { ...this.#openRoute, namespace, name };
    const quotas = this.#quotas.flatMap((quota) => this.#compiled(quota, route, workload) ?? []);
    if (!given && quotas.some(({ limits }) => limits.some(({ downgradeTo }) => downgradeTo !== undefined)))
      this.#remark(`AIRoute ${namespace}/${name} is not among the files: it is taken to open every model to go to`);
    const scope: Scope = {
      choice: quotaChoice(quotas, () => undefined), // one that cannot tell counts, as in a sidecar
      modelOf: (model) => modelOf(route.models, model) ?? builtinModels.get(model) ?? unknownModel,
    };
    this.#known.set(key, scope);
    return scope;
  }

  #compiled(quota: AIQuota, route: RouteConfig, workload: Workload): QuotaConfig | undefined {
    const isCluster = isClusterQuota(quota, operatorNamespaceDefault);
    const { namespace, serviceAccount } = workload;
    const scope = quotaScope(quota, {
      namespace,
      serviceAccount,
      route: route.name,
      isCluster,
      namespaceLabels: undefined,
    });
    if (!scope) return undefined;
    const { quota: config, faults, notes } = compileQuota(quota, route, scope.rules);
    const on = `on AIRoute ${route.namespace}/${route.name}`;
    for (const { message } of faults)
      this.#remark(
        `${nameOf(quota)} cannot be enforced ${on} as it stands in the files, and is counted here: ${message}`,
      );
    for (const { message } of notes) this.#remark(`${nameOf(quota)}: ${message}`);
    return { ...config, ...(isCluster && { scope: "Cluster" as const }) };
  }

  #remark(text: string): void {
    if (this.remarks.size < remarksMax) this.remarks.add(text);
  }
}

const nameOf = ({ metadata: { namespace, name } }: AIQuota): string => `AIQuota ${namespace}/${name}`;

/** Without what people did about it between two edits: an override has an end and no beginning, so nobody knows which calls it was for. */
const asWritten = ({ metadata: { annotations: _, ...metadata }, ...quota }: AIQuota): AIQuota => ({
  ...quota,
  metadata,
});

/**
 * Stands for a route that is not among the files: it knows its callers, opens every model at every endpoint, and has the built-in prices.
 * Whatever keeps a quota from being enforced on it is the quota's own.
 */
const openRoute = (): RouteConfig => {
  const spec = airouteSpecSchema.parse({
    parentRefs: [{ name: "any" }],
    backends: [{ name: "any", type: "OpenAICompatible", endpoint: "http://127.0.0.1" }],
    rules: [{ name: "any", matches: [{ endpoints: [...endpointNames] }], backendRefs: [{ name: "any" }] }],
  });
  const metadata = { namespace: "any", name: "any" };
  const { route } = compileRoute({ apiVersion, kind: "AIRoute", metadata, spec }, { secrets: [] });
  return { ...route, caller: { require: "APIKey", keys: [] } };
};
