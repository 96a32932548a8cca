/** Many routes with many injected pods, as API objects. */
import { inject } from "../../../src/inject/inject.ts";
import { configSecretName } from "../../../src/inject/workload.ts";
import { isKubeFault, type KubeApi, type KubeObject, resources } from "../../../src/kube/port.ts";
import { processInjection } from "./process.ts";
import { makeNamespace, routeOf } from "./stage.ts";

/** How many of each; pods are so many for each route. */
export interface Crowd {
  readonly namespaces: number;
  readonly routes: number;
  readonly podsPerRoute: number;
}

/** A route of the crowd, and what is called like it: its service account and its credential. */
export interface Place {
  readonly namespace: string;
  readonly name: string;
}

const requestsAtOnce = 24;

/** Does it for each, some at once. */
export const forEachOf = async <T>(all: readonly T[], run: (one: T) => Promise<unknown>): Promise<void> => {
  const left = all.values();
  const worker = async (): Promise<void> => {
    for (const one of left) await run(one);
  };
  await Promise.all(Array.from({ length: requestsAtOnce }, worker));
};

/** Where the routes of a crowd lie: spread over its namespaces. */
export const placesOf = ({ namespaces, routes }: Crowd): readonly Place[] =>
  Array.from({ length: routes }, (_, index) => ({
    namespace: `crowd-${index % namespaces}`,
    name: `bot-${Math.floor(index / namespaces)}`,
  }));

/** The route of a place with the models that it lets through. */
export const crowdRoute = ({ namespace, name }: Place, ...models: readonly string[]): KubeObject => {
  const matches = [{ models: ["gpt-4o", ...models].map((value) => ({ type: "Exact", value })) }];
  const route = routeOf(namespace, name, name, { matches });
  return JSON.parse(JSON.stringify(route).replaceAll('"secretRef":{"name":"openai"', `"secretRef":{"name":"${name}"`));
};

/** The credential of a place. */
export const crowdCredential = ({ namespace, name }: Place, value: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, namespace, labels: { "sidegate.dev/credential": "true" } },
  data: { key: Buffer.from(value).toString("base64") },
});

/** A pod as the webhook makes it, nothing left out: that is what travels and what is parsed. */
export const crowdPod = ({ namespace, name }: Place, index: number): KubeObject => {
  const plain = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `${name}-${index}`, namespace, annotations: { "sidegate.dev/inject": "true" } },
    spec: { serviceAccountName: name, schedulerName: "none", containers: [{ name: "app", image: "app:test" }] },
  };
  const injection = inject(plain, { namespace, settings: processInjection });
  if (injection.kind !== "injected") throw new Error(`not injected: ${JSON.stringify(injection)}`);
  return injection.pod as unknown as KubeObject; // a pod
};

const unlessThere = (fault: unknown): void => {
  if (!isKubeFault(fault, 409)) throw fault;
};

/** Makes all of it but the pods. */
export const makeCrowd = async (api: KubeApi, crowd: Crowd): Promise<void> => {
  const places = placesOf(crowd);
  await forEachOf([...new Set(places.map(({ namespace }) => namespace))], (name) => makeNamespace(api, name));
  await forEachOf(places, async (place) => {
    const metadata = { name: place.name, namespace: place.namespace };
    const account = { apiVersion: "v1", kind: "ServiceAccount", metadata };
    await api.create(resources.serviceAccounts, account).catch(unlessThere);
    await api.create(resources.secrets, crowdCredential(place, "sk-first")).catch(unlessThere);
    await api.create(resources.airoutes, crowdRoute(place)).catch(unlessThere);
  });
};

/** Makes the pods, left unscheduled. */
export const makeCrowdPods = (api: KubeApi, crowd: Crowd): Promise<void> =>
  forEachOf(
    placesOf(crowd).flatMap((place) => Array.from({ length: crowd.podsPerRoute }, (_, index) => ({ place, index }))),
    ({ place, index }) => api.create(resources.pods, crowdPod(place, index)),
  );

/** The config Secret's name of a place. */
export const crowdSecretName = ({ namespace, name }: Place): string =>
  configSecretName({ namespace, serviceAccount: name });
