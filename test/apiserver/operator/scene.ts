/** A small world of its own on a shared API server: an operator's namespace, a watched one, and what must stand there in the end. */
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { configFileName, digestOf } from "../../../src/config/codec.ts";
import { contractVersion } from "../../../src/config/contract.ts";
import { isKubeFault, type KubeApi, type KubeObject, resources } from "../../../src/kube/port.ts";
import { Operator } from "../../../src/operator/operator.ts";
import { MemoryState } from "../../../src/operator/state/memory-state.ts";
import { credentialOf, makeNamespace, podOf, routeOf, settingsOf, until } from "./stage.ts";

/** The system's clock whose wall is off by `offsetMs`. */
export class MovedClock implements Clock {
  offsetMs: number;
  constructor(offsetMs = 0) {
    this.offsetMs = offsetMs;
  }
  nowMs(): number {
    return systemClock.nowMs() + this.offsetMs;
  }
  monotonicMs(): number {
    return systemClock.monotonicMs();
  }
}

/** What an operator of a scene is started with. */
export interface SceneOperatorOptions {
  readonly api?: KubeApi;
  readonly pod?: string;
  readonly clock?: Clock;
  readonly more?: object;
  readonly state?: MemoryState;
}

/** One such world. Its route is `support`, of the service account `bot`, with the pods bot-0 and bot-1 and the quota `monthly`. */
export class Scene {
  readonly system: string;
  readonly namespace: string;
  readonly #api: KubeApi;
  readonly #name: string;

  constructor(api: KubeApi, name: string) {
    this.#api = api;
    this.#name = name;
    this.system = `system-${name}`;
    this.namespace = `work-${name}`;
  }

  /** Namespaces, webhook configurations, a service account and a credential; no route yet. */
  async make(): Promise<void> {
    await makeNamespace(this.#api, this.system);
    await makeNamespace(this.#api, this.namespace);
    for (const resource of [resources.mutatingWebhookConfigurations, resources.validatingWebhookConfigurations]) {
      const { group, kind } = resource;
      const metadata = { name: `sidegate-${this.#name}` };
      await this.#api.create(resource, { apiVersion: `${group}/v1`, kind, metadata, webhooks: [] });
    }
    await this.account("bot");
    await this.key("sk-first");
  }

  /** A service account. */
  async account(name: string): Promise<void> {
    const metadata = { name, namespace: this.namespace };
    await this.#api.create(resources.serviceAccounts, { apiVersion: "v1", kind: "ServiceAccount", metadata });
  }

  /** Sets the credential. */
  async key(value: string): Promise<void> {
    await this.#api.apply(resources.secrets, credentialOf(this.namespace, value));
  }

  /** The route, its quota and its pods. */
  async fill(): Promise<void> {
    const { namespace } = this;
    await this.#api.apply(resources.airoutes, routeOf(namespace, "support", "bot"));
    await this.#api.apply(resources.aiquotas, {
      apiVersion: "sidegate.dev/v1alpha1",
      kind: "AIQuota",
      metadata: { name: "monthly", namespace },
      spec: {
        targetRefs: [{ group: "sidegate.dev", kind: "AIRoute", name: "support" }],
        limits: [{ name: "rpm", resource: "Requests", limit: 5, window: { type: "Sliding", duration: "1m" } }],
      },
    });
    for (const name of ["bot-0", "bot-1"]) await this.pod(name);
  }

