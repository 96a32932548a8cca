import { isUtf8 } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Behaviour } from "./knobs.ts";
import { BehaviourFault, behaviourFrom } from "./knobs.ts";
import type { RecordedRequest } from "./recorder.ts";

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
}

const shown = ({ body, ...rest }: RecordedRequest) => {
  const isText = isUtf8(body);
  return { ...rest, bodyEncoding: isText ? "utf8" : "base64", body: body.toString(isText ? "utf8" : "base64") };
};

const answer = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
};

const readScript = async (request: IncomingMessage): Promise<Behaviour[]> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > scriptBytesMax) throw new BehaviourFault("fake: the script is too long");
    chunks.push(chunk);
  }
  const value: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  return (Array.isArray(value) ? value : [value]).map(behaviourFrom);
};

/**
 * Answers `GET /_fake/requests` (the list), `DELETE /_fake/requests` (forget them and the script),
 * `GET /_fake/state` (open sockets and requests) and `POST /_fake/script` (a JSON list of behaviours, objects or text).
 */
export function answerControl(request: IncomingMessage, response: ServerResponse, provider: Controlled): void {
  const wanted = `${request.method} ${request.url}`;
  if (wanted === "GET /_fake/requests") answer(response, 200, provider.requests.map(shown));
  else if (wanted === "GET /_fake/state") {
    answer(response, 200, { openSockets: provider.openSockets, openRequests: provider.openRequests });
  } else if (wanted === "DELETE /_fake/requests") {
    provider.reset();
    answer(response, 200, { ok: true });
  } else if (wanted === "POST /_fake/script") {
    readScript(request).then(
      (steps) => {
        provider.script(...steps);
        answer(response, 200, { ok: true, steps: steps.length });
      },
      (error: unknown) => answer(response, 400, { error: String(error) }),
    );
  } else answer(response, 404, { error: `no ${wanted}` });
}
