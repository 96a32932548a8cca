/** One call to one target: sends the request, judges the head of the answer, and hands the bytes to the sink that fits. */
import type { Readable, Transform } from "node:stream";
import type { Dispatcher, Pool } from "undici";
import type { RuleConfig } from "../../config/contract.ts";
import { type ErrorCode, GatewayError, refuse } from "../errors.ts";
import type { Admitted } from "../exchange.ts";
import type { HeaderPairs } from "./credentials/credential.ts";
import { decodedBytesFree, decodedRatioMax, decoderFor } from "./decoder.ts";
import { secretsIn } from "./echo.ts";
import { ErrorSink } from "./error-sink.ts";
import { isUnsent, upstreamFault } from "./faults.ts";
import { forwardedResponseHeaders } from "./headers.ts";
import { JsonSink } from "./json-sink.ts";
import { PipeSink } from "./pipe-sink.ts";
import { retryAfterMs } from "./retry-after.ts";
import type { AnswerHead, AnswerSink } from "./sink.ts";
import { StreamSink } from "./stream-sink.ts";

/** What became of an attempt. */
export type AttemptResult =
  /** The exchange has ended: an answer or an error went to the client. */
  | { readonly kind: "ended" }
  /** Nothing went to the client, and another target may be asked. */
  | {
      readonly kind: "failed";
      readonly error: GatewayError;
      readonly unsent: boolean;
      readonly restMs?: number;
      /** The same target is to be asked with another credential. */
      readonly isRekeyed?: boolean;
    };

/** One call, ready to be sent: path, headers and body are the target's already. `body` null: none. */
export interface AttemptRequest {
  readonly exchange: Admitted;
  readonly pool: Pool;
  readonly path: string;
  readonly headers: string[];
  /** Those of them that are the credential. */
  readonly credential: HeaderPairs;
  readonly body: Buffer | Readable | null;
  readonly timeouts: RuleConfig["timeouts"];
  /** A further target may be asked: answers that say "ask another" are not passed on. */
  readonly mayFailOver: boolean;
  /**
   * Told when the answer's head speaks about the credential (401, 429); `waitMs`: what its Retry-After says. True: another
   * one is asked, so this answer is not passed on.
   */
  readonly onKeyStatus: (status: number, waitMs: number | undefined) => boolean;
}

/** Statuses that say: ask another, or later. */
const failOverStatuses: ReadonlySet<number> = new Set([429, 503]);
/** Statuses that speak about the credential. */
const keyStatuses: ReadonlySet<number> = new Set([401, 429]);
/** Rest of a backend that asks for one without saying how long, in ms. */
const restDefaultMs = 1_000;

/** How long the rest of an answer that nobody takes is read, in ms. */
const thrownAwayMsMax = 1_000;

/** Runs the attempt; never throws. */
export function attempt(request: AttemptRequest): Promise<AttemptResult> {
  return new Promise((resolve) => {
    const handler = new AttemptHandler(request, resolve);
    const { exchange, path, headers, body } = request;
    const method = exchange.match.endpoint.method;
    const options: Dispatcher.DispatchOptions = {
      path,
      method,
      headers,
      body,
      headersTimeout: 0, // undici's own timers are half a second off, ours are not
      bodyTimeout: 0,
    };
    try {
      request.pool.dispatch(options, handler);
    } catch (fault) {
      handler.fault(fault);
    }
  });
}

class AttemptHandler implements Dispatcher.DispatchHandler {
  readonly #request: AttemptRequest;
  readonly #resolve: (result: AttemptResult) => void;
  /** An earlier target has had the request. */
  readonly #sentBefore: boolean;
  readonly #statusBefore: number | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #sink: AnswerSink | undefined;
  #decoder: Transform | undefined;
  #head: AnswerHead | undefined;
  #sent = false;
  #settled = false;
  #total: NodeJS.Timeout | undefined;
  /** Runs while something is waited for: the connection, the first byte, the next byte. */
  #waiting: NodeJS.Timeout | undefined;
  #encodedBytes = 0;
  #decodedBytes = 0;

