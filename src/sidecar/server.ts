/** The proxy's port: Node's own server, hardened; each request is handed to the gateway before any body is read (ADR 7). */
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { errorBody, errorHeaders, GatewayError, refuse } from "./errors.ts";

/** Request heads, in bytes: OpenAI takes less than 64 KiB. */
export const headBytesMax = 65_536;
/** How long a request's head and its whole body may take to arrive, in ms. */
export const headTimeoutMs = 60_000;
export const bodyTimeoutMs = 600_000;
/** How long an idle client connection is kept, in ms; longer than the SDKs keep theirs, so that they close first. */
export const clientKeepAliveMs = 75_000;

/** An address to listen on. Port 0: any free one. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The URL of a port that listens; `host`: as clients shall name it. Port 0: it does not listen. */
export function urlOf(scheme: "http" | "https", address: AddressInfo | string | null, host: string): string {
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** A port of the sidecar, as those see it who start and end it. */
export interface HttpServer {
  /** Node's server beneath: its address, its connections. */
  readonly server: Server;
  /** Port 0: any free one. Rejects when the address cannot be had. */
  listen(address: Address): Promise<void>;
  /** Takes no more connections and resolves when none is left; idle ones are closed, open ones are left to the caller. */
  close(): Promise<void>;
}

/** Wraps a server of Node's: listening and closing as promises. */
export const httpServer = (server: Server): HttpServer => ({
  server,
  listen: ({ host, port }) =>
    new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port }, () => {
        server.off("error", reject);
        resolve();
      });
    }),
  close: () =>
    new Promise((resolve) => {
      server.close(() => resolve()); // a server that is closed already says so in an error: it is closed
      server.closeIdleConnections();
    }),
});

/** A server that hands every request to `take` before any body is read. Not listening yet. */
export function proxyServer(take: (request: IncomingMessage, response: ServerResponse) => void): HttpServer {
  /** The newest request of each connection. */
  const running = new WeakMap<Socket, ServerResponse>();
  const handle: typeof take = (request, response) => {
    running.set(request.socket, response);
    take(request, response);
  };
  const server = createServer(
    {
      maxHeaderSize: headBytesMax,
      headersTimeout: headTimeoutMs,
      requestTimeout: bodyTimeoutMs,
      keepAliveTimeout: clientKeepAliveMs,
      insecureHTTPParser: false,
      requireHostHeader: false, // accept asks for it: Node's own answer has no body
    },
    handle,
  );
  server.maxHeadersCount = 0; // none is dropped without a word: accept counts them
  server.on("checkContinue", handle); // the stage that reads the body asks for it: Node's own server would for anybody
  server.on("checkExpectation", handle); // accept words the refusal; Node's own has no body
  server.on("connect", (_request, socket) => sendBare(socket, notATunnel));
  server.on("clientError", (fault, socket) =>
    answerBrokenRequest(fault, socket as Socket, running.get(socket as Socket)),
  ); // a plain server's sockets are net.Sockets
  return httpServer(server);
}

/**
 * Answers what is not HTTP, or is too large, in the provider's shape, and closes. `running`: the answer to the request before
 * it, which keeps its turn where that request is whole.
 */
function answerBrokenRequest(
  fault: Error & { code?: string },
  socket: Socket,
  running: ServerResponse | undefined,
): void {
  if (!socket.writable || fault.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const error = brokenRequest(fault.code ?? "");
  if (running?.req.complete && !running.closed) running.once("close", () => sendBare(socket, error));
  else sendBare(socket, error);
}

const notATunnel = new GatewayError("method_not_allowed", ["CONNECT", "DELETE, GET, POST"], {
  headers: [["allow", "DELETE, GET, POST"]],
});

/** Answers where there is no ServerResponse, and closes. */
function sendBare(socket: Duplex, error: GatewayError): void {
  const body = errorBody(error);
  const headers = [
    ...errorHeaders(error),
    ["content-type", "application/json"],
    ["content-length", String(Buffer.byteLength(body))],
    ["connection", "close"],
  ];
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.on("error", () => socket.destroy()); // Node has taken its own listener off, and an error that nobody hears ends the process
  socket.end(`HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ""}\r\n${head}\r\n${body}`);
}

function brokenRequest(code: string): GatewayError {
  if (code === "HPE_HEADER_OVERFLOW") return refuse("headers_too_large", `${headBytesMax} bytes`);
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return refuse("request_timeout");
  return new GatewayError("malformed_http", [
    code.replace(/^HPE_/, "").toLowerCase().replaceAll("_", " ") || "it cannot be parsed",
  ]);
}
