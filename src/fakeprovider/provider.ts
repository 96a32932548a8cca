import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Answering } from "./answering.ts";
import { askedInBody, BehaviourSource } from "./behaviour-source.ts";
import type { ParsedBody, Target } from "./call-parsing.ts";
import { keyIn, parsedBody, targetOf } from "./call-parsing.ts";
import { answerControl, controlPrefix } from "./control.ts";
import { deliver } from "./delivery.ts";
import { ApiFault } from "./failures.ts";
import type { Behaviour } from "./knobs.ts";
import { BehaviourFault, behaviourFrom } from "./knobs.ts";
import type { OpenRecord, RecordedRequest } from "./recorder.ts";
import { Recorder } from "./recorder.ts";
import { type FederationOptions, TokenEndpoints } from "./token-endpoints.ts";
import { Wire } from "./wire.ts";

/** Largest request body read; a longer one ends its connection. */
const requestBodyBytesMax = 1024 * 1024 * 1024;
const headerBytesMax = 128 * 1024;
const keepAliveTimeoutMs = 75_000;
const emptyBody = Buffer.alloc(0);

/** A provider that answers on a socket of this machine as OpenAI and Azure do. */
export interface FakeProvider {
  /** `http://127.0.0.1:PORT`; OpenAI's base is this and `/v1`, Azure's endpoint is this. */
  readonly url: string;
  readonly port: number;
  /** The last 10 000 requests that arrived, oldest first. */
  readonly requests: readonly RecordedRequest[];
  readonly openSockets: number;
  /** Requests whose answer has not ended. */
  readonly openRequests: number;
  /** Forgets recorded requests and scripted behaviour; stored objects and ids go on. */
  reset(): void;
  /** The next requests take these behaviours (objects, or text as `x-fake` has it), in order. @throws BehaviourFault */
  script(...steps: readonly (Behaviour | string)[]): void;
  /** Accepts these keys from now on, and no others; exchanged tokens go on. */
  acceptKeys(keys: readonly string[]): void;
  /** Requests with this key take this behaviour; undefined: no more. A script and `x-fake` go first. @throws BehaviourFault */
  behaveFor(key: string, behaviour: Behaviour | string | undefined): void;
  /** Token endpoints take this behaviour; undefined: no more. @throws BehaviourFault */
  behaveAtExchange(behaviour: Behaviour | string | undefined): void;
  /** Every token that was exchanged so far is bad from now on. */
  revokeTokens(): void;
  /** Who may exchange tokens from now on; those that were exchanged go on. */
  federate(options: FederationOptions): void;
  /** Ends every connection and stops listening. */
  close(): Promise<void>;
}

/** How a fake provider is started. */
export interface FakeProviderOptions {
  /** 0 or absent takes a free port. */
  readonly port?: number;
  /** Absent is 127.0.0.1. */
  readonly host?: string;
  /** Decides words and ids; absent is 1. */
  readonly seed?: number;
  /** Accepted keys; absent accepts any but `bad-key`. */
  readonly keys?: readonly string[];
  /** Who may exchange tokens at `/oauth/token` (OpenAI) and `/TENANT/oauth2/v2.0/token` (Microsoft Entra); absent: anybody. */
  readonly federation?: FederationOptions;
}

/** Starts a provider. @throws when the port is taken */
export async function startFakeProvider(options: FakeProviderOptions = {}): Promise<FakeProvider> {
  const provider = new ProviderServer(options);
  await provider.listen(options.port ?? 0, options.host ?? "127.0.0.1");
  return provider;
}

