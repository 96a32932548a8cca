/** Writes answers to the client: status, headers, body; the only place that knows ServerResponse. */
import type { ServerResponse } from "node:http";
import { errorBody, errorHeaders, type GatewayError } from "./errors.ts";
import type { Received } from "./exchange.ts";

/** Header fields in the order in which they are sent; a name may come more than once. */
export type HeaderList = readonly (readonly [string, string])[];

/** The flat list that writeHead takes without making an object of it. */
export function flatHeaders(...lists: HeaderList[]): string[] {
  const flat: string[] = [];
  for (const list of lists) for (const [name, value] of list) flat.push(name, value);
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
  const isId = ([name]: readonly [string, string]): boolean => name === "x-request-id";
  const hasRequestId = exchange.answerHeaders.some(isId) || error.headers.some(isId);
  const own: HeaderList = hasRequestId ? [] : [["x-request-id", exchange.id]];
  sendWhole(
    exchange,
    error.status,
    [["content-type", "application/json"], ...own, ...errorHeaders(error)],
    errorBody(error),
  );
}

/** Whether the client can still be written to. */
export const isOpen = (response: ServerResponse): boolean => !response.destroyed && !response.writableEnded;
