/** HTTP to the API server: kept-alive connections, a limit on time, size and silence, and nothing of Kubernetes but its base address. */
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from "node:https";
import type { Connection, Credentials } from "./connection.ts";
import { KubeFault } from "./port.ts";
import type { Timers } from "./timers.ts";

/** One request. */
export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly accept: string;
  readonly contentType?: string | undefined;
  readonly body?: string | undefined;
  /** The whole answer must be there by then; of a stream, its head. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** A whole answer. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** How bytes travel; the only part that knows sockets. */
export interface Transport {
  /** Throws KubeFault (status 0) when there is no whole answer in time. Any status is an answer. */
  send(call: Call): Promise<Answer>;
  /**
   * Like `send`, with the body of a 200 as it comes: then `text` is empty. Resolves at its end; throws when it breaks, when no byte
   * comes for `silenceMsMax`, or what `onChunk` throws.
   */
  stream(call: Call, onChunk: (chunk: Buffer) => void, silenceMsMax: number): Promise<Answer>;
  /** Closes every connection. */
  close(): void;
}

const socketsMax = 256; // a watch holds one; several resources times the namespaces of a scoped operator
const keepAliveMs = 15_000; // TCP probes while a connection is silent
const answerBytesMax = 256 * 1_048_576; // 500 Secrets of nearly half a MiB

/** A request whose answer has begun. */
interface Begun {
  readonly answer: IncomingMessage;
  readonly limits: Limits;
}

/** What ends a request from our side: its time, its signal. */
class Limits {
  /** Why we ended it; undefined: we did not. */
  fault: KubeFault | undefined;
  readonly #call: Call;
  readonly #timers: Timers;
  readonly #end: (fault: KubeFault, isTimeout: boolean) => void;
  #callOff: () => void = () => undefined;
  readonly #abort = (): void => this.#fail("called off", false);

  constructor(call: Call, timers: Timers, end: (fault: KubeFault, isTimeout: boolean) => void) {
    this.#call = call;
    this.#timers = timers;
    this.#end = end;
  }

  begin(): void {
    this.extend(this.#call.timeoutMs, `no answer within ${this.#call.timeoutMs} ms`);
    this.#call.signal?.addEventListener("abort", this.#abort);
    if (this.#call.signal?.aborted) this.#abort();
  }

  /** From now on it has this long. */
  extend(ms: number, message = `silent for ${ms} ms`): void {
    this.#callOff();
    this.#callOff = this.#timers.after(ms, () => this.#fail(message, true));
  }

  done(): void {
    this.#callOff();
    this.#call.signal?.removeEventListener("abort", this.#abort);
  }

  #fail(message: string, isTimeout: boolean): void {
    this.fault ??= faultOf(this.#call, message);
    this.#end(this.fault, isTimeout);
  }
}

const faultOf = (call: Call, message: string, cause?: unknown): KubeFault =>
  new KubeFault(`${call.method} ${call.path.split("?", 1)[0]}: ${message}`, { status: 0, cause });

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause ? String(cause.code) : cause instanceof Error ? cause.message : "failed";

/** A connection that the server closed while it lay idle is no answer to a request that had barely left. POST alone is not safe to send twice. */
const isStale = (call: Call, isReused: boolean, cause: unknown): boolean =>
  isReused && call.method !== "POST" && ["ECONNRESET", "EPIPE"].includes(codeOf(cause));

/** Follows a body to its end. */
const follow = (call: Call, { answer, limits }: Begun, onChunk: (chunk: Buffer) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    const broken = (cause?: unknown): void => {
      limits.done();
      reject(limits.fault ?? (cause instanceof KubeFault ? cause : faultOf(call, "the connection broke", cause)));
    };
    answer.on("data", (chunk: Buffer) => {
      try {
        onChunk(chunk);
      } catch (cause) {
        broken(cause); // first: the destroyed answer reports a broken connection
        answer.destroy();
      }
    });
    answer.on("error", broken);
    answer.on("end", () => {
      if (!answer.complete) return broken();
      limits.done();
      resolve();
    });
    answer.on("close", () => (answer.complete ? undefined : broken()));
  });

/** A Transport over node:https, or node:http where the address says so. Opens no connection before the first request. */
export class HttpTransport implements Transport {
  readonly #connection: Connection;
  readonly #timers: Timers;
  readonly #base: URL;
  readonly #agent: HttpAgent | HttpsAgent;
  #isClosed = false;

