/** The fake provider as a Deployment with a Service, and its control surface. */
import type { Behaviour } from "../../../src/fakeprovider/knobs.ts";
import type { RecordedRequest } from "../../../src/fakeprovider/recorder.ts";
import type { FederationOptions } from "../../../src/fakeprovider/token-endpoints.ts";
import { images } from "./cluster.ts";
import { apply, type KubeObject, waitFor } from "./kubectl.ts";
import { restrictedContainer, restrictedPod } from "./pod-security.ts";
import { callService, type ServicePort } from "./service-call.ts";
import { until } from "./until.ts";

/** A request as the provider recorded it. */
export type ProviderRequest = Omit<RecordedRequest, "body"> & { readonly body: string };

/** A provider in the cluster. Plain http: a route to it needs `insecure: true`. */
export interface ClusterProvider {
  /** `http://fakeprovider.NAMESPACE.svc.cluster.local:8080`, for `endpoint`; OpenAI's base URL is this and `/v1`. */
  readonly url: string;
  readonly service: ServicePort;
  /** The last 10 000 requests, oldest first. */
  requests(): Promise<readonly ProviderRequest[]>;
  /** The next requests take these behaviours, in order (see src/fakeprovider/knobs.ts). */
  script(...steps: readonly (Behaviour | string)[]): Promise<void>;
  /** Forgets requests and script. */
  reset(): Promise<void>;
  /** Accepts these keys from now on, and no others; exchanged tokens go on. */
  acceptKeys(keys: readonly string[]): Promise<void>;
  /** Token endpoints take this behaviour; undefined: no more. */
  behaveAtExchange(behaviour: Behaviour | string | undefined): Promise<void>;
  /** Who may exchange tokens from now on; before, anybody. */
  federate(options: FederationOptions): Promise<void>;
}

const port = 8080;

const manifests = (namespace: string, name: string, keys: readonly string[]): readonly KubeObject[] => [
  {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          ...restrictedPod,
          containers: [
            {
              name: "provider",
              image: images.fakeProvider,
              args: [
                ...["node", "/app/fakeprovider.mjs", "--host", "0.0.0.0", "--port", String(port)],
                ...keys.flatMap((key) => ["--key", key]),
              ],
              // Only its start matters: a busy machine must not take it out of its Service for a second.
              readinessProbe: { httpGet: { path: "/_fake/state", port }, periodSeconds: 1, failureThreshold: 60 },
              ...restrictedContainer,
            },
          ],
        },
      },
    },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ port, targetPort: port }] },
  },
];

/** Starts one in a namespace and waits until it answers. `keys`: those it accepts; absent: any but `bad-key`. */
export const startProvider = async (
  namespace: string,
  { name = "fakeprovider", keys = [] }: { readonly name?: string; readonly keys?: readonly string[] } = {},
): Promise<ClusterProvider> => {
  await apply(manifests(namespace, name, keys));
  await waitFor(`deployment/${name}`, "condition=Available", namespace);
  const service = { namespace, name, port };
  const order = async (path: string, value: unknown): Promise<void> => {
    await callService(service, "POST", path, JSON.stringify(value));
  };
  // The Service's rules follow the pod's readiness by up to a second or two.
  await until("the fake provider's Service answers", () => callService(service, "GET", "/_fake/state"));
  return {
    url: `http://${name}.${namespace}.svc.cluster.local:${port}`,
    service,
    requests: async () => JSON.parse(await callService(service, "GET", "/_fake/requests")) as ProviderRequest[], // our own code's answer
    script: async (...steps) => await order("/_fake/script", steps),
    acceptKeys: async (accepted) => await order("/_fake/keys", accepted),
    behaveAtExchange: async (behaviour) => await order("/_fake/exchange", behaviour ?? null),
    federate: async (options) => await order("/_fake/federation", options),
    reset: async () => {
      await callService(service, "DELETE", "/_fake/requests");
    },
  };
};
