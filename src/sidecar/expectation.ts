/**
 * Clients that wait to be asked for their body (`Expect: 100-continue`, RFC 9110 section 10.1.1). Nobody asks before the stage that reads it:
 * what is refused by its head alone is never sent.
 */
import type { Received } from "./exchange.ts";
import type { ClientRequest, ClientResponse } from "./message.ts";

/** Answers to clients that were asked. */
const asked = new WeakSet<ClientResponse>();

/** HTTP/1.0 knows no answer but the last one. */
const waits = ({ headers, isStream, httpVersionMinor }: ClientRequest): boolean =>
  headers.expect !== undefined &&
  headers.expect.toLowerCase() === "100-continue" &&
  (isStream === true || httpVersionMinor > 0);

/** The body is about to be read: tells a client that waits for this to send it. */
export const askForBody = ({ request, response }: Pick<Received, "request" | "response">): void => {
  if (!isBodyUnasked({ request, response }) || response.headersSent || response.destroyed) return;
  asked.add(response);
  response.writeContinue();
};

/** The client waits to be asked for its body, and was not: whether it comes all the same, nobody knows. */
export const isBodyUnasked = ({ request, response }: Pick<Received, "request" | "response">): boolean =>
  waits(request) && !asked.has(response);
