/**
 * Takes an event stream: whole events go on as they come, byte for byte; usage is read on the way; the exchange is settled at
 * the terminal event; every abnormal end becomes an error frame that both official SDKs raise.
 */

import type { StreamFormat } from "../../openai/endpoints.ts";
import { GatewayError, refuse } from "../errors.ts";
import type { Admitted, Ending } from "../exchange.ts";
import { isBackground } from "../openai/background.ts";
import { type ErrorObject, errorFrame } from "../openai/error-frame.ts";
import { textBytesPerToken } from "../openai/estimate.ts";
import type { StreamMeter } from "../openai/meter.ts";
import { EventTooLarge, SseSplitter } from "../openai/sse.ts";
import { createStreamMeter } from "../openai/stream-meter.ts";
import { unreadableEventCode, wholeUsage } from "../openai/tally.ts";
import { isCacheable } from "../replay/cacheable.ts";
import { flatHeaders, isOpen } from "../reply.ts";
import { cacheAnswerBytesMax } from "./json-sink.ts";
import type { AnswerHead, AnswerSink, Flow } from "./sink.ts";

/** How long a client may leave what was sent to it unread, in ms. */
export const stalledClientMs = 300_000;

/** Formats whose output is media: it is billed though little of it was seen, and its tokens do not follow from its length. */
const mediaFormats: ReadonlySet<StreamFormat> = new Set(["images", "speech"]);

/** An event stream of any length: at most one event is held back, beside the copy for the cache. `format` says what ends it. */
export class StreamSink implements AnswerSink {
  readonly #exchange: Admitted;
  readonly #head: AnswerHead;
  readonly #flow: Flow;
  readonly #done: () => void;
  readonly #format: StreamFormat;
  readonly #meter: StreamMeter;
  readonly #splitter: SseSplitter;
  /** The stream as it came, for the cache; undefined: it is not to be stored, or has become too large. */
  #copy: Buffer[] | undefined;
  #copyBytes = 0;
  #stalled: NodeJS.Timeout | undefined;
  #hasWritten = false;
  #finished = false;

  constructor(options: { exchange: Admitted; head: AnswerHead; flow: Flow; done: () => void; format: StreamFormat }) {
    this.#exchange = options.exchange;
    this.#head = options.head;
    this.#flow = options.flow;
    this.#done = options.done;
    this.#format = options.format;
    this.#meter = createStreamMeter(options.format, { stripUsage: options.exchange.stripUsage });
    this.#meter.onTerminal = () => this.#terminal();
    this.#splitter = new SseSplitter(this.#meter);
    this.#copy = options.exchange.fillCache === undefined ? undefined : [];
    this.#writeHead();
  }

