/** Admission in one piece: the HTTPS server, the certificate that every replica loads, and the keeper that the leader runs. */
import { networkInterfaces } from "node:os";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { inject } from "../inject/inject.ts";
import type { EventRecorder } from "../kube/events.ts";
import { type KubeApi, resources } from "../kube/port.ts";
import type { ResourceView } from "./ports.ts";
import type { OperatorSettings } from "./settings.ts";
import { type CertificateEvent, createCertificateKeeper } from "./webhook/keeper.ts";
import { createCertificateLoader } from "./webhook/loader.ts";
import { createMutateHandler } from "./webhook/mutate.ts";
import { startWebhookServer } from "./webhook/server.ts";
import { createValidateHandler } from "./webhook/validate.ts";

/** What it needs. `fenced`: writes only while this replica leads. */
export interface AdmissionOptions {
  readonly api: KubeApi;
  readonly fenced: KubeApi;
  readonly settings: OperatorSettings;
  readonly view: ResourceView;
  readonly events: EventRecorder;
  readonly admitted: (webhook: string, result: string, reason: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Admission that is served. */
export interface Admission {
  readonly port: number;
  /** Why no admission can be answered; undefined: it can. */
  unready(): string | undefined;
  /** End of the served certificate, ms since the epoch. */
  certificateExpiresAtMs(): number | undefined;
  /** The leader's duty; answers after how many ms it is due again. */
  keepCertificates(): Promise<number>;
  stop(): Promise<void>;
}

/** Listens; handshakes fail until the first certificate is there. */
export async function startAdmission(options: AdmissionOptions): Promise<Admission> {
  const { api, fenced, settings, view, events, clock, log } = options;
  const { namespace, webhook } = settings;
  const { tokenAudiences, tokenHosts } = settings.injection;
  const server = await startWebhookServer({
    host: anyAddress(),
    port: webhook.port,
    handlers: {
      mutate: createMutateHandler({ inject, settings: settings.injection, view }),
      validate: createValidateHandler({ view, tokenAudiences, tokenHosts, nowMs: () => clock.nowMs() }),
    },
    metrics: { admitted: (name, result, reason) => options.admitted(name, result, reason) },
    log,
  });
  const loader = createCertificateLoader({
    api,
    clock,
    log,
    ref: { namespace, name: webhook.secret },
    onCertificate: (pair) => server.setCertificate(pair),
  });
  const keeper = createCertificateKeeper({
    api: fenced,
    clock,
    log,
    namespace,
    webhook,
    onEvent: (event) => tell(events, event, settings),
    loaded: () => loader.loaded,
  });
  await loader.start();
  return {
    port: server.port,
    unready: () => server.unready(),
    certificateExpiresAtMs: () => loader.expiresAtMs,
    keepCertificates: async () => {
      const afterMs = await keeper.reconcile();
      await loader.load(); // what was made just now is served at once
      return afterMs;
    },
    stop: async () => {
      await server.stop();
      loader.stop();
    },
  };
}

/** Both families where the node has IPv6, else IPv4 alone. */
const anyAddress = (): string => {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.some(({ family }) => family === "IPv6") ? "::" : "0.0.0.0";
};

/** An Event about a cluster-scoped object lies in `default`, where an operator of some namespaces may not write: it is then told of its Secret. */
const tell = (
  events: EventRecorder,
  { type, reason, regarding, note }: CertificateEvent,
  { namespace: own, webhook, watchNamespaces }: OperatorSettings,
): void => {
  const isOutside = regarding.namespace === undefined && watchNamespaces.length > 0;
  const told = isOutside ? { resource: resources.secrets, namespace: own, name: webhook.secret } : regarding;
  const { resource, namespace, name } = told;
  const apiVersion = resource.group ? `${resource.group}/${resource.version}` : resource.version;
  const message = isOutside ? `${regarding.resource.kind} ${regarding.name}: ${note}` : note;
  events.record({ apiVersion, kind: resource.kind, namespace, name }, { type, reason, message });
};