  constructor(request: AttemptRequest, resolve: (result: AttemptResult) => void) {
    this.#request = request;
    this.#resolve = resolve;
    this.#sentBefore = request.exchange.call.sent;
    this.#statusBefore = request.exchange.call.upstreamStatus;
    const { totalMs, connectMs } = request.timeouts;
    this.#total = setTimeout(() => this.#end(refuse("upstream_total_timeout", String(totalMs))), totalMs).unref();
    this.#wait("upstream_connect_timeout", connectMs);
    request.exchange.onAbort((reason) =>
      this.#end(reason === "drain" ? refuse("draining") : new Error("the client went away")),
    );
  }

  /** Ends the attempt unless what is waited for comes within `ms`. */
  #wait(code: ErrorCode, ms: number): void {
    clearTimeout(this.#waiting);
    this.#waiting = setTimeout(() => this.#end(refuse(code, String(ms))), ms).unref();
  }
  #waitNoMore(): void {
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#settled || this.#request.exchange.abortReason !== undefined) {
      controller.abort(new Error("nobody waits for the answer"));
      return;
    }
    this.#sent = true;
    this.#request.exchange.call.sent = true;
    this.#request.exchange.call.upstreamStatus = undefined; // what an earlier target said is not what this one did
    this.#waitNoMore(); // an upload takes as long as the client does
  }

  onRequestSent(): void {
    if (!this.#settled && this.#head === undefined)
      this.#wait("upstream_first_byte_timeout", this.#request.timeouts.firstByteMs);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200 || this.#settled) return;
    const { exchange, mayFailOver } = this.#request;
    exchange.call.upstreamStatus = status;
    exchange.call.firstByteMs = exchange.clock.monotonicMs() - exchange.startedMs;
    const head = headOf(status, headers, controller.rawHeaders);
    this.#head = head;
    const mayAskAnother = keyStatuses.has(status) || (mayFailOver && failOverStatuses.has(status));
    const waitMs = mayAskAnother ? retryAfterMs(head.headers, exchange.clock.nowMs()) : undefined;
    const isRekeyed = keyStatuses.has(status) && this.#request.onKeyStatus(status, waitMs);
    if (isRekeyed || (mayFailOver && failOverStatuses.has(status))) {
      const error = refuse("upstream_error", String(status));
      this.#settle({ kind: "failed", error, unsent: false, restMs: waitMs ?? restDefaultMs, isRekeyed });
      // the rest of the answer is read and thrown away, so the connection can be used again, but not for long
      this.#wait("upstream_idle_timeout", thrownAwayMsMax);
      return;
    }
    this.#wait("upstream_idle_timeout", this.#request.timeouts.idleMs);
    if (status >= 300 && status < 400) {
      this.#refuse(refuse("upstream_redirect"));
      return;
    }
    const decoder = decoderFor(one(headers["content-encoding"]));
    if (decoder === "unknown") {
      this.#refuse(refuse("upstream_invalid_answer", "its content-encoding is unknown"));
      return;
    }
    this.#sink = this.#sinkFor(head, decoder === undefined ? one(headers["content-length"]) : undefined);
    if (decoder) this.#decodeThrough(decoder);
  }

  #sinkFor(head: AnswerHead, length: string | undefined): AnswerSink {
    const { exchange } = this.#request;
    const endpoint = exchange.match.endpoint;
    const done = (): void => this.#settle({ kind: "ended" });
    const flow = {
      pause: () => {
        this.#waitNoMore(); // it is the client now who is waited for
        (this.#decoder ?? this.#controller)?.pause();
      },
      resume: () => {
        this.#wait("upstream_idle_timeout", this.#request.timeouts.idleMs);
        (this.#decoder ?? this.#controller)?.resume();
      },
      abort: () => this.#controller?.abort(new Error("the answer is not taken")),
    };
    if (head.status >= 400)
      return new ErrorSink({ exchange, head, done, secrets: secretsIn(this.#request.credential) });
    if (head.mediaType === "text/event-stream" && endpoint.stream !== undefined) {
      clearTimeout(this.#total); // streams end by idle, not by total
      return new StreamSink({ exchange, head, flow, done, format: endpoint.stream });
    }
    const isText = head.mediaType.startsWith("text/") && head.mediaType !== "text/html";
    if (endpoint.answer === "binary" || (isText && endpoint.body === "multipart"))
      return new PipeSink({ exchange, head, flow, done, length });
    return new JsonSink({ exchange, head, flow, done });
  }

  /** Puts a decoder between connection and sink, with a bound on what comes out of it. */
  #decodeThrough(decoder: Transform): void {
    this.#decoder = decoder;
    decoder.on("data", (chunk: Buffer) => {
      this.#decodedBytes += chunk.length;
      if (this.#decodedBytes > decodedBytesFree && this.#decodedBytes > this.#encodedBytes * decodedRatioMax) {
        this.#refuse(refuse("upstream_too_large", "it unpacks to far more than it should"));
        return;
      }
      this.#sink?.data(chunk);
    });
    decoder.on("end", () => this.#sink?.end());
    decoder.on("error", (cause) =>
      this.#refuse(new GatewayError("upstream_invalid_answer", ["its compression is broken"], { cause })),
    );
    decoder.on("drain", () => this.#controller?.resume());
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#sink) this.#waiting?.refresh();
    if (this.#decoder) {
      this.#encodedBytes += chunk.length;
      if (!this.#decoder.destroyed && !this.#decoder.write(chunk)) controller.pause();
    } else if (this.#sink) this.#sink.data(chunk);
  }

  onResponseEnd(): void {
    this.#waitNoMore();
    if (this.#decoder) this.#decoder.end();
    else this.#sink?.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, cause: Error): void {
    this.fault(cause);
  }

  /** Translates what broke and ends the attempt; nothing when it has ended already. */
  fault(cause: unknown): void {
    if (this.#settled) return;
    const { exchange, timeouts, mayFailOver } = this.#request;
    const error = upstreamFault(cause, { timeouts, sent: this.#sent, answering: this.#head !== undefined });
    if (this.#sink) {
      this.#decoder?.destroy();
      this.#sink.fail(error);
      return;
    }
    const unsent = isUnsent(cause, this.#sent);
    if (unsent) Object.assign(exchange.call, { sent: this.#sentBefore, upstreamStatus: this.#statusBefore });
    if (exchange.abortReason !== undefined || !mayFailOver || !unsent) this.#refuse(error, unsent);
    else this.#settle({ kind: "failed", error, unsent });
  }

  /** Ends the provider's call, and the attempt with `why`. */
  #end(why: Error): void {
    this.#controller?.abort(why);
    this.fault(why); // where the provider is done already, undici has nobody to tell
  }

  /** The answer cannot be passed on: ends the provider's call and hands the error up. */
  #refuse(error: GatewayError, unsent = false): void {
    const sink = this.#sink;
    this.#decoder?.destroy();
    if (sink) sink.fail(error);
    else this.#settle({ kind: "failed", error, unsent });
    this.#controller?.abort(new Error("the answer is not taken"));
  }

  #settle(result: AttemptResult): void {
    if (this.#settled) return;
    this.#settled = true;
    clearTimeout(this.#total);
    this.#waitNoMore();
    this.#resolve(result);
  }
}

const one = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.join(", ") : value;

function headOf(status: number, headers: Record<string, string | string[] | undefined>, raw: unknown): AnswerHead {
  const list = Array.isArray(raw)
    ? (raw as (Buffer | string)[])
    : Object.entries(headers).flatMap(([k, v]) => [k, one(v) ?? ""]); // undici: flat list of buffers
  const type = one(headers["content-type"]) ?? "";
  const mark = type.indexOf(";");
  return {
    status,
    headers: forwardedResponseHeaders(list),
    mediaType: (mark < 0 ? type : type.slice(0, mark)).trim().toLowerCase(),
  };
}
