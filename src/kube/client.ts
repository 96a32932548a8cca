/** KubeApi over HTTP: paths, content types and faults of the Kubernetes API. */
import type { Connection } from "./connection.ts";
import { retryAfterMsOf, statusFault } from "./fault.ts";
import type { Resource, Selection, WatchEvent, WriteOptions } from "./port.ts";
import { fieldManager, type KubeApi, KubeFault, type KubeObject, type ListPage, type ObjectRef } from "./port.ts";
import { type Query, requestPath } from "./request-path.ts";
import { pause, systemTimers, type Timers } from "./timers.ts";
import { type Answer, type Call, HttpTransport, type Transport } from "./transport.ts";
import { WatchStream } from "./watch-stream.ts";

/** How the client behaves. */
export interface ClientOptions {
  readonly timers?: Timers;
  /** Longest a request takes, retries included, ms. Default 10 000. Of a watch: until its head is there. */
  readonly timeoutMs?: number;
  /** Replaces the HTTP connection. */
  readonly transport?: Transport;
}

/** A KubeApi that can be closed. */
export interface KubeClient extends KubeApi {
  /** The namespace that the connection names. */
  readonly namespace: string | undefined;
  /** Closes idle connections; requests under way fail. */
  close(): void;
}

const timeoutMsDefault = 10_000;
const pageSizeDefault = 500;
const pageSizeMax = 1_000;
/** A watch ends after its timeoutSeconds; a server that is then silent for this much longer is gone. */
const watchGraceMs = 5_000;
/** How often a request that was answered 429 is sent again, if the server says when and the time-out allows it. */
const throttledRetriesMax = 2;

const json = "application/json";
const partial = (kind: string): string => `${json};as=${kind};g=meta.k8s.io;v=v1,${json}`;

/** Talks to the API server that `connection` names. Opens no connection before the first request. */
export const createKubeApi = (connection: Connection, options: ClientOptions = {}): KubeClient => {
  const timers = options.timers ?? systemTimers;
  const transport = options.transport ?? new HttpTransport(connection, timers);
  return new HttpKubeApi(connection.namespace, transport, timers, options.timeoutMs ?? timeoutMsDefault);
};

class HttpKubeApi implements KubeClient {
  readonly namespace: string | undefined;
  readonly #transport: Transport;
  readonly #timers: Timers;
  readonly #timeoutMs: number;

  constructor(namespace: string | undefined, transport: Transport, timers: Timers, timeoutMs: number) {
    this.namespace = namespace;
    this.#transport = transport;
    this.#timers = timers;
    this.#timeoutMs = timeoutMs;
  }

  close(): void {
    this.#transport.close();
  }

  async get(resource: Resource, ref: ObjectRef, options?: { readonly isMetadataOnly?: boolean }): Promise<KubeObject> {
    const accept = options?.isMetadataOnly ? partial("PartialObjectMetadata") : json;
    return this.#object(resource, { method: "GET", path: requestPath(resource, ref), accept });
  }

  async list(
    resource: Resource,
    selection: Selection,
    page: { readonly limit?: number; readonly continue?: string | undefined } = {},
  ): Promise<ListPage> {
    const limit = Math.min(pageSizeMax, Math.max(1, page.limit ?? pageSizeDefault));
    const path = requestPath(resource, selection, { ...selectors(selection), limit, continue: page.continue });
    const accept = selection.isMetadataOnly ? partial("PartialObjectMetadataList") : json;
    const call: Call = { method: "GET", path, accept, timeoutMs: this.#timeoutMs };
    const { text } = await this.#send(resource, call);
    const list: Partial<RawList> | null = parsed(call, text);
    if (!Array.isArray(list?.items ?? []) || typeof list?.metadata?.resourceVersion !== "string")
      throw new KubeFault(`${whatOf(call)}: the answer is no list`, { status: 0 });
    return {
      items: list.items ?? [],
      resourceVersion: list.metadata.resourceVersion,
      continue: list.metadata.continue || undefined,
    };
  }

  async watch(
    resource: Resource,
    selection: Selection & { readonly resourceVersion: string; readonly timeoutSeconds: number },
    onEvent: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { resourceVersion, timeoutSeconds } = selection;
    const query = { ...selectors(selection), watch: true, allowWatchBookmarks: true, resourceVersion, timeoutSeconds };
    const call: Call = {
      method: "GET",
      path: requestPath(resource, selection, query),
      accept: selection.isMetadataOnly ? partial("PartialObjectMetadata") : json,
      timeoutMs: this.#timeoutMs,
      signal,
    };
    const about = { what: `watch ${whatOf(call)}`, isSecret: isSecret(resource) };
    const lines = new WatchStream(about, onEvent);
    const answer = await this.#transport.stream(
      call,
      (chunk) => lines.push(chunk),
      timeoutSeconds * 1_000 + watchGraceMs,
    );
    if (answer.status !== 200) throw refusal(resource, call, answer);
    lines.end();
  }

