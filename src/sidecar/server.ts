/** The proxy's port: Fastify owns sockets, parsing and closing; each request is handed to the gateway before any body is read. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import fastify, { type FastifyInstance } from "fastify";
import { errorBody, errorHeaders, GatewayError, refuse } from "./errors.ts";

/** Request heads, in bytes: OpenAI takes less than 64 KiB. */
export const headBytesMax = 65_536;
/** How long a request's head and its whole body may take to arrive, in ms. */
export const headTimeoutMs = 60_000;
export const bodyTimeoutMs = 600_000;
/** How long an idle client connection is kept, in ms; longer than the SDKs keep theirs, so that they close first. */
export const clientKeepAliveMs = 75_000;

/** A server that hands every request to `handle`. Not listening yet. */
export function proxyServer(handle: (request: IncomingMessage, response: ServerResponse) => void): FastifyInstance {
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
      requireHostHeader: true,
    },
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (_error, request, reply) => {
      reply.hijack();
      handle(request.raw, reply.raw); // e.g. a broken percent-encoding: the gateway words it as the provider would
    },
  });
  app.server.maxHeadersCount = 0; // none is dropped without a word: accept counts them
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

/** Answers what is not HTTP, or is too large, in the provider's shape, and closes. */
function answerBrokenRequest(fault: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || fault.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const error = brokenRequest(fault.code ?? "");
  const body = errorBody(error);
  const headers = [
    ...errorHeaders(error),
    ["content-type", "application/json"],
    ["content-length", String(Buffer.byteLength(body))],
    ["connection", "close"],
  ];
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.end(`HTTP/1.1 ${error.status} ${reasons[error.status] ?? "Bad Request"}\r\n${head}\r\n${body}`);
}

const reasons: Readonly<Record<number, string>> = { 408: "Request Timeout", 431: "Request Header Fields Too Large" };

function brokenRequest(code: string): GatewayError {
  if (code === "HPE_HEADER_OVERFLOW") return refuse("headers_too_large", `${headBytesMax} bytes`);
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return refuse("request_timeout");
  return new GatewayError("malformed_http", [
    code.replace(/^HPE_/, "").toLowerCase().replaceAll("_", " ") || "it cannot be parsed",
  ]);
}
