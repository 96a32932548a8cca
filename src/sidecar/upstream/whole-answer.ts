/** One call whose whole answer is wanted: bounded in time and size, never redirected, never tried again. For what identity providers answer. */
import type { Dispatcher } from "undici";
import { isUnsent } from "./faults.ts";
import type { Pools } from "./pools.ts";

/** How long connecting may take, in ms. */
const connectMs = 5_000;

/** How a call ended without an answer. `invalid`: the answer is not what was asked for. */
export type CallFailure = "unavailable" | "timeout" | "invalid";

/** What came back before the body. */
export interface AnswerHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** All of it. */
export interface WholeAnswer extends AnswerHead {
  readonly body: string;
}

/** What is sent, and what of the answer is taken. */
export interface WholeCall {
  readonly url: URL;
  readonly method: "GET" | "POST";
  /** Names and values in turn. An answer is asked for as it is, not compressed. */
  readonly headers: readonly string[];
  /** May be secret: it is never logged. */
  readonly body?: string;
  /** For the whole call. */
  readonly timeoutMs: number;
  /** Longest body that is taken. */
  readonly bytesMax: number;
  /** A fault of the caller's kind. `message` names the host, and nothing of the answer. */
  readonly fault: (failure: CallFailure, message: string, cause?: unknown) => Error;
  /** Looks at the head; a fault ends the call, and the body is not read. Absent: every status will do. */
  readonly refusal?: (head: AnswerHead) => Error | undefined;
}

/** Makes the call over the pools that requests use, too. Rejects with the call's own faults. */
export const wholeAnswer = (pools: Pools, call: WholeCall): Promise<WholeAnswer> =>
  new Promise((resolve, reject) => {
    const { url, method, body } = call;
    const handler = new WholeAnswerHandler(call, resolve, reject);
    const headers = [...call.headers, "accept-encoding", "identity"];
    const path = `${url.pathname}${url.search}`;
    try {
      const pool = pools.get(url.origin, connectMs);
      pool.dispatch({ path, method, headers, body: body ?? null, headersTimeout: 0, bodyTimeout: 0 }, handler);
    } catch (cause) {
      handler.fail(cause);
    }
  });

class WholeAnswerHandler implements Dispatcher.DispatchHandler {
  readonly #call: WholeCall;
  readonly #resolve: (answer: WholeAnswer) => void;
  readonly #reject: (fault: Error) => void;
  readonly #chunks: Buffer[] = [];
  readonly #timer: NodeJS.Timeout;
  #controller: Dispatcher.DispatchController | undefined;
  #head: AnswerHead = { status: 0, headers: {} };
  #bytes = 0;
  #isSent = false;
  #isDone = false;

  constructor(call: WholeCall, resolve: (answer: WholeAnswer) => void, reject: (fault: Error) => void) {
    this.#call = call;
    this.#resolve = resolve;
    this.#reject = reject;
    const late = (): void => this.#end("timeout", `did not answer within ${call.timeoutMs} ms`);
    this.#timer = setTimeout(late, call.timeoutMs).unref();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#isSent = true;
    if (this.#isDone) controller.abort(new Error("nobody waits for the answer"));
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: AnswerHead["headers"]): void {
    if (status < 200) return;
    this.#head = { status, headers };
    const refusal = this.#call.refusal?.(this.#head);
    if (refusal) this.#endWith(refusal);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    const { bytesMax } = this.#call;
    if (this.#bytes > bytesMax) this.#end("invalid", `answered more than ${bytesMax} bytes`);
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    if (this.#isDone) return;
    this.#settle();
    this.#resolve({ ...this.#head, body: Buffer.concat(this.#chunks).toString("utf8") });
  }

  onResponseError(_controller: Dispatcher.DispatchController, cause: Error): void {
    this.fail(cause);
  }

  /** The connection failed. */
  fail(cause: unknown): void {
    this.#end("unavailable", isUnsent(cause, this.#isSent) ? "cannot be reached" : "broke the connection off", cause);
  }

  #end(failure: CallFailure, how: string, cause?: unknown): void {
    if (!this.#isDone) this.#endWith(this.#call.fault(failure, `${this.#call.url.host} ${how}`, cause));
  }

  #endWith(fault: Error): void {
    if (this.#isDone) return;
    this.#settle();
    this.#reject(fault);
    this.#controller?.abort(fault);
  }

  #settle(): void {
    this.#isDone = true;
    clearTimeout(this.#timer);
  }
}
