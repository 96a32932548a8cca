/** The resources that most scenarios start with: a credential, a route to the fake provider, a quota. */
import type { ClusterProvider } from "./fake-provider.ts";
import type { KubeObject } from "./kubectl.ts";

/** What a scenario wants of its route. */
export interface RouteOptions {
  readonly namespace: string;
  readonly provider: Pick<ClusterProvider, "url">;
  /** Default `support`. */
  readonly name?: string;
  /** Default the namespace's `default`. */
  readonly serviceAccount?: string;
  /** Name of the Secret with the provider's key; default `openai`. */
  readonly secret?: string;
  /** More members of the only rule, such as `cache`. */
  readonly rule?: Readonly<Record<string, unknown>>;
  /** More members of the spec. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** A Secret that routes may use. */
export const credential = (namespace: string, value: string, name = "openai"): KubeObject => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, namespace, labels: { "sidegate.dev/credential": "true" } },
  stringData: { key: value },
});

/** An AIRoute for every model whose name begins with `gpt-`, to the fake provider. */
export const airoute = (options: RouteOptions): KubeObject => ({
  apiVersion: "sidegate.dev/v1alpha1",
  kind: "AIRoute",
  metadata: { name: options.name ?? "support", namespace: options.namespace },
  spec: {
    parentRefs: [{ group: "", kind: "ServiceAccount", name: options.serviceAccount ?? "default" }],
    backends: [
      {
        name: "fake",
        type: "OpenAICompatible",
        endpoint: `${options.provider.url}/v1`,
        insecure: true,
        credentials: [{ type: "Secret", secretRef: { name: options.secret ?? "openai", key: "key" } }],
      },
    ],
    rules: [
      {
        name: "chat",
        matches: [{ models: [{ type: "Prefix", value: "gpt-" }] }],
        backendRefs: [{ name: "fake" }],
        ...options.rule,
      },
    ],
    ...options.spec,
  },
});

/** An AIQuota of one limit of requests a minute on a route. */
export const requestsQuota = (namespace: string, limit: number, route = "support"): KubeObject => ({
  apiVersion: "sidegate.dev/v1alpha1",
  kind: "AIQuota",
  metadata: { name: "per-minute", namespace },
  spec: {
    targetRefs: [{ group: "sidegate.dev", kind: "AIRoute", name: route }],
    limits: [{ name: "rpm", resource: "Requests", limit, window: { type: "Sliding", duration: "1m" } }],
  },
});

/** What a pod's template needs to be injected. */
export const injected = { "sidegate.dev/inject": "true" } as const;