  #writeHead(): void {
    const { response } = this.#exchange;
    if (!isOpen(response) || response.headersSent) return;
    response.writeHead(this.#head.status, flatHeaders(this.#head.headers, this.#exchange.answerHeaders));
    // the first event mostly comes in the same read: then head and event leave in one write, else the head goes alone
    setImmediate(() => {
      if (!this.#hasWritten && isOpen(response)) response.flushHeaders();
    });
  }

  data(chunk: Buffer): void {
    if (this.#finished) return;
    this.#keep(chunk);
    try {
      this.#write(this.#splitter.push(chunk));
    } catch (fault) {
      if (!(fault instanceof EventTooLarge)) throw fault;
      this.#write(fault.forward);
      // stated before the call is ended, which is an error of its own
      this.fail(new GatewayError("upstream_too_large", ["one event"], { cause: fault }));
      this.#flow.abort();
    }
  }

  #write(bytes: Buffer | undefined): void {
    const { response } = this.#exchange;
    if (bytes === undefined || !isOpen(response)) return;
    this.#hasWritten = true;
    if (response.write(bytes)) return;
    this.#flow.pause();
    this.#stalled = setTimeout(() => this.#stall(), stalledClientMs).unref();
    response.once("drain", () => {
      clearTimeout(this.#stalled);
      this.#flow.resume();
    });
  }

  #stall(): void {
    this.#state("aborted", "client_stalled");
    this.#exchange.response.destroy();
    this.#finish();
    this.#flow.abort();
  }

  end(): void {
    if (this.#finished) return;
    const { tally } = this.#meter;
    const hadEnded = tally.terminal !== undefined;
    const rest = this.#splitter.flush();
    if (hadEnded || (tally.terminal !== undefined && tally.errorCode !== unreadableEventCode)) {
      this.#write(rest && this.#format !== "chat" && this.#format !== "completions" ? withBlankLine(rest) : rest);
      if (tally.bareError) this.#writeErrorFrame({ ...tally.bareError, type: "upstream_error", param: null });
      this.#close();
      return;
    }
    // no terminal event, or one that was cut in its middle: some clients drop such a rest without a word
    const error = refuse("upstream_truncated");
    this.#state("uncertain", error.code);
    this.#writeErrorFrame(error);
    this.#close();
  }

  /** Whole events so far, then one error frame, then the end; no `[DONE]`, so nobody takes it for success. */
  fail(error: GatewayError): void {
    if (this.#finished) return;
    if (this.#meter.tally.terminal === undefined) {
      this.#state(this.#exchange.abortReason === "client" ? "aborted" : "uncertain", error.code);
      this.#writeErrorFrame(error);
    }
    this.#close();
  }

  #writeErrorFrame({ message, type, code, param }: ErrorObject): void {
    const { response } = this.#exchange;
    if (!isOpen(response)) return;
    response.write(errorFrame(this.#format, { message, type, code, param }, this.#meter.tally.nextSequenceNumber));
  }

  #terminal(): void {
    const { terminal = "completed", errorCode } = this.#meter.tally;
    if (terminal === "completed") this.#fill();
    // an end that cannot be read may have told any usage
    this.#state(errorCode === unreadableEventCode ? "uncertain" : terminal, errorCode);
  }

  #state(outcome: Ending["outcome"], errorCode: string | undefined): void {
    const { tally } = this.#meter;
    const usage = wholeUsage(tally, this.#exchange.estimate.choices);
    const observedOutputTokens = this.#observed(usage ? 0 : (tally.usage?.outputTokens ?? 0));
    // what came before a failure is billed: where it cannot be counted nobody knows how much
    const isUnknown = outcome === "failed" && usage === undefined && observedOutputTokens === undefined;
    this.#exchange.end({
      outcome: isUnknown ? "uncertain" : outcome,
      status: this.#head.status,
      errorCode,
      usage,
      responseModel: tally.model,
      finishReasons: tally.finishReasons,
      observedOutputTokens,
    });
  }

  /** Output that was seen, in tokens, or told on the way; undefined: what was seen does not tell what was made. */
  #observed(told: number): number | undefined {
    const { terminal, deltaEvents, outputBytes, mediaBytes } = this.#meter.tally;
    const isMedia = mediaBytes > 0 || (terminal !== "failed" && mediaFormats.has(this.#format));
    if (isMedia || (terminal === undefined && isBackground(this.#exchange))) return undefined;
    return Math.max(deltaEvents, Math.ceil(outputBytes / textBytesPerToken), told);
  }

  #keep(chunk: Buffer): void {
    if (this.#copy === undefined) return;
    this.#copyBytes += chunk.length;
    if (this.#copyBytes > cacheAnswerBytesMax) this.#copy = undefined;
    else this.#copy.push(chunk);
  }

  #fill(): void {
    const { fillCache } = this.#exchange;
    if (!fillCache || !this.#copy || this.#head.status !== 200) return;
    const bytes = Buffer.concat(this.#copy, this.#copyBytes);
    if (!isCacheable(this.#format, { kind: "sse", bytes })) return;
    fillCache({ kind: "sse", bytes, contentType: "text/event-stream", usage: this.#meter.tally.usage });
  }

  #close(): void {
    if (isOpen(this.#exchange.response)) this.#exchange.response.end();
    this.#finish();
  }
  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    clearTimeout(this.#stalled);
    this.#done();
  }
}

/**
 * What a stream ended with, closed by a blank line: the Python SDK drops a last event that has none, and in these formats it is the
 * one that matters. Chat ends with `[DONE]`, which says nothing that the end does not.
 */
function withBlankLine(rest: Buffer): Buffer {
  const tail = rest.subarray(-2).toString("latin1");
  if (/[\r\n]$/.test(tail)) return tail === "\n\n" || tail === "\r\r" ? rest : Buffer.concat([rest, Buffer.from("\n")]);
  return Buffer.concat([rest, Buffer.from("\n\n")]);
}
