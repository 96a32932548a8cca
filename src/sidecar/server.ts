/** The proxy's port: Fastify owns sockets, parsing and closing; each request is handed to the gateway before any body is read. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import fastify, { type FastifyInstance } from "fastify";
import { errorBody, errorHeaders, GatewayError, refuse } from "./errors.ts";

/** Request heads, in bytes: OpenAI takes less than 64 KiB. */
export const headBytesMax = 65_536;
/** How long a request's head and its whole body may take to arrive, in ms. */
export const headTimeoutMs = 60_000;
export const bodyTimeoutMs = 600_000;
/** How long an idle client connection is kept, in ms; longer than the SDKs keep theirs, so that they close first. */
export const clientKeepAliveMs = 75_000;

/** A server that hands every request to `take`. Not listening yet. */
export function proxyServer(take: (request: IncomingMessage, response: ServerResponse) => void): FastifyInstance {
  /** The newest request of each connection. */
  const running = new WeakMap<Socket, ServerResponse>();
  const handle: typeof take = (request, response) => {
    running.set(request.socket, response);
    take(request, response);
  };
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    keepAliveTimeout: clientKeepAliveMs,
    requestTimeout: bodyTimeoutMs,
    forceCloseConnections: "idle",
    return503OnClosing: false,
    http: {
      maxHeaderSize: headBytesMax,
      headersTimeout: headTimeoutMs,
      insecureHTTPParser: false,
      requireHostHeader: false, // accept asks for it: Node's own answer has no body
    },
    clientErrorHandler: (fault, socket) => answerBrokenRequest(fault, socket, running.get(socket)),
    frameworkErrors: (_error, request, reply) => {
      reply.hijack();
      handle(request.raw, reply.raw); // e.g. a broken percent-encoding: the gateway words it as the provider would
    },
  });
  app.server.maxHeadersCount = 0; // none is dropped without a word: accept counts them
  app.server.on("checkExpectation", handle); // accept words the refusal; Node's own has no body
  app.server.on("connect", (_request, socket) => sendBare(socket, notATunnel));
  app.addHook("onRequest", (request, reply) => {
    reply.hijack();
    handle(request.raw, reply.raw);
  });
  const never = (): never => {
    throw new Error("the gateway has taken the request"); // reply.hijack() ends Fastify's part
  };
  app.setNotFoundHandler(never);
  return app;
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
  socket.end(`HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ""}\r\n${head}\r\n${body}`);
}

function brokenRequest(code: string): GatewayError {
  if (code === "HPE_HEADER_OVERFLOW") return refuse("headers_too_large", `${headBytesMax} bytes`);
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return refuse("request_timeout");
  return new GatewayError("malformed_http", [
    code.replace(/^HPE_/, "").toLowerCase().replaceAll("_", " ") || "it cannot be parsed",
  ]);
}
