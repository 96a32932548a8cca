/** What the checks look at: each thing is read once, whichever check asks first. */

import { type KubeApi, KubeFault, type KubeObject, type Resource, resources, type Selection } from "../../kube/port.ts";
import { type OperatorFile, operatorFileSchema } from "../../operator/settings.ts";
import { listAt, memberAt, textAt } from "./members.ts";
import { directReadyPage, proxiedReadyPage, type ReadyLine, readyLines } from "./readyz.ts";

/** Pods, routes and Secrets that are looked at, at most; more are told as left out. */
const objectsMax = 50_000;
const pageSize = 500;

/** Labels of the operator's Deployment and pods, as the chart sets them. */
export const operatorSelector = "app.kubernetes.io/name=sidegate,app.kubernetes.io/component=operator";

/** How to look. */
export interface ClusterOptions {
  readonly api: KubeApi;
  /** The operator's namespace. */
  readonly namespace: string;
  /** Version of this command. */
  readonly release: string;
  readonly nowMs: () => number;
  /** This process runs in a pod of the cluster and may reach others. */
  readonly isInCluster: boolean;
  /** Text of operator.json where it is mounted; absent: it is read from the ConfigMap. */
  readonly settingsText?: string | undefined;
}

/** The operator's settings, or why they are not known. */
export type KnownSettings = { readonly file: OperatorFile } | { readonly unknown: string };

/** One operator pod with its readiness page. */
export interface OperatorPod {
  readonly name: string;
  readonly lines: readonly ReadyLine[];
}

/** The cluster, read lazily. Every method throws KubeFault. */
export class Cluster {
  readonly api: KubeApi;
  readonly namespace: string;
  readonly release: string;
  readonly nowMs: () => number;
  readonly isInCluster: boolean;
  readonly #settingsText: string | undefined;
  readonly #memo = new Map<string, Promise<unknown>>();

  constructor({ api, namespace, release, nowMs, isInCluster, settingsText }: ClusterOptions) {
    this.api = api;
    this.namespace = namespace;
    this.release = release;
    this.nowMs = nowMs;
    this.isInCluster = isInCluster;
    this.#settingsText = settingsText;
  }

  /** The operator's Deployment; undefined: there is none in this namespace. */
  deployment(): Promise<KubeObject | undefined> {
    return this.#once("deployment", async () => {
      const selection = { namespace: this.namespace, labelSelector: operatorSelector };
      return (await this.api.list(resources.deployments, selection)).items[0];
    });
  }

  /** The operator's settings, from the ConfigMap that its Deployment mounts. */
  settings(): Promise<KnownSettings> {
    return this.#once("settings", async () => {
      if (this.#settingsText !== undefined) return parseSettings("the mounted one", this.#settingsText);
      const deployment = await this.deployment();
      if (!deployment) return { unknown: "there is no operator" };
      const volumes = listAt(deployment, "spec", "template", "spec", "volumes");
      const name = volumes.map((volume) => textAt(volume, "configMap", "name")).find((found) => found !== "");
      if (name === undefined) return { unknown: "the operator's Deployment mounts no ConfigMap" };
      const map = await this.api.get(resources.configMaps, { namespace: this.namespace, name });
      return parseSettings(name, textAt(map, "data", "operator.json"));
    });
  }

  /** The settings where they are known; without right or Deployment what the chart installs by default. */
  async settingsOrDefaults(): Promise<OperatorFile> {
    const known = await this.settings().catch((fault: unknown): KnownSettings => {
      if (fault instanceof KubeFault) return { unknown: fault.message };
      throw fault;
    });
    return "file" in known ? known.file : operatorFileSchema.parse({ injection: { image: "sidegate" } });
  }

  /** The operator's running pods, each with its readiness page. */
  operatorPods(): Promise<readonly OperatorPod[]> {
    return this.#once("operator-pods", async () => {
      const { adminPort } = await this.settingsOrDefaults();
      const page = this.isInCluster ? directReadyPage(adminPort) : proxiedReadyPage(this.api, adminPort);
      const { items } = await this.api.list(resources.pods, {
        namespace: this.namespace,
        labelSelector: operatorSelector,
      });
      const running = items.filter(
        (pod) => textAt(pod, "status", "phase") === "Running" && pod.metadata.deletionTimestamp === undefined,
      );
      return Promise.all(
        running.map(async (pod) => {
          const { name } = pod.metadata;
          const text = await page({ namespace: this.namespace, name, ip: textAt(pod, "status", "podIP") });
          return { name, lines: readyLines(text) };
        }),
      );
    });
  }

  /** Every object of a kind in the namespaces that the operator watches. */
  all(resource: Resource, selection: Omit<Selection, "namespace"> = {}): Promise<readonly KubeObject[]> {
    return this.#once(`${resource.plural} ${JSON.stringify(selection)}`, async () => {
      const { watchNamespaces } = await this.settingsOrDefaults();
      const found: KubeObject[] = [];
      for (const namespace of watchNamespaces.length > 0 ? watchNamespaces : [undefined]) {
        let next: string | undefined;
        do {
          const page = await this.api.list(resource, { ...selection, namespace }, { limit: pageSize, continue: next });
          found.push(...page.items);
          next = page.continue;
        } while (next !== undefined && found.length < objectsMax);
      }
      return found;
    });
  }

  #once<Value>(key: string, read: () => Promise<Value>): Promise<Value> {
    const known = this.#memo.get(key);
    if (known !== undefined) return known as Promise<Value>; // one key, one type
    const reading = read();
    this.#memo.set(key, reading);
    return reading;
  }
}

const parseSettings = (name: string, text: string): KnownSettings => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { unknown: `ConfigMap ${name} holds no operator.json that is JSON` };
  }
  const parsed = operatorFileSchema.safeParse(value);
  if (parsed.success) return { file: parsed.data };
  const [issue] = parsed.error.issues;
  return { unknown: `ConfigMap ${name}: operator.json: ${issue?.path.join(".")}: ${issue?.message}` };
};

/** `NAMESPACE/NAME` of an object. */
export const nameOf = ({ metadata }: KubeObject): string =>
  metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;

/** Members of the object's spec. */
export const specOf = (object: KubeObject): unknown => memberAt(object, "spec");