  async create(resource: Resource, object: KubeObject, options?: WriteOptions): Promise<KubeObject> {
    const { namespace, name } = object.metadata;
    const at = options?.subresource ? { namespace, name } : { namespace };
    return this.#write("POST", resource, at, object, options);
  }

  async replace(resource: Resource, object: KubeObject, options?: WriteOptions): Promise<KubeObject> {
    return this.#write("PUT", resource, object.metadata, object, options);
  }

  async apply(resource: Resource, object: KubeObject, options?: WriteOptions): Promise<KubeObject> {
    const typed = { ...typeOf(resource), ...object };
    return this.#write("PATCH", resource, object.metadata, typed, options, "application/apply-patch+yaml", {
      force: true,
    });
  }

  async mergePatch(resource: Resource, ref: ObjectRef, patch: object, options?: WriteOptions): Promise<KubeObject> {
    return this.#write("PATCH", resource, ref, patch, options, "application/merge-patch+json");
  }

  async delete(
    resource: Resource,
    ref: ObjectRef,
    preconditions?: { readonly uid?: string; readonly resourceVersion?: string },
  ): Promise<void> {
    const body = JSON.stringify({ apiVersion: "v1", kind: "DeleteOptions", ...(preconditions && { preconditions }) });
    const call: Call = {
      method: "DELETE",
      path: requestPath(resource, ref),
      accept: json,
      body,
      timeoutMs: this.#timeoutMs,
    };
    try {
      await this.#send(resource, call);
    } catch (fault) {
      if (!(fault instanceof KubeFault && fault.status === 404)) throw fault;
    }
  }

  async raw(path: string): Promise<string> {
    const { text } = await this.#send(undefined, { method: "GET", path, accept: "*/*", timeoutMs: this.#timeoutMs });
    return text;
  }

  #write(
    method: Call["method"],
    resource: Resource,
    at: { readonly namespace?: string | undefined; readonly name?: string | undefined },
    object: object,
    options: WriteOptions = {},
    contentType = json,
    more: Query = {},
  ): Promise<KubeObject> {
    const query = { fieldManager, ...more, ...(options.isDryRun && { dryRun: "All" }) };
    const path = requestPath(resource, { ...at, subresource: options.subresource }, query);
    const body = JSON.stringify(method === "PATCH" ? object : { ...typeOf(resource), ...object });
    return this.#object(resource, { method, path, accept: json, contentType, body });
  }

  async #object(resource: Resource, call: Omit<Call, "timeoutMs">): Promise<KubeObject> {
    const { text } = await this.#send(resource, { ...call, timeoutMs: this.#timeoutMs });
    return parsed(call, text);
  }

  /** One request, sent again after a 429 that says when. Throws KubeFault for every status that is no success. */
  async #send(resource: Resource | undefined, call: Call): Promise<Answer> {
    let leftMs = call.timeoutMs;
    for (let retries = 0; ; retries++) {
      const answer = await this.#transport.send({ ...call, timeoutMs: leftMs });
      if (answer.status >= 200 && answer.status < 300) return answer;
      const waitMs = answer.status === 429 ? retryAfterMsOf(answer.headers) : undefined;
      if (waitMs === undefined || retries >= throttledRetriesMax || waitMs * 2 >= leftMs)
        throw refusal(resource, call, answer);
      leftMs -= waitMs;
      await pause(this.#timers, waitMs, neverAborted);
    }
  }
}

/** A list as it comes; its items were written by the API server. */
interface RawList {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly KubeObject[] | null;
}

const neverAborted = new AbortController().signal;

const typeOf = ({ group, version, kind }: Resource) => ({
  apiVersion: group === "" ? version : `${group}/${version}`,
  kind,
});

const isSecret = ({ group, plural }: Resource): boolean => group === "" && plural === "secrets";

const selectors = ({ labelSelector, fieldSelector }: Selection): Query => ({ labelSelector, fieldSelector });

const whatOf = ({ method, path }: Pick<Call, "method" | "path">): string => `${method} ${path.split("?", 1)[0]}`;

const refusal = (resource: Resource | undefined, call: Call, { status, headers, text }: Answer): KubeFault =>
  statusFault(jsonOf(text), {
    what: whatOf(call),
    status,
    isSecret: resource !== undefined && isSecret(resource),
    retryAfterMs: retryAfterMsOf(headers),
  });

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** The API server's own JSON; trusted to be of the kind that was asked for. */
const parsed = <T>(call: Pick<Call, "method" | "path">, text: string): T => {
  try {
    return JSON.parse(text);
  } catch {
    throw new KubeFault(`${whatOf(call)}: the answer is not JSON`, { status: 0 });
  }
};
