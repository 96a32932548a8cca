import { isUtf8 } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import { isObject } from "./json-values.ts";
import type { Behaviour } from "./knobs.ts";
import { BehaviourFault, behaviourFrom } from "./knobs.ts";
import type { RecordedRequest } from "./recorder.ts";
import type { FederationOptions } from "./token-endpoints.ts";

/** Paths under this drive the fake itself, so other processes can; they are never recorded or scripted. */
export const controlPrefix = "/_fake/";

const scriptBytesMax = 64 * 1024 * 1024;

/** What the control surface may do to a provider. */
export interface Controlled {
  readonly requests: readonly RecordedRequest[];
  readonly openSockets: number;
  readonly openRequests: number;
  reset(): void;
  script(...steps: readonly Behaviour[]): void;
  acceptKeys(keys: readonly string[]): void;
  behaveAtExchange(behaviour: Behaviour | undefined): void;
  federate(options: FederationOptions): void;
}

const shown = ({ body, ...rest }: RecordedRequest) => {
  const isText = isUtf8(body);
  return { ...rest, bodyEncoding: isText ? "utf8" : "base64", body: body.toString(isText ? "utf8" : "base64") };
};

const answer = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
};

const readJson = async (request: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > scriptBytesMax) throw new BehaviourFault("fake: the script is too long");
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
};

/** What a POST with a JSON body does; answers what is said of it. Whoever drives the fake is trusted to send what it takes. */
const orders: Readonly<Record<string, (provider: Controlled, value: unknown) => object>> = {
  "/_fake/script": (provider, value) => {
    const steps = (Array.isArray(value) ? value : [value]).map(behaviourFrom);
    provider.script(...steps);
    return { steps: steps.length };
  },
  "/_fake/keys": (provider, value) => {
    if (!Array.isArray(value)) throw new BehaviourFault("fake: the keys must be a list");
    provider.acceptKeys(value.map(String));
    return { keys: value.length };
  },
  "/_fake/exchange": (provider, value) => {
    provider.behaveAtExchange(value === null ? undefined : behaviourFrom(value));
    return {};
  },
  "/_fake/federation": (provider, value) => {
    if (!isObject(value)) throw new BehaviourFault("fake: the federation must be an object");
    provider.federate(value);
    return {};
  },
};

/**
 * Answers `GET /_fake/requests` (the list), `DELETE /_fake/requests` (forget them and the script),
 * `GET /_fake/state` (open sockets and requests), and with a JSON body `POST /_fake/script` (a list of behaviours, objects or text),
 * `POST /_fake/keys` (a list: those that are accepted), `POST /_fake/exchange` (the behaviour of token endpoints, or null) and
 * `POST /_fake/federation` (who may exchange tokens: FederationOptions).
 */
export function answerControl(request: IncomingMessage, response: ServerResponse, provider: Controlled): void {
  const wanted = `${request.method} ${request.url}`;
  const order = request.method === "POST" ? orders[request.url ?? ""] : undefined;
  if (wanted === "GET /_fake/requests") answer(response, 200, provider.requests.map(shown));
  else if (wanted === "GET /_fake/state") {
    answer(response, 200, { openSockets: provider.openSockets, openRequests: provider.openRequests });
  } else if (wanted === "DELETE /_fake/requests") {
    provider.reset();
    answer(response, 200, { ok: true });
  } else if (order) {
    readJson(request)
      .then((value) => answer(response, 200, { ok: true, ...order(provider, value) }))
      .catch((error: unknown) => answer(response, 400, { error: String(error) }));
  } else answer(response, 404, { error: `no ${wanted}` });
}
