/** The webhook server of this process, called by a real API server: configurations as the chart renders them, for namespaces of one test file. */
import { randomBytes } from "node:crypto";
import { request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { inject } from "../../src/inject/inject.ts";
import { injectionSettingsSchema } from "../../src/inject/settings.ts";
import { createKubeApi, type KubeClient } from "../../src/kube/client.ts";
import { kubeconfigConnection } from "../../src/kube/connection.ts";
import { type KubeObject, resources } from "../../src/kube/port.ts";
import type { KeyPair } from "../../src/operator/webhook/certificate.ts";
import {
  type CertificateEvent,
  type CertificateKeeper,
  createCertificateKeeper,
} from "../../src/operator/webhook/keeper.ts";
import { type CertificateLoader, createCertificateLoader } from "../../src/operator/webhook/loader.ts";
import { createMutateHandler } from "../../src/operator/webhook/mutate.ts";
import { type RotationTimings, rotationTimings } from "../../src/operator/webhook/rotation.ts";
import { startWebhookServer, type WebhookServer } from "../../src/operator/webhook/server.ts";
import { createValidateHandler } from "../../src/operator/webhook/validate.ts";
import { objectIn, objectsOf, template } from "./chart.ts";
import { type ApiServerAccess, ask } from "./harness.ts";
import { type Held, HeldView } from "./webhook-view.ts";

const readyMs = 20_000;

/** An answer of the API server with its warnings. */
export interface Told {
  readonly status: number;
  readonly body: { readonly message?: string; readonly reason?: string; readonly code?: number } & Record<
    string,
    unknown
  >;
  readonly warnings: readonly string[];
}

/** What a test works with. */
export interface Stage {
  readonly api: KubeClient;
  readonly server: WebhookServer;
  readonly keeper: CertificateKeeper;
  readonly loader: CertificateLoader;
  readonly events: readonly CertificateEvent[];
  /** `mutate patched Injected`, one entry for each admission. */
  readonly admitted: readonly string[];
  /** What the handlers know; tests change it. */
  readonly held: Held;
  /** Namespace whose pods, routes and quotas are judged. */
  readonly namespace: string;
  /** Namespace of the certificates, and name of the configurations. */
  readonly operator: string;
  /** One request as system:masters, warnings included. */
  send(method: string, path: string, body?: unknown, contentType?: string): Promise<Told>;
  /** Applies the configurations anew, as `helm upgrade` does (server-side apply by another manager). */
  install(): Promise<void>;
  /** Another server beside it, which the configurations name from now on; the old one is the caller's to stop. */
  replaceServer(): Promise<WebhookServer>;
  stop(): Promise<void>;
}

/** Servers of this process, one behind the other; all of them take each certificate. */
class Servers {
  readonly all: WebhookServer[] = [];
  readonly admitted: string[] = [];
  readonly held = new HeldView();

  async listen(pair?: KeyPair): Promise<WebhookServer> {
    const settings = injectionSettingsSchema.parse({ image: "sidegate:test" });
    const server = await startWebhookServer({
      host: "127.0.0.1",
      port: 0,
      handlers: {
        mutate: createMutateHandler({ inject, settings, view: this.held }),
        validate: createValidateHandler({ view: this.held }),
      },
      metrics: { admitted: (webhook, result, reason) => this.admitted.push(`${webhook} ${result} ${reason}`) },
      log: silentLog(),
      limits: { endpointsMs: 1_000 },
    });
    if (pair) server.setCertificate(pair);
    this.all.push(server);
    return server;
  }

  /** Where the configurations point to. */
  get port(): number {
    return this.all.at(-1)?.port ?? 0;
  }
}

/** Applies the configurations as another field manager than the operator. */
const apply = async (access: ApiServerAccess, rendered: readonly KubeObject[]): Promise<void> => {
  for (const configuration of rendered) {
    const plural = `${String(configuration.kind).toLowerCase()}s`;
    const path = `/apis/admissionregistration.k8s.io/v1/${plural}/${configuration.metadata.name}?fieldManager=helm&force=true`;
    const { status, body } = await ask(access, "PATCH", path, configuration, "application/apply-patch+yaml");
    if (status > 201) throw new Error(JSON.stringify(body));
  }
};

/** Makes the namespaces, starts the server and its certificates, applies the configurations, and waits until they are in force. */
export const startStage = async (access: ApiServerAccess, timings: Partial<RotationTimings> = {}): Promise<Stage> => {
  const id = randomBytes(3).toString("hex");
  const [namespace, operator] = [`hook-${id}`, `hook-op-${id}`];
  const api = createKubeApi(await kubeconfigConnection({ file: access.kubeconfig }));
  const events: CertificateEvent[] = [];
  const servers = new Servers();
  const server = await servers.listen();
  const names = { service: "hook", mutating: operator, validating: operator, secret: "hook-tls" };
  const common = { api, clock: systemClock, log: silentLog() };
  const loader = createCertificateLoader({
    ...common,
    ref: { namespace: operator, name: names.secret },
    onCertificate: (pair) => {
      for (const each of servers.all) each.setCertificate(pair);
    },
    everyMs: 200,
  });
  const keeper = createCertificateKeeper({
    ...{ ...common, namespace: operator, webhook: { ...names, certificates: "Own" }, dnsNames: ["localhost"] },
    onEvent: (event) => events.push(event),
    loaded: () => loader.loaded,
    timings: { ...rotationTimings, ...timings },
  });
  const install = async (): Promise<void> => apply(access, await configurations(operator, namespace, servers.port));
  const { admitted, held } = servers;
  const stage: Stage = {
    ...{ api, server, keeper, loader, events, admitted, held, namespace, operator, install },
    send: (method, path, body, contentType) => send(access, { method, path, body, contentType }),
    replaceServer: async () => {
      const next = await servers.listen(loader.loaded);
      await install();
      return next;
    },
    stop: async () => {
      for (const resource of [resources.mutatingWebhookConfigurations, resources.validatingWebhookConfigurations])
        await api.delete(resource, { name: operator });
      loader.stop();
      await Promise.all(servers.all.map((each) => each.stop()));
      api.close();
    },
  };
  for (const name of [namespace, operator])
    await api.create(resources.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  await install();
  await keeper.reconcile();
  await loader.start();
  await untilInForce(stage);
  return stage;
};

/** The chart's own, but for where they point to and which namespaces they cover: other files use the same API server. */
const configurations = async (name: string, namespace: string, port: number): Promise<readonly KubeObject[]> => {
  const text = await template("--set", "redis.embedded.enabled=true", "-s", "templates/webhooks.yaml");
  return ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"].map((kind) => {
    const rendered = objectIn(objectsOf(text), kind, "sidegate");
    const webhooks = rendered["webhooks"] as { clientConfig: { service: { path: string } } }[]; // the chart's
    return {
      ...rendered,
      metadata: { name },
      webhooks: webhooks.map(({ clientConfig, ...rest }) => ({
        ...rest,
        clientConfig: { url: `https://localhost:${port}${clientConfig.service.path}` },
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
      })),
    };
  });
};

