/** Loads the serving certificate from its Secret, in every replica, and hands on each new one. What cannot be used never replaces what is. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { isKubeFault, type KubeApi, type KubeObject, resources } from "../../kube/port.ts";
import { fingerprint, isPair, type KeyPair, readCertificate, validity } from "./certificate.ts";
import { servingFromSecret } from "./certificate-secret.ts";

/** How often the Secret is read, ms. Far below rotationTimings.retireMs. */
export const loadEveryMs = 5_000;

/** What the loader works with. */
export interface LoaderOptions {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Log;
  readonly ref: { readonly namespace: string; readonly name: string };
  /** Called with each new pair. */
  readonly onCertificate: (pair: KeyPair) => void;
  /** ms between two reads; default loadEveryMs. */
  readonly everyMs?: number;
}

/** The loader. */
export interface CertificateLoader {
  /** What is served; undefined: nothing yet. */
  readonly loaded: KeyPair | undefined;
  /** End of the served certificate, ms since the epoch; undefined: none is served. For a metric. */
  readonly expiresAtMs: number | undefined;
  /** Why the last look brought no usable certificate; undefined: it did. Holds no key. */
  readonly fault: string | undefined;
  /** Reads the Secret now, or takes the one that a watch has brought. Never throws. */
  load(secret?: KubeObject): Promise<void>;
  /** Loads now and from then on; resolves after the first look. */
  start(): Promise<void>;
  /** No look begins any more. */
  stop(): void;
}

/** Makes a loader; nothing runs until `start` or `load`. */
export const createCertificateLoader = (options: LoaderOptions): CertificateLoader => new Loader(options);

class Loader implements CertificateLoader {
  readonly #options: LoaderOptions;
  #pair: KeyPair | undefined;
  #fault: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: LoaderOptions) {
    this.#options = options;
  }

  get loaded(): KeyPair | undefined {
    return this.#pair;
  }

  get expiresAtMs(): number | undefined {
    const certificate = this.#pair && readCertificate(this.#pair.certPem);
    return certificate && validity(certificate).toMs;
  }

  get fault(): string | undefined {
    return this.#fault;
  }

  async start(): Promise<void> {
    await this.load();
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.start(), this.#options.everyMs ?? loadEveryMs).unref();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async load(secret?: KubeObject): Promise<void> {
    const { api, ref } = this.#options;
    try {
      this.#take(servingFromSecret(secret ?? (await api.get(resources.secrets, ref))));
    } catch (fault) {
      this.#note(
        isKubeFault(fault, 404)
          ? `Secret ${ref.namespace}/${ref.name} does not exist yet`
          : `Secret ${ref.namespace}/${ref.name} cannot be read: ${fault instanceof Error ? fault.message : "unknown"}`,
      );
    }
  }

  #take(pair: KeyPair | undefined): void {
    if (pair && pair.certPem === this.#pair?.certPem) {
      this.#note(undefined);
      return;
    }
    const fault = pair ? this.#faultOf(pair) : "it has no tls.crt and tls.key yet";
    if (!pair || fault) {
      this.#note(`Secret ${this.#options.ref.namespace}/${this.#options.ref.name}: ${fault}`);
      return;
    }
    this.#options.onCertificate(pair);
    this.#pair = pair;
    this.#note(undefined);
    const until = new Date(this.expiresAtMs ?? 0).toISOString();
    this.#options.log.info(
      { fingerprint: fingerprint(pair.certPem).slice(0, 16), until },
      "serving certificate loaded",
    );
  }

  #faultOf(pair: KeyPair): string | undefined {
    const certificate = readCertificate(pair.certPem);
    if (!certificate) return "tls.crt is no certificate";
    if (!isPair(pair)) return "tls.key does not belong to tls.crt";
    return validity(certificate).toMs <= this.#options.clock.nowMs() ? "tls.crt has expired" : undefined;
  }

  #note(fault: string | undefined): void {
    if (fault !== undefined && fault !== this.#fault) this.#options.log.warn({ fault }, "no new serving certificate");
    this.#fault = fault;
  }
}
