/** The ports of the proxy: loopback always, that for other pods while the config in force wants it, and TLS on both. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { SidecarConfig } from "../../config/contract.ts";
import { type Address, urlOf } from "../server.ts";
import { type UsableTls, usableTls } from "./certificate.ts";
import { PodPort } from "./pod-port.ts";
import { Port, type Take } from "./port.ts";

/** Where the ports are, and who is told. */
export interface ListenersOptions {
  readonly loopback: Address;
  /** Absent: there is no port for other pods, whatever a config says. */
  readonly pod: Address | undefined;
  readonly take: Take;
  /** An answer is on its way: no connection is taken for idle meanwhile. */
  readonly isLeaving: () => boolean;
  /** Told of connections that never became a request. */
  readonly refused: (why: "handshake" | "connections") => void;
  /** Told when a port has opened, closed, or failed to. */
  readonly turned: () => void;
  readonly clock: Clock;
  readonly log: Log;
  /** How long until a port that cannot be had is tried again, in ms; default: bindRetryMs. */
  readonly retryMs?: number;
}

/** How the listeners stand, for metrics. */
export interface ListenerView {
  readonly listener: "loopback" | "loopback_tls" | "pod";
  readonly isUp: boolean;
}

type Route = SidecarConfig["route"];

/** Owns both ports and follows the configs. */
export class Listeners {
  readonly #options: ListenersOptions;
  readonly #loopback: Port;
  readonly #pod: PodPort | undefined;
  /** What TLS is spoken with: the newest certificate that could be used. */
  #tls: UsableTls | undefined;
  #certificateFault: string | undefined;
  #podFault: string | undefined;
  #wants: { readonly tls: boolean; readonly pod: boolean } = { tls: false, pod: false };
  #hasEnded = false;

  constructor(options: ListenersOptions) {
    const { pod, take, isLeaving, refused, turned, log, retryMs } = options;
    this.#options = options;
    this.#loopback = new Port({ name: "loopback", take, isLeaving, refused });
    this.#pod = pod && new PodPort({ address: pod, take, isLeaving, refused, turned, log, retryMs });
  }

  /** Where the pod itself connects, with plain http. */
  get url(): string {
    return urlOf("http", this.#loopback.address, this.#options.loopback.host);
  }
  /** Where other pods connect; undefined: nowhere. */
  get podUrl(): string | undefined {
    const address = this.#pod?.address ?? null;
    return address === null || typeof address === "string" ? undefined : urlOf("https", address, address.address);
  }
  /** What keeps a listener from being as the config wants it; undefined: nothing does. */
  get fault(): string | undefined {
    return this.#certificateFault ?? this.#podFault ?? this.#pod?.fault;
  }

  /** Opens the ports. Rejects when the one on loopback cannot be had; the other one is tried again. */
  async listen(route: Route): Promise<void> {
    await this.#loopback.listen(this.#options.loopback);
    await this.follow(route);
  }

  /** Does as a config says. Never throws: what cannot be had is a fault that is shown, and the last good certificate stays. */
  async follow(route: Route): Promise<void> {
    if (this.#hasEnded) return;
    const listener = route?.listener;
    const wantsPod = listener?.address === "Pod";
    this.#wants = { tls: listener?.tls !== undefined, pod: wantsPod };
    this.#renew(listener?.tls);
    this.#loopback.secure(this.#tls?.config);
    this.#podFault = wantsPod ? this.#whyNoPod(route) : undefined;
    if (this.#podFault !== undefined) this.#options.log.error({ why: this.#podFault }, "not listening for other pods");
    await this.#pod?.want(wantsPod && this.#podFault === undefined ? this.#tls?.config : undefined);
  }

  /** Takes no more connections; requests that run go on. */
  stopAccepting(): void {
    this.#hasEnded = true;
    this.#loopback.closeGently();
    this.#pod?.stopAccepting();
  }
  /** Closes every connection. */
  async close(): Promise<void> {
    await Promise.all([this.#loopback.close(), this.#pod?.close()]);
  }

  /** Those that are wanted. */
  views(): readonly ListenerView[] {
    const { tls, pod } = this.#wants;
    return [
      { listener: "loopback", isUp: this.#loopback.address !== null },
      ...(tls ? [{ listener: "loopback_tls", isUp: this.#loopback.isSecure } as const] : []),
      ...(pod ? [{ listener: "pod", isUp: this.podUrl !== undefined } as const] : []),
    ];
  }
  /** Until the certificate in use ends, in s; below 0: since. undefined: none is in use. */
  get certificateSeconds(): number | undefined {
    return this.#tls && Math.floor((this.#tls.endsMs - this.#options.clock.nowMs()) / 1000);
  }
  /** What /status shows. */
  status(): object {
    const tls = this.#tls;
    return {
      loopback: { url: this.url, tls: this.#loopback.isSecure },
      pod: this.#wants.pod ? { url: this.podUrl ?? null } : null,
      certificate: tls ? { sha256: tls.fingerprint, ends: new Date(tls.endsMs).toISOString() } : null,
      fault: this.fault ?? null,
    };
  }

  #renew(wanted: UsableTls["config"] | undefined): void {
    this.#certificateFault = undefined;
    if (wanted === undefined) {
      this.#tls = undefined;
      return;
    }
    const now = this.#tls?.config;
    if (now?.certificate === wanted.certificate && now.key === wanted.key && now.minVersion === wanted.minVersion)
      return;
    const next = usableTls(wanted);
    if (typeof next !== "string") {
      if (next.fingerprint !== this.#tls?.fingerprint)
        this.#options.log.info({ sha256: next.fingerprint, ends: new Date(next.endsMs) }, "certificate in use");
      this.#tls = next;
      return;
    }
    this.#certificateFault = this.#tls ? `${next}; the last good one stays in use` : next;
    this.#options.log.error({ why: this.#certificateFault }, "certificate not taken");
  }

  #whyNoPod(route: Route): string | undefined {
    if (!this.#pod)
      return "this sidecar has no port for other pods (SIDEGATE_POD_LISTEN); restart the pod if it is injected";
    // the compiler refuses this, too; here it is what keeps others from spending as this pod
    if (route?.caller === undefined) return "address Pod needs identity.require Bearer or APIKey";
    return undefined;
  }
}
