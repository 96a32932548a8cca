/** One port of the proxy: plain http, and TLS besides while there is a certificate. */
import { Server as NetServer, type Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { TLSSocket } from "node:tls";
import { type Arrival, type ClientRequest, type ClientResponse, plainLoopback } from "../message.ts";
import { type Address, type HttpServer, proxyServer } from "../server.ts";
import type { TlsConfig } from "./certificate.ts";
import { routeByFirstByte } from "./first-byte.ts";
import { Terminator } from "./terminator.ts";

/** How often a closing port looks for connections that have become idle, in ms. */
const idleLookMs = 250;
/** How long connections may take to end by themselves when a port is closed, in ms: what was written last is still in them. */
const lastBytesMs = 500;
const closedLookMs = 10;

/** Takes each request before any of its body is read. */
export type Take = (request: ClientRequest, response: ClientResponse, arrival: Arrival) => void;

/** Whose port it is. */
export interface PortOptions {
  readonly name: Arrival["port"];
  readonly take: Take;
  /** An answer has ended that is still being written: no connection is taken for idle meanwhile. Absent: none ever is. */
  readonly isLeaving?: (() => boolean) | undefined;
  /** Told of what never became a request. */
  readonly refused: (why: "handshake" | "connections") => void;
  /** Connections at a time; absent: any number. */
  readonly connectionsMax?: number;
}

/**
 * A port that can be opened once and closed once. Without a certificate it is Node's http server and nothing else; with one,
 * connections are told apart by their first byte before that server sees them.
 */
export class Port {
  readonly #options: PortOptions;
  readonly #http: HttpServer;
  /** Node's own listener for connections; while TLS is spoken it gets them from us. */
  readonly #plain: (socket: Socket) => void;
  /** Connections that came while TLS is spoken: Node's server knows neither those in a handshake nor those of HTTP/2. */
  readonly #sockets = new Set<Socket>();
  readonly #undecided = new Set<Socket>();
  #tls: TlsConfig | undefined;
  #terminator: Terminator | undefined;
  #isClosing = false;
  #isClosed = false;

  constructor(options: PortOptions) {
    this.#options = options;
    this.#http = proxyServer((request, response) => options.take(request, response, this.#arrival(request.socket)));
    const { server } = this.#http;
    const [own] = server.listeners("connection");
    this.#plain = (socket) => own?.call(server, socket);
    if (options.connectionsMax !== undefined) server.maxConnections = options.connectionsMax;
    server.on("drop", () => options.refused("connections"));
  }

  /** Where it listens; null before and after. */
  get address() {
    return this.#http.server.address();
  }
  get isSecure(): boolean {
    return this.#terminator !== undefined;
  }

  /** Speaks TLS with this certificate to connections that come from now on; undefined: no more. Throws for one that cannot be used. */
  secure(tls: TlsConfig | undefined): void {
    if (tls === this.#tls) return;
    this.#tls = tls;
    if (tls && this.#terminator) this.#terminator.renew(tls);
    else if (tls) this.#begin(tls);
    else this.#end();
  }

  /** Rejects when the address cannot be had; it may be called again then. */
  listen(address: Address): Promise<void> {
    return this.#http.listen(address);
  }

  /** Takes no more connections; idle ones are closed, and those that run when they have become idle. `closed`: told when none is left. */
  closeGently(closed?: () => void): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    const { server } = this.#http;
    const timer = setInterval(() => this.#closeIdle(), idleLookMs).unref();
    server.once("close", () => {
      this.#isClosed = true;
      clearInterval(timer);
      closed?.();
    });
    // Node's http server would cut off at once what it takes for idle: connections with answers that are not written whole.
    NetServer.prototype.close.call(server);
    this.#closeIdle();
    for (const socket of this.#undecided) socket.destroy();
    this.#terminator?.closeGently();
  }

  /** Closes every connection: those that end by themselves in a moment lose nothing, the others are cut off. Resolves when all are closed. */
  async close(): Promise<void> {
    this.closeGently();
    const { server } = this.#http;
    const endMs = performance.now() + lastBytesMs;
    for (;;) {
      await nextTurn(); // where nothing is connected it has closed by then
      if (this.#isClosed || performance.now() >= endMs) break;
      this.#closeIdle();
      await sleep(closedLookMs);
    }
    const closed = this.#http.close();
    server.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #closeIdle(): void {
    if (!this.#options.isLeaving?.()) this.#http.server.closeIdleConnections();
  }

  #begin(tls: TlsConfig): void {
    const { refused, take } = this.#options;
    const terminator = new Terminator({
      tls,
      http1: this.#plain,
      http2: (request, response, socket) => take(request, response, this.#arrival(socket)),
      failed: () => refused("handshake"),
    });
    this.#terminator = terminator;
    const { server } = this.#http;
    server.removeAllListeners("connection").on("connection", (socket) => {
      this.#sockets.add(socket);
      this.#undecided.add(socket);
      socket.once("close", () => {
        this.#sockets.delete(socket);
        this.#undecided.delete(socket);
      });
      routeByFirstByte(socket, {
        plain: (decided) => {
          this.#undecided.delete(decided);
          this.#plain(decided);
        },
        secure: (decided) => {
          this.#undecided.delete(decided);
          terminator.take(decided);
        },
      });
    });
  }

  #end(): void {
    if (!this.#terminator) return;
    this.#terminator.closeGently();
    this.#terminator = undefined;
    this.#http.server.removeAllListeners("connection").on("connection", this.#plain);
  }

  #arrival(socket: Socket): Arrival {
    const { name } = this.#options;
    const isSecure = socket instanceof TLSSocket;
    if (name === "loopback" && !isSecure) return plainLoopback;
    return { port: name, isSecure, address: socket.remoteAddress, isLast: this.#isClosing };
  }
}