class ProviderServer implements FakeProvider {
  readonly #answering: Answering;
  readonly #recorder = new Recorder();
  readonly #source = new BehaviourSource();
  readonly #sockets = new Map<Socket, number>();
  readonly #server = createServer({
    maxHeaderSize: headerBytesMax,
    keepAliveTimeout: keepAliveTimeoutMs,
    requestTimeout: 0,
  });
  readonly #byKey = new Map<string, Behaviour>();
  #atExchange: Behaviour | undefined;
  #connections = 0;
  #openRequests = 0;
  #host = "127.0.0.1";

  constructor(options: FakeProviderOptions) {
    this.#answering = new Answering({ seed: options.seed ?? 1, keys: options.keys, federation: options.federation });
    this.#server.on("connection", (socket: Socket) => {
      this.#connections += 1;
      this.#sockets.set(socket, this.#connections);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("request", (request, response) => this.#receive(request, response));
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  get url(): string {
    return `http://${this.#host}:${this.port}`;
  }

  get requests(): readonly RecordedRequest[] {
    return this.#recorder.requests;
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  get openRequests(): number {
    return this.#openRequests;
  }

  async listen(port: number, host: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, resolve);
    });
    this.#host = host.includes(":") ? `[${host}]` : host === "0.0.0.0" ? "127.0.0.1" : host;
  }

  reset(): void {
    this.#recorder.clear();
    this.#source.reset();
  }

  acceptKeys(keys: readonly string[]): void {
    this.#answering.acceptKeys(keys);
  }

  behaveFor(key: string, behaviour: Behaviour | string | undefined): void {
    if (behaviour === undefined) this.#byKey.delete(key);
    else this.#byKey.set(key, behaviourFrom(behaviour));
  }

  behaveAtExchange(behaviour: Behaviour | string | undefined): void {
    this.#atExchange = behaviour === undefined ? undefined : behaviourFrom(behaviour);
  }

  revokeTokens(): void {
    this.#answering.tokens.revoke();
  }

  federate(options: FederationOptions): void {
    this.#answering.tokens.federate(options);
  }

  script(...steps: readonly (Behaviour | string)[]): void {
    this.#source.script(steps.map(behaviourFrom));
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets.keys()) socket.destroy();
    await closed;
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? "/";
    if (url.startsWith(controlPrefix)) {
      answerControl(request, response, this);
      return;
    }
    const record = this.#open(request, response, url);
    let early: Behaviour | undefined;
    try {
      early = this.#earlyFor(url, record.headers);
    } catch (error) {
      refuse(response, error);
      return;
    }
    const target = targetIn(url);
    if (early?.early === true) {
      this.#answer({ request, response, record, target, behaviour: early });
      request.resume();
      return;
    }
    collectBody(request, record, (body) => {
      this.#recorder.keepBody(record, body);
      this.#answer({ request, response, record, target, behaviour: early });
    });
  }

  /** What is known of the answer before the body is there. */
  #earlyFor(url: string, headers: RecordedRequest["headers"]): Behaviour | undefined {
    if (TokenEndpoints.owns(url)) return this.#atExchange ?? {};
    const scripted = this.#source.takeScripted();
    if (scripted) return scripted;
    if (headers["x-fake"] !== undefined) return this.#source.fromText(headers["x-fake"]);
    return this.#byKey.get(keyIn(headers, targetIn(url)?.dialect ?? "openai") ?? "");
  }

  #open(request: IncomingMessage, response: ServerResponse, path: string): OpenRecord {
    const record: OpenRecord = {
      method: request.method ?? "GET",
      path,
      headers: request.headers as Record<string, string>, // only set-cookie is a list, and no request carries it
      rawHeaders: request.rawHeaders,
      body: emptyBody,
      bodyBytes: 0,
      atMs: Date.now(),
      aborted: false,
      abortedAtMs: undefined,
      ended: false,
      status: 0,
      connection: this.#sockets.get(request.socket) ?? 0,
    };
    this.#recorder.open(record);
    this.#openRequests += 1;
    response.once("close", () => {
      this.#openRequests -= 1;
      record.status = response.headersSent ? response.statusCode : 0;
      if (response.writableFinished) record.ended = true;
      else if (!record.ended || response.writableEnded) {
        record.aborted = true;
        record.abortedAtMs = Date.now();
      }
    });
    return record;
  }

  #answer(exchange: Exchange): void {
    const { request, response, record, target } = exchange;
    const parsed = parsedIn(record);
    try {
      const behaviour = exchange.behaviour ?? this.#source.fromText(askedIn(parsed));
      const { method, path: url, headers, body } = record;
      const { call, reply } = this.#answering.answer({ method, url, headers, body, behaviour, target, parsed });
      const wire = new Wire(request, response, record, behaviour);
      deliver(call, reply, wire).catch((error: unknown) => refuse(response, error));
    } catch (error) {
      refuse(response, error);
    }
  }
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: OpenRecord;
  readonly target: Target | undefined;
  readonly behaviour: Behaviour | undefined;
}

const targetIn = (url: string): Target | undefined => {
  try {
    return targetOf(url);
  } catch {
    return undefined; // a path that cannot be decoded is an unknown one
  }
};

const parsedIn = (record: OpenRecord): ParsedBody | ApiFault => {
  try {
    return parsedBody(record.body, record.headers["content-type"] ?? "");
  } catch (error) {
    if (error instanceof ApiFault) return error;
    throw error;
  }
};

const askedIn = (parsed: ParsedBody | ApiFault): string | undefined =>
  parsed instanceof ApiFault ? undefined : askedInBody(parsed.json);

const collectBody = (request: IncomingMessage, record: OpenRecord, done: (body: Buffer) => void): void => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => {
    record.bodyBytes += chunk.length;
    if (record.bodyBytes > requestBodyBytesMax) request.destroy();
    else chunks.push(chunk);
  });
  request.once("end", () => done(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)));
};

/** Answers what the fake itself cannot do, in a shape that no test takes for the provider's. */
const refuse = (response: ServerResponse, error: unknown): void => {
  const status = error instanceof BehaviourFault ? 400 : 500;
  const message = error instanceof Error ? error.message : String(error);
  if (response.headersSent) response.destroy();
  else {
    const body = { error: { message, type: "fake_provider_error", param: null, code: "fake_provider_error" } };
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }
};
