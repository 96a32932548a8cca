/** The port for other pods: opened while a config wants it, tried again while it cannot be had, never the end of the process. */
import type { Log } from "../../base/log.ts";
import type { Address } from "../server.ts";
import type { TlsConfig } from "./certificate.ts";
import { Port, type Take } from "./port.ts";

/** Connections from other pods at a time; more are closed at once. Each costs some 60 kB, and as much again for each stream. */
export const podConnectionsMax = 512;
/** How long until a port that could not be had is tried again, in ms. */
export const bindRetryMs = 5_000;

/** Errors of a system without IPv6. */
const withoutIPv6 = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL"]);

/** Where it listens, and who is told. */
export interface PodPortOptions {
  readonly address: Address;
  readonly take: Take;
  /** As of a port. */
  readonly isLeaving?: () => boolean;
  readonly refused: (why: "handshake" | "connections") => void;
  /** Told when it has opened, closed, or failed to. */
  readonly turned: () => void;
  readonly log: Log;
  /** Default: bindRetryMs. */
  readonly retryMs?: number;
}

/** Opens and closes the port as it is wanted. */
export class PodPort {
  readonly #options: PodPortOptions;
  readonly #closing = new Set<Port>();
  #wanted: TlsConfig | undefined;
  #port: Port | undefined;
  #opening: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #fault: string | undefined;
  #isEnded = false;

  constructor(options: PodPortOptions) {
    this.#options = options;
  }

  /** Why it is not open although it is wanted; undefined: it is open, or not wanted. */
  get fault(): string | undefined {
    return this.#fault;
  }
  /** Where it listens; null: nowhere. */
  get address() {
    return this.#port?.address ?? null;
  }

  /** Wants it open with this certificate; undefined: closed. Resolves when the first try to open it is over. */
  async want(tls: TlsConfig | undefined): Promise<void> {
    if (this.#isEnded) return;
    this.#wanted = tls;
    if (tls === undefined) this.#closeGently();
    else if (this.#port) this.#port.secure(tls);
    else await this.#open();
  }

  /** Takes no more connections and is not opened again. What runs goes on. */
  stopAccepting(): void {
    this.#isEnded = true;
    this.#wanted = undefined;
    this.#closeGently();
  }

  /** Closes every connection. */
  async close(): Promise<void> {
    this.stopAccepting();
    await this.#opening;
    await Promise.all([...this.#closing].map((port) => port.close()));
  }

  #open(): Promise<void> {
    clearTimeout(this.#retry);
    this.#opening ??= this.#tryToOpen().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #tryToOpen(): Promise<void> {
    const { address, take, isLeaving, refused, log, turned, retryMs } = this.#options;
    const port = new Port({ name: "pod", take, isLeaving, refused, connectionsMax: podConnectionsMax });
    try {
      port.secure(this.#wanted);
      await listenAnywhere(port, address);
    } catch (fault) {
      const { host, port: number } = address;
      if (this.#wanted === undefined) return;
      this.#fault = `port ${number} on ${host} cannot be opened: ${fault instanceof Error ? fault.message : String(fault)}`;
      log.error({ err: fault }, "the port for other pods cannot be opened, trying again");
      this.#retry = setTimeout(() => void this.#open(), retryMs ?? bindRetryMs).unref();
      turned();
      return;
    }
    this.#port = port;
    this.#fault = undefined;
    if (this.#wanted === undefined)
      this.#closeGently(); // it was taken back meanwhile
    else {
      port.secure(this.#wanted);
      log.info({ address: port.address }, "listening for other pods");
    }
    turned();
  }

  #closeGently(): void {
    clearTimeout(this.#retry);
    this.#fault = undefined;
    const port = this.#port;
    if (!port) return;
    this.#port = undefined;
    this.#closing.add(port);
    port.closeGently(() => this.#closing.delete(port));
    this.#options.log.info("no longer listening for other pods; requests that run go on");
    this.#options.turned();
  }
}

/** All addresses of IPv6 and IPv4 alike; where the system has no IPv6, those of IPv4. */
async function listenAnywhere(port: Port, address: Address): Promise<void> {
  try {
    await port.listen(address);
  } catch (fault) {
    const isWithout = fault instanceof Error && "code" in fault && withoutIPv6.has(String(fault.code));
    if (address.host !== "::" || !isWithout) throw fault;
    await port.listen({ ...address, host: "0.0.0.0" });
  }
}
