/** A request and its answer as the stages see them, whichever version of HTTP carries them, and how they came in. */
import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";

/** A request: its head, and its body as a stream. Node's own IncomingMessage is one; for HTTP/2 there is listener/http2-request.ts. */
export interface ClientRequest extends Readable {
  readonly method?: string | undefined;
  /** Path and query. */
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they came; HTTP/2's pseudo-headers are not among them, `:authority` stands as `host`. */
  readonly rawHeaders: readonly string[];
  /** True: a stream of an HTTP/2 connection. Absent: an HTTP/1 connection, whatever version its request line claims. */
  readonly isStream?: true;
  readonly httpVersion: string;
  readonly httpVersionMajor: number;
  readonly httpVersionMinor: number;
  /** The whole body has arrived. */
  readonly complete: boolean;
}

/** The answer to one. Node's own ServerResponse is one; for HTTP/2 there is listener/http2-response.ts. */
export interface ClientResponse {
  readonly headersSent: boolean;
  readonly destroyed: boolean;
  readonly writableEnded: boolean;
  /** Every byte was handed to the network. False for an answer that was cut off. */
  readonly writableFinished: boolean;
  /** 100: the client may send its body. */
  writeContinue(): unknown;
  /** `headers`: names and values in turn. Fields that only HTTP/1 knows are left out of HTTP/2. */
  writeHead(status: number, headers: string[]): unknown;
  flushHeaders(): void;
  /** False: wait for `drain`. */
  write(chunk: Buffer | string): boolean;
  end(body?: Buffer | string): unknown;
  /** Cuts it off, so that the client sees that it is not whole. */
  destroy(): unknown;
  once(event: "drain" | "close", listener: () => void): unknown;
}

/** How a request came in. */
export interface Arrival {
  /** loopback: from the pod itself. pod: from anywhere that reaches the pod. */
  readonly port: "loopback" | "pod";
  /** Over TLS. */
  readonly isSecure: boolean;
  /** The address that connected, as the kernel says; undefined: the connection is gone, or nobody asks. */
  readonly address: string | undefined;
  /** The port is being closed: the connection is to end with the answer. */
  readonly isLast: boolean;
}

/** From the pod itself, in clear: nearly every request, so all of them share one. */
export const plainLoopback: Arrival = { port: "loopback", isSecure: false, address: undefined, isLast: false };
