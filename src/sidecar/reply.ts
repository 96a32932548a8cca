/** Writes answers to the client: status, headers, body; the only place that frames them. */
import type { AnswerHeaders, HeaderList } from "./answer-headers.ts";
import { errorBody, errorHeaders, type GatewayError } from "./errors.ts";
import type { Received } from "./exchange.ts";
import { isBodyUnasked } from "./expectation.ts";
import type { ClientResponse } from "./message.ts";

export type { HeaderList } from "./answer-headers.ts";

/** The flat list that writeHead takes without making an object of it: the provider's headers, ours, and more. */
export function flatHeaders(theirs: HeaderList, ours: AnswerHeaders, ...more: HeaderList[]): string[] {
  const flat = ours.flatAfter(theirs);
  for (const list of more) for (const [name, value] of list) flat.push(name, value);
  return flat;
}

/** Answers with a whole body at once. Nothing happens when the client is gone. */
export function sendWhole(exchange: Received, status: number, headers: HeaderList, body: Buffer | string): void {
  const { response } = exchange;
  if (response.destroyed || response.headersSent) return;
  const bytes = typeof body === "string" ? Buffer.byteLength(body) : body.length;
  const length: HeaderList = status === 204 ? [] : [["content-length", String(bytes)]];
  response.writeHead(status, flatHeaders(headers, exchange.answerHeaders, length));
  response.end(status === 204 ? undefined : body);
}

/** Answers with a provider-shaped error. */
export function sendError(exchange: Received, error: GatewayError): void {
  const about = errorHeaders(error);
  // the provider's own id, where the error was made from its answer, is the one that its support asks for
  const isSent = (name: string): boolean => about.some(([each]) => each === name) || exchange.answerHeaders.has(name);
  const own: HeaderList = isSent("x-request-id") ? [] : [["x-request-id", exchange.id]];
  const headers: HeaderList = [["content-type", "application/json"], ...own, ...about];
  const closes = isBodyUnasked(exchange) || isSent("connection");
  // HTTP/2 ends the one stream, and only after the answer
  if (closes && !exchange.request.isStream && !exchange.request.complete)
    sendBeforeClose(exchange, error.status, headers, errorBody(error));
  else sendWhole(exchange, error.status, headers, errorBody(error));
}

/** What is still read of a body that nobody wants, before its connection is closed. */
const unwantedBytesMax = 64 * 1024 * 1024;
const unwantedMsMax = 5_000;

/**
 * Answers at once, and closes when the client has sent its body: to close with bytes unread resets the connection, and a
 * client that is still sending loses the answer with it, takes the failure for the network's, and tries again.
 */
function sendBeforeClose(exchange: Received, status: number, headers: HeaderList, body: string): void {
  const { request, response } = exchange;
  if (response.destroyed || response.headersSent) return;
  response.writeHead(
    status,
    flatHeaders(headers, exchange.answerHeaders, [["content-length", String(Buffer.byteLength(body))]]),
  );
  response.write(body);
  let bytes = 0;
  const close = (): void => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(close, unwantedMsMax).unref();
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > unwantedBytesMax) close();
  });
  request.once("end", close).once("close", close);
  request.resume();
}

/** Whether the client can still be written to. */
export const isOpen = (response: ClientResponse): boolean => !response.destroyed && !response.writableEnded;
