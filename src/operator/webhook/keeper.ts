/** Keeps the Secret with the webhook's certificates and the caBundle of both webhook configurations. Only the leader calls it. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { canonicalJson } from "../../config/canonical.ts";
import { isKubeFault, type KubeApi, type KubeObject, type Resource, resources } from "../../kube/port.ts";
import { type KeyPair, makeAuthority, makeServing, readCertificate, splitBundle, validity } from "./certificate.ts";
import { secretFromState, servingFromSecret, stateFromSecret } from "./certificate-secret.ts";
import {
  type CertificateState,
  type Mint,
  nextStepAtMs,
  planRotation,
  type RotationTimings,
  rotationTimings,
  wantedBundle,
} from "./rotation.ts";

/** How long at most until `reconcile` should run again, ms: what is broken by hand is repaired within it. */
const reconcileMsMax = 30_000;
const reconcileMsMin = 250;
/** In CertManager mode: how long before the end of the serving certificate the operator warns, ms. */
const expiryWarningMs = 7 * 86_400_000;

/** What the keeper did or cannot do, for an Event and a metric; the note holds no key. */
export interface CertificateEvent {
  readonly type: "Normal" | "Warning";
  readonly reason:
    | "CertificateRotated"
    | "CABundleRepaired"
    | "WebhookConfigurationMissing"
    | "CertificateMissing"
    | "CertificateExpiring";
  /** What it is about. */
  readonly regarding: { readonly resource: Resource; readonly namespace?: string | undefined; readonly name: string };
  readonly note: string;
}

/** What the keeper works with. */
export interface KeeperOptions {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Log;
  /** The operator's namespace. */
  readonly namespace: string;
  readonly webhook: {
    readonly service: string;
    readonly mutating: string;
    readonly validating: string;
    readonly secret: string;
    readonly certificates: "Own" | "CertManager";
  };
  readonly onEvent: (event: CertificateEvent) => void;
  /** The pair that this replica serves: it outlives a Secret that was deleted. Absent: none. */
  readonly loaded?: () => KeyPair | undefined;
  /** Default: SERVICE.NAMESPACE.svc and SERVICE.NAMESPACE.svc.cluster.local. */
  readonly dnsNames?: readonly string[];
  readonly timings?: RotationTimings;
  readonly mint?: Mint;
}

/** The keeper. */
export interface CertificateKeeper {
  /** One step; idempotent, writes only what differs. Answers after how many ms it should run again. Throws KubeFault. */
  reconcile(): Promise<number>;
}

/** Makes a keeper; nothing runs until `reconcile` is called. */
export const createCertificateKeeper = (options: KeeperOptions): CertificateKeeper => {
  const { namespace, webhook } = options;
  const keeper = new Keeper(options, {
    dnsNames: [`${webhook.service}.${namespace}.svc`, `${webhook.service}.${namespace}.svc.cluster.local`],
    timings: rotationTimings,
    mint: { authority: makeAuthority, serving: makeServing },
    ...(options.dnsNames && { dnsNames: options.dnsNames }),
    ...(options.timings && { timings: options.timings }),
    ...(options.mint && { mint: options.mint }),
  });
  return { reconcile: () => (webhook.certificates === "Own" ? keeper.reconcile() : keeper.inspect()) };
};

interface Fixed {
  readonly dnsNames: readonly string[];
  readonly timings: RotationTimings;
  readonly mint: Mint;
}

class Keeper {
  readonly #options: KeeperOptions;
  readonly #fixed: Fixed;
  /** What was told last, so that it is told once. */
  readonly #told = new Set<string>();

  constructor(options: KeeperOptions, fixed: Fixed) {
    this.#options = options;
    this.#fixed = fixed;
  }

