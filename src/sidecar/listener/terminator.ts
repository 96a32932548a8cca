/** Ends TLS on connections that are handed over, and hands on what was agreed: HTTP/2 or HTTP/1.1 (ALPN, RFC 7301). */
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { TlsConfig } from "./certificate.ts";
import { Http2Streams, type TakeStream } from "./http2-server.ts";

/** How long a TLS handshake may take, in ms. */
export const handshakeTimeoutMs = 10_000;

/** Where connections go. */
export interface TerminatorOptions {
  readonly tls: TlsConfig;
  /** Takes a connection that speaks HTTP/1.1, or has not said what it speaks. */
  readonly http1: (socket: TLSSocket) => void;
  readonly http2: TakeStream;
  /** Told of each handshake that failed. */
  readonly failed: () => void;
  /** Default: handshakeTimeoutMs. */
  readonly handshakeMs?: number;
}

/** Speaks TLS with one certificate at a time. */
export class Terminator {
  readonly #server: Server;
  readonly #http2: Http2Streams;

  /** Throws for a certificate that cannot be used. */
  constructor({ tls, http1, http2, failed, handshakeMs = handshakeTimeoutMs }: TerminatorOptions) {
    this.#http2 = new Http2Streams(http2);
    this.#server = createServer({
      ...contextOf(tls),
      ALPNProtocols: ["h2", "http/1.1"],
      handshakeTimeout: handshakeMs,
    });
    this.#server.on("secureConnection", (socket) => {
      if (socket.alpnProtocol === "h2") this.#http2.take(socket);
      else http1(socket);
    });
    this.#server.on("tlsClientError", (_fault, socket) => {
      failed();
      socket.destroy();
    });
  }

  /** Takes a connection whose first byte is still to be read. */
  take(socket: Socket): void {
    socket.allowHalfOpen = false; // as of every TLS server: a client that closes is gone, whatever runs
    this.#server.emit("connection", socket);
  }
  /** New connections get this certificate; those that are there stay as they are. Throws for one that cannot be used. */
  renew(tls: TlsConfig): void {
    this.#server.setSecureContext(contextOf(tls));
  }
  /** Tells HTTP/2 clients to open another connection; what runs goes on. */
  closeGently(): void {
    this.#http2.closeGently();
  }
}

const contextOf = ({ certificate, key, minVersion }: TlsConfig) => ({ cert: certificate, key, minVersion });
