/** Takes an answer that nobody has to read (audio, file contents): piped through as it comes. */
import type { GatewayError } from "../errors.ts";
import type { Admitted } from "../exchange.ts";
import { flatHeaders, isOpen } from "../reply.ts";
import type { AnswerHead, AnswerSink, Flow } from "./sink.ts";
import { stalledClientMs } from "./stream-sink.ts";

/** Passes an answer of any length on unread. `length`: the provider's content-length; undefined: it goes out chunked. */
export class PipeSink implements AnswerSink {
  readonly #exchange: Admitted;
  readonly #head: AnswerHead;
  readonly #flow: Flow;
  readonly #done: () => void;
  #stalled: NodeJS.Timeout | undefined;
  constructor(options: {
    exchange: Admitted;
    head: AnswerHead;
    flow: Flow;
    done: () => void;
    length: string | undefined;
  }) {
    this.#exchange = options.exchange;
    this.#head = options.head;
    this.#flow = options.flow;
    this.#done = options.done;
    const { response } = options.exchange;
    const length: [string, string][] = options.length === undefined ? [] : [["content-length", options.length]];
    if (isOpen(response))
      response.writeHead(
        options.head.status,
        flatHeaders(options.head.headers, options.exchange.answerHeaders, length),
      );
  }
  data(chunk: Buffer): void {
    const { response } = this.#exchange;
    if (!isOpen(response) || response.write(chunk)) return;
    this.#flow.pause();
    this.#stalled = setTimeout(() => {
      this.#flow.abort();
      response.destroy();
    }, stalledClientMs).unref();
    response.once("drain", () => {
      clearTimeout(this.#stalled);
      this.#flow.resume();
    });
  }
  end(): void {
    clearTimeout(this.#stalled);
    this.#exchange.end({ outcome: "completed", status: this.#head.status });
    if (isOpen(this.#exchange.response)) this.#exchange.response.end();
    this.#done();
  }
  /** Bytes have left and there is no frame for an error: the connection is cut, so that the client notices. */
  fail(error: GatewayError): void {
    clearTimeout(this.#stalled);
    const outcome = this.#exchange.abortReason === "client" ? "aborted" : "uncertain";
    this.#exchange.end({ outcome, status: this.#head.status, errorCode: error.code });
    this.#exchange.response.destroy();
    this.#done();
  }
}