  async reconcile(): Promise<number> {
    const secret = await this.#secret();
    const configurations = await this.#configurations();
    const first = this.#plan(secret, configurations);
    const written = await this.#write(secret, first.state);
    for (const note of first.changes) this.#tell("Normal", "CertificateRotated", note);
    const bundled = await this.#announce(configurations, first.state);
    // The second look sees the bundles just written: it notes the time from which the new authority is trusted.
    const second = this.#plan(written, bundled);
    await this.#write(written, second.state);
    for (const note of second.changes) this.#tell("Normal", "CertificateRotated", note);
    await this.#announce(bundled, second.state);
    const nextMs = (nextStepAtMs(second.state, this.#fixed.timings) ?? Infinity) - this.#options.clock.nowMs();
    return Math.min(Math.max(nextMs, reconcileMsMin), reconcileMsMax);
  }

  /** CertManager: nothing is written; what is missing is told. */
  async inspect(): Promise<number> {
    const serving = servingFromSecret(await this.#secret());
    const certificate = serving && readCertificate(serving.certPem);
    if (!certificate) {
      const note = "has no tls.crt and tls.key yet; is the cert-manager Certificate ready?";
      this.#tellOnce("CertificateMissing", note);
    } else if (validity(certificate).toMs - this.#options.clock.nowMs() < expiryWarningMs) {
      const until = certificate.validToDate.toISOString();
      this.#tellOnce(
        "CertificateExpiring",
        `its certificate is valid until ${until}; why does cert-manager not renew it?`,
      );
    }
    return reconcileMsMax;
  }

  #plan(secret: KubeObject | undefined, configurations: readonly Configuration[]) {
    const stored = stateFromSecret(secret);
    const state = { ...stored, serving: stored.serving ?? this.#options.loaded?.() };
    const bundles = configurations.flatMap(({ object }) =>
      webhooksOf(object).map(({ caBundle }) => splitBundle(Buffer.from(caBundle, "base64").toString("latin1"))),
    );
    return planRotation(state, { nowMs: this.#options.clock.nowMs(), bundles, ...this.#fixed });
  }

  async #secret(): Promise<KubeObject | undefined> {
    const { api, namespace, webhook } = this.#options;
    try {
      return await api.get(resources.secrets, { namespace, name: webhook.secret });
    } catch (fault) {
      if (isKubeFault(fault, 404)) return undefined;
      throw fault;
    }
  }

  /** Conditional: of two leaders one gets a 409 and begins anew with what the other wrote. */
  async #write(current: KubeObject | undefined, state: CertificateState): Promise<KubeObject> {
    const { api, namespace, webhook } = this.#options;
    const wanted = secretFromState({ namespace, name: webhook.secret }, state, current);
    if (!current) return api.create(resources.secrets, wanted);
    return contentOf(wanted) === contentOf(current) ? current : api.replace(resources.secrets, wanted);
  }

  async #configurations(): Promise<readonly Configuration[]> {
    const { api, webhook } = this.#options;
    const found: Configuration[] = [];
    for (const [resource, name] of [
      [resources.mutatingWebhookConfigurations, webhook.mutating],
      [resources.validatingWebhookConfigurations, webhook.validating],
    ] as const) {
      try {
        found.push({ resource, name, object: await api.get(resource, { name }) });
        this.#told.delete(`WebhookConfigurationMissing ${resource.kind} ${name}`);
      } catch (fault) {
        if (!isKubeFault(fault, 404)) throw fault;
        const note = "does not exist: the API server does not call the webhook; run helm upgrade";
        this.#tellOnce("WebhookConfigurationMissing", note, { resource, name });
      }
    }
    return found;
  }

  /** Server-side apply of the caBundle alone: whoever applied the rest keeps it, and a later helm upgrade leaves ours. */
  async #announce(
    configurations: readonly Configuration[],
    state: CertificateState,
  ): Promise<readonly Configuration[]> {
    const bundle = Buffer.from(wantedBundle(state).join("")).toString("base64");
    const written: Configuration[] = [];
    for (const configuration of configurations) {
      const { resource, name, object } = configuration;
      const webhooks = webhooksOf(object);
      if (webhooks.every(({ caBundle }) => caBundle === bundle)) {
        written.push(configuration);
        continue;
      }
      const applied = await this.#options.api.apply(resource, {
        apiVersion: `${resource.group}/${resource.version}`,
        kind: resource.kind,
        metadata: { name, ...resourceVersionOf(object) },
        webhooks: webhooks.map(({ name: webhookName }) => ({ name: webhookName, clientConfig: { caBundle: bundle } })),
      });
      written.push({ resource, name, object: applied });
      this.#tell("Normal", "CABundleRepaired", "wrote the caBundle", { resource, name });
    }
    return written;
  }

  #tellOnce(reason: CertificateEvent["reason"], note: string, regarding?: CertificateEvent["regarding"]): void {
    const key = `${reason} ${regarding?.resource.kind ?? "Secret"} ${regarding?.name ?? ""}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#tell("Warning", reason, note, regarding);
  }

  #tell(
    type: CertificateEvent["type"],
    reason: CertificateEvent["reason"],
    note: string,
    regarding: CertificateEvent["regarding"] = {
      resource: resources.secrets,
      namespace: this.#options.namespace,
      name: this.#options.webhook.secret,
    },
  ): void {
    const { log, onEvent } = this.#options;
    log[type === "Normal" ? "info" : "warn"](
      { reason, kind: regarding.resource.kind, name: regarding.name, note },
      "webhook certificates",
    );
    onEvent({ type, reason, regarding, note });
  }
}

interface Configuration {
  readonly resource: Resource;
  readonly name: string;
  readonly object: KubeObject;
}

const resourceVersionOf = ({ metadata: { resourceVersion } }: KubeObject): { resourceVersion?: string } =>
  resourceVersion === undefined ? {} : { resourceVersion };

/** What the operator owns of a Secret, to see whether it must be written. */
const contentOf = ({ metadata, ...object }: KubeObject): string =>
  canonicalJson({ annotations: metadata.annotations ?? {}, data: object["data"] ?? {} });

/** Name and caBundle (base64, "" where there is none) of each webhook of a configuration. */
const webhooksOf = (configuration: KubeObject): readonly { readonly name: string; readonly caBundle: string }[] => {
  const { webhooks } = configuration;
  if (!Array.isArray(webhooks)) return [];
  return webhooks.map((webhook: { name?: unknown; clientConfig?: { caBundle?: unknown } }) => ({
    name: String(webhook.name),
    caBundle: typeof webhook.clientConfig?.caBundle === "string" ? webhook.clientConfig.caBundle : "",
  }));
};
