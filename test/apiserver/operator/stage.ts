/** An operator in this process against a real API server, with pods as API objects and a Redis that is set by hand. */
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { Secret } from "../../../src/base/secret.ts";
import { injectionDigest } from "../../../src/inject/settings.ts";
import { createKubeApi } from "../../../src/kube/client.ts";
import { kubeconfigConnection } from "../../../src/kube/connection.ts";
import { isKubeFault, type KubeApi, type KubeObject, resources } from "../../../src/kube/port.ts";
import { Operator } from "../../../src/operator/operator.ts";
import { type OperatorFile, type OperatorSettings, operatorFileSchema } from "../../../src/operator/settings.ts";
import { MemoryState } from "../../../src/operator/state/memory-state.ts";
import type { ApiServerAccess } from "../harness.ts";

/** Name of the webhook configurations and of the operator's namespace in these tests. */
export const systemNamespace = "sidegate-system";

/** Settings of an operator on free ports. */
export const settingsOf = (pod: string, more: object = {}): OperatorSettings => {
  const file: OperatorFile = operatorFileSchema.parse({
    injection: { image: "sidegate:test" },
    webhook: { port: 0 },
    adminPort: 0,
    leaderElection: { leaseSeconds: 5, renewSeconds: 3, retrySeconds: 1 },
    ...more,
  });
  return {
    ...file,
    namespace: systemNamespace,
    pod,
    redisUrl: new Secret("redis://127.0.0.1:6379"),
    sidecarRedisUrl: new Secret(""),
    redisCaFile: undefined,
  };
};

/** A client of the server. */
export const apiOf = async (server: ApiServerAccess): Promise<KubeApi & { close(): void }> =>
  createKubeApi(await kubeconfigConnection({ file: server.kubeconfig }));

/** A namespace, if it is not there yet. */
export const makeNamespace = async (api: KubeApi, name: string): Promise<void> => {
  await api
    .create(resources.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name } })
    .catch((fault: unknown) => {
      if (!isKubeFault(fault, 409)) throw fault;
    });
};

/** The webhook configurations as the chart has them, without any webhook: the config Secrets' owner. */
export const makeWebhookConfigurations = async (api: KubeApi): Promise<void> => {
  for (const resource of [resources.mutatingWebhookConfigurations, resources.validatingWebhookConfigurations]) {
    const object = {
      apiVersion: `${resource.group}/v1`,
      kind: resource.kind,
      metadata: { name: "sidegate" },
      webhooks: [],
    };
    await api.create(resource, object).catch((fault: unknown) => {
      if (!isKubeFault(fault, 409)) throw fault;
    });
  }
};

/** An operator with its own state. */
export const operatorOf = (
  api: KubeApi,
  pod: string,
  { state = new MemoryState(systemClock), more = {} }: { readonly state?: MemoryState; readonly more?: object } = {},
): { readonly operator: Operator; readonly state: MemoryState } => {
  const operator = new Operator({
    settings: settingsOf(pod, more),
    api,
    openState: () => state,
    sidecarRedis: { sidecarRedisUrl: "redis://redis:6379", users: "Managed" },
    log: silentLog(),
  });
  return { operator, state };
};

/** A route for one service account, with the key of a Secret. */
export const routeOf = (namespace: string, name: string, account: string, more: object = {}): KubeObject => ({
  apiVersion: "sidegate.dev/v1alpha1",
  kind: "AIRoute",
  metadata: { name, namespace },
  spec: {
    parentRefs: [{ name: account }],
    backends: [
      { name: "openai", type: "OpenAI", credentials: [{ type: "Secret", secretRef: { name: "openai", key: "key" } }] },
    ],
    rules: [
      {
        name: "chat",
        matches: [{ models: [{ type: "Exact", value: "gpt-4o" }] }],
        backendRefs: [{ name: "openai" }],
        ...more,
      },
    ],
  },
});

/** The credential Secret that routes of these tests use. */
export const credentialOf = (namespace: string, value: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "openai", namespace, labels: { "sidegate.dev/credential": "true" } },
  data: { key: Buffer.from(value).toString("base64") },
});

/** An injected pod as an API object: never scheduled, so that nothing collects it. */
export const podOf = (namespace: string, name: string, account: string, annotations: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name,
    namespace,
    labels: { "sidegate.dev/injected": "true", "sidegate.dev/contract": "2" },
    annotations: { "sidegate.dev/injection-digest": injectionDigest(settingsOf("any").injection), ...annotations },
  },
  spec: { serviceAccountName: account, schedulerName: "none", containers: [{ name: "app", image: "app:test" }] },
});

/** Makes the pod look Running and Ready, as a kubelet would. */
export const makeLive = (api: KubeApi, namespace: string, name: string): Promise<KubeObject> =>
  api.mergePatch(
    resources.pods,
    { namespace, name },
    { status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] } },
    { subresource: "status" },
  );

/** Waits until `look` answers something; throws with what it said last. */
export const until = async <T>(what: string, look: () => Promise<T | undefined | false>, ms = 15_000): Promise<T> => {
  const endMs = performance.now() + ms;
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
    } catch (fault) {
      last = fault;
    }
    if (performance.now() > endMs) throw new Error(`not in time: ${what}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
};