  constructor(connection: Connection, timers: Timers) {
    this.#connection = connection;
    this.#timers = timers;
    this.#base = new URL(connection.url);
    const options = { keepAlive: true, keepAliveMsecs: keepAliveMs, maxSockets: socketsMax, maxFreeSockets: 8 };
    this.#agent = this.#isPlain ? new HttpAgent(options) : new HttpsAgent(options);
  }

  async send(call: Call): Promise<Answer> {
    return this.#whole(call, await this.#openAuthorized(call));
  }

  async stream(call: Call, onChunk: (chunk: Buffer) => void, silenceMsMax: number): Promise<Answer> {
    const begun = await this.#openAuthorized(call);
    const { statusCode = 0, headers } = begun.answer;
    if (statusCode !== 200) return this.#whole(call, begun);
    begun.limits.extend(silenceMsMax);
    await follow(call, begun, (chunk) => {
      begun.limits.extend(silenceMsMax);
      onChunk(chunk);
    });
    return { status: statusCode, headers, text: "" };
  }

  close(): void {
    this.#isClosed = true;
    this.#agent.destroy();
  }

  get #isPlain(): boolean {
    return this.#base.protocol === "http:";
  }

  /** Answers a 401 by reading the credentials anew, once. */
  async #openAuthorized(call: Call): Promise<Begun> {
    const first = await this.#open(call, false);
    if (first.answer.statusCode !== 401) return first;
    await follow(call, first, () => undefined);
    return this.#open(call, true);
  }

  async #whole(call: Call, begun: Begun): Promise<Answer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    await follow(call, begun, (chunk) => {
      bytes += chunk.length;
      if (bytes > answerBytesMax) throw faultOf(call, `the answer has more than ${answerBytesMax} bytes`);
      chunks.push(chunk);
    });
    const { statusCode = 0, headers } = begun.answer;
    return { status: statusCode, headers, text: Buffer.concat(chunks).toString("utf8") };
  }

  /** Sends it, on an idle connection unless `isFresh`; resolves with the head of the answer. */
  async #open(call: Call, isRefused: boolean, isFresh = false): Promise<Begun> {
    const credentials = await this.#connection.credentials(isRefused);
    return new Promise((resolve, reject) => {
      const send = this.#isPlain ? httpRequest : httpsRequest;
      const sent = send(this.#requestOptions(call, credentials, isFresh));
      const limits = new Limits(call, this.#timers, (fault, isTimeout) => {
        if (isTimeout) this.#dropIdle();
        sent.destroy(fault);
      });
      sent.on("response", (answer) => resolve({ answer, limits }));
      sent.on("error", (cause) => {
        limits.done();
        const { fault } = limits;
        const isSentAgain = fault === undefined && !this.#isClosed && isStale(call, sent.reusedSocket, cause);
        if (isSentAgain) resolve(this.#open(call, false, true));
        else reject(fault ?? faultOf(call, codeOf(cause), cause));
      });
      limits.begin();
      sent.end(call.body);
    });
  }

  #requestOptions(call: Call, { headers, tls, agent: proxy }: Credentials, isFresh: boolean): RequestOptions {
    const body = call.body;
    return {
      ...(this.#isPlain ? {} : tls),
      agent: isFresh ? false : (proxy ?? this.#agent),
      method: call.method,
      host: this.#base.hostname.replace(/^\[|\]$/g, ""),
      port: this.#base.port || (this.#isPlain ? 80 : 443),
      path: `${this.#base.pathname.replace(/\/$/, "")}${call.path}`,
      headers: {
        accept: call.accept,
        "user-agent": "sidegate",
        ...(body !== undefined && {
          "content-type": call.contentType ?? "application/json",
          "content-length": Buffer.byteLength(body),
        }),
        ...headers,
      },
    };
  }

  /** After a time-out no idle connection is trusted: they may all lead nowhere. */
  #dropIdle(): void {
    for (const sockets of Object.values(this.#agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }
}