/** A pod that the API server takes as it is. */
export const podOf = (name: string, annotations: Readonly<Record<string, string>> = {}, spec: object = {}): object => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, annotations },
  spec: { containers: [{ name: "app", image: "app" }], ...spec },
});

/** The annotation that opts in. */
export const annotated = { "sidegate.dev/inject": "true" };

const untilInForce = async ({ send: ask, namespace }: Stage): Promise<void> => {
  const endsAtMs = performance.now() + readyMs;
  const path = `/api/v1/namespaces/${namespace}/pods?dryRun=All`;
  for (;;) {
    const { body, status } = await ask("POST", path, podOf("probe", annotated));
    if (status === 201 && JSON.stringify(body).includes("sidegate:test")) break;
    if (performance.now() > endsAtMs) throw new Error(`no injection: ${JSON.stringify(body)}`);
    await sleep(50);
  }
  for (;;) {
    const quota = {
      apiVersion: "sidegate.dev/v1alpha1",
      kind: "AIQuota",
      metadata: { name: "probe" },
      spec: probeSpec,
    };
    const { body } = await ask(
      "POST",
      `/apis/sidegate.dev/v1alpha1/namespaces/${namespace}/aiquotas?dryRun=All`,
      quota,
    );
    if (JSON.stringify(body).includes("validate.sidegate.dev")) return;
    if (performance.now() > endsAtMs) throw new Error(`no validation: ${JSON.stringify(body)}`);
    await sleep(50);
  }
};

/** The schema takes it, the webhook does not. */
const probeSpec = {
  targetRefs: [{ group: "", kind: "Namespace", name: "elsewhere" }],
  limits: [{ name: "l", resource: "Concurrency", limit: 1 }],
};

const send = (
  access: ApiServerAccess,
  {
    method,
    path,
    body,
    contentType = "application/json",
  }: { method: string; path: string; body?: unknown; contentType?: string | undefined },
): Promise<Told> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${access.token}`, "content-type": contentType };
    const sent = request(new URL(path, access.url), { method, ca: access.ca, agent: false, headers }, (answer) => {
      let text = "";
      answer.on("data", (chunk) => {
        text += String(chunk);
      });
      const raw = answer.headersDistinct["warning"] ?? [];
      const warnings = raw.flatMap((line) =>
        [...line.matchAll(/299 - "((?:[^"\\]|\\.)*)"/g)].map(([, said = ""]) => said),
      );
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body: JSON.parse(text), warnings }));
    });
    sent.on("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
