/** The frame around every request: makes the exchange, runs the pipeline, answers what it throws, states the ending. */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { GatewayError, refuse } from "./errors.ts";
import { type AbortReason, type Ending, Exchange } from "./exchange.ts";
import { type Arrival, type ClientRequest, type ClientResponse, plainLoopback } from "./message.ts";
import type { SidecarMetrics } from "./metrics.ts";
import { sendError } from "./reply.ts";
import type { Snapshot } from "./snapshot.ts";
import { recordOutcome } from "./stages/record.ts";

/** Characters of a client's own request id that are taken over. */
const requestIdPattern = /^[A-Za-z0-9._-]{1,128}$/;

/** Takes the requests of one sidecar and knows those that have not ended. It lives as long as the process; configs are swapped in. */
export class Gateway {
  readonly #clock: Clock;
  readonly #metrics: SidecarMetrics;
  readonly #log: Log;
  readonly #instance: string;
  readonly #running = new Set<Exchange>();
  #snapshot: Snapshot;
  #count = 0;
  /** Answers whose last byte has not left, and that were not cut off either. */
  #open = 0;
  #draining = false;

  constructor(options: { clock: Clock; metrics: SidecarMetrics; log: Log; instance: string; snapshot: Snapshot }) {
    this.#clock = options.clock;
    this.#metrics = options.metrics;
    this.#log = options.log;
    this.#instance = options.instance;
    this.#snapshot = options.snapshot;
  }

  /** The config in force. */
  get snapshot(): Snapshot {
    return this.#snapshot;
  }
  /** Requests that have not ended. */
  get running(): number {
    return this.#running.size;
  }
  /** Requests that have ended, with answers that are still on their way to a client. */
  get leaving(): number {
    return Math.max(0, this.#open - this.#running.size);
  }
  /** Puts a config in force: requests that come from now on use it, those that run keep theirs. */
  swap(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
  }
  /** From now on new requests are refused, and connections are closed after their answer. */
  beginDrain(): void {
    this.#draining = true;
  }
  /** Ends what still runs: streams get an error frame. */
  abortRunning(reason: AbortReason): void {
    for (const exchange of this.#running) exchange.abort(reason);
  }

  /** Takes one request; never throws and never rejects. */
  handle(request: ClientRequest, response: ClientResponse, arrival: Arrival = plainLoopback): void {
    const snapshot = this.#snapshot;
    const exchange = new Exchange({
      id: this.#idFor(request),
      clock: this.#clock,
      request,
      response,
      arrival,
      onListenerFault: (err) => this.#log.error({ err }, "giving back after a request failed"),
    });
    const { answerHeaders } = exchange;
    answerHeaders.add("x-sidegate-request-id", exchange.id);
    for (const [name, value] of arrival.isSecure ? snapshot.secureAnswerHeaders : snapshot.answerHeaders)
      answerHeaders.add(name, value);
    if (this.#draining || arrival.isLast) answerHeaders.add("connection", "close");
    this.#running.add(exchange);
    this.#open++;
    this.#metrics.started();
    // registered first, so it runs last: metrics and audit see what the stages made of it
    exchange.onEnd((ending) => this.#ended(exchange, snapshot, ending));
    response.once("close", () => this.#closed(exchange));
    const handling = this.#draining ? Promise.reject(refuse("draining")) : snapshot.handler(exchange);
    handling.then(
      () => this.#assertEnded(exchange),
      (fault: unknown) => this.#answer(exchange, fault),
    );
  }

  /** Our id for a request: unique for each, traceable to the instance. */
  #idFor(request: ClientRequest): string {
    this.#count++;
    const own = request.headers["x-correlation-id"];
    const suffix = typeof own === "string" && requestIdPattern.test(own) ? `.${own.slice(0, 64)}` : "";
    return `sg-${this.#instance}-${this.#count.toString(36)}${suffix}`;
  }

  #closed(exchange: Exchange): void {
    this.#open--;
    if (!exchange.response.writableFinished) exchange.abort("client");
  }

  /** A pipeline that ends without an ending has swallowed something: that is our fault, and nobody's consent. */
  #assertEnded(exchange: Exchange): void {
    if (exchange.ending) return;
    this.#log.error({ id: exchange.id, path: exchange.match?.endpoint.path }, "a stage ended without an answer");
    this.#answer(exchange, refuse("internal_error"));
  }

  #answer(exchange: Exchange, fault: unknown): void {
    const error = fault instanceof GatewayError ? fault : new GatewayError("internal_error", [], { cause: fault });
    if (error.code === "internal_error")
      this.#log.error({ id: exchange.id, err: error.cause ?? error }, "request failed inside the sidecar");
    exchange.end({ outcome: outcomeOf(exchange), status: error.status, errorCode: error.code });
    this.#metrics.refused(error.code);
    if (exchange.response.headersSent) exchange.response.destroy();
    else sendError(exchange, error);
  }

  #ended(exchange: Exchange, snapshot: Snapshot, ending: Ending): void {
    this.#running.delete(exchange);
    this.#metrics.ended(exchange, ending);
    if (snapshot.record) recordOutcome(snapshot.record, exchange, ending);
  }
}

/** What a thrown error means for the bill. */
function outcomeOf(exchange: Exchange): Ending["outcome"] {
  const { call, abortReason } = exchange;
  if (!call.sent) return "refused";
  if (abortReason === "client") return "aborted";
  if (call.upstreamStatus !== undefined && call.upstreamStatus >= 300) return "failed";
  return "uncertain";
}