  /** An injected pod of `bot`. */
  async pod(name: string, labels: object = {}): Promise<void> {
    const pod = podOf(this.namespace, name, "bot");
    await this.#api.create(resources.pods, {
      ...pod,
      metadata: { ...pod.metadata, labels: { ...pod.metadata.labels, ...labels } },
    });
  }

  /** An operator of this scene alone; not started. */
  operator({
    api = this.#api,
    pod = "one",
    clock = systemClock,
    more = {},
    state,
  }: SceneOperatorOptions = {}): Operator {
    const name = `sidegate-${this.#name}`;
    const settings = settingsOf(pod, {
      watchNamespaces: [this.namespace],
      webhook: { port: 0, mutating: name, validating: name },
      ...more,
    });
    return new Operator({
      settings: { ...settings, namespace: this.system },
      api,
      openState: () => state ?? new MemoryState(systemClock),
      sidecarRedis: { sidecarRedisUrl: "redis://redis:6379", users: "Managed" },
      log: silentLog(),
      clock,
    });
  }

  /** A leader that has ended is seen to have ended at once. */
  async endLease(): Promise<void> {
    await this.#api.delete(resources.leases, { namespace: this.system, name: "sidegate-operator" });
  }

  /** Config Secrets of the scene. */
  async secrets(): Promise<readonly KubeObject[]> {
    const labelSelector = "sidegate.dev/config=true";
    return (await this.#api.list(resources.secrets, { namespace: this.namespace, labelSelector })).items;
  }

  /** The pods of the scene. */
  async pods(): Promise<readonly KubeObject[]> {
    return (await this.#api.list(resources.pods, { namespace: this.namespace })).items;
  }

  /** Conditions of the route as `Type=Status/Reason`, sorted; none: it has no status, or is gone. */
  async conditions(): Promise<readonly string[]> {
    const ref = { namespace: this.namespace, name: "support" };
    const route = await this.#api.get(resources.airoutes, ref).catch((fault: unknown) => {
      if (isKubeFault(fault, 404)) return undefined;
      throw fault;
    });
    const { parents } = (route?.["status"] ?? {}) as {
      parents?: { conditions: { type: string; status: string; reason: string }[] }[];
    }; // our own status
    return (parents?.[0]?.conditions ?? []).map(({ type, status, reason }) => `${type}=${status}/${reason}`).sort();
  }

  /** What is wrong still; "": the one Secret is right in every byte that matters, so is each pod's digest, and so are the statuses. */
  async wrong(want: { readonly key?: string; readonly isServed?: boolean }): Promise<string> {
    const { key = "sk-first", isServed = true } = want;
    const [secret, ...others] = await this.secrets();
    if (!secret) return "no config Secret";
    if (others.length > 0) return `${others.length + 1} config Secrets`;
    const text = configText(secret);
    if (text.includes(`"value":"${key}"`) !== isServed) return "another key";
    if (text.includes('"noRouteReason"') === isServed) return "another route";
    if ("sidegate.dev/unused-since" in (secret.metadata.annotations ?? {})) return "marked as unused";
    const digest = digestOf(text);
    if (secret.metadata.annotations?.["sidegate.dev/config-digest"] !== digest) return "digest of the Secret";
    for (const { metadata } of await this.pods())
      if (metadata.annotations?.["sidegate.dev/config-digest"] !== digest) return `digest of ${metadata.name}`;
    const conditions = await this.conditions();
    const good = ["Accepted=True/Accepted", "Programmed=True/Programmed", "ResolvedRefs=True/ResolvedRefs"];
    return isServed && conditions.join() !== good.join() ? `conditions ${conditions.join()}` : "";
  }

  /** Waits until nothing is wrong. */
  async right(want: { readonly key?: string; readonly isServed?: boolean } = {}, ms = 15_000): Promise<void> {
    let wrong = "not looked at";
    await until(
      "right",
      async () => {
        wrong = await this.wrong(want);
        return wrong === "";
      },
      ms,
    ).catch((cause: unknown) => {
      throw new Error(`${this.#name}: ${wrong}`, { cause });
    });
  }
}

/** Text of the config in a config Secret; "": none. */
export const configText = (secret: KubeObject, version = contractVersion): string => {
  const data = secret["data"] as Readonly<Record<string, string>> | undefined; // a Secret's data
  return Buffer.from(data?.[configFileName(version)] ?? "", "base64").toString("utf8");
};

/** Versions of everything in the scene that an operator writes: equal before and after when nobody wrote. */
export const versionsIn = async (scene: Scene, api: KubeApi): Promise<string> => {
  const { namespace } = scene;
  const lists = await Promise.all([
    scene.secrets(),
    scene.pods(),
    ...[resources.airoutes, resources.aiquotas].map(async (each) => (await api.list(each, { namespace })).items),
  ]);
  return lists
    .flat()
    .map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`)
    .join(" ");
};
