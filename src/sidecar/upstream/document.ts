/** One GET whose whole answer is wanted: bounded in time and size, never redirected. For documents of identity providers. */
import type { Dispatcher } from "undici";
import { isUnsent } from "./faults.ts";
import type { Pools } from "./pools.ts";

/** How long connecting may take, in ms. */
const connectMs = 5_000;
/** How long the whole call may take, in ms. */
export const documentMsMax = 5_000;
/** Longest document that is taken, in bytes. */
export const documentBytesMax = 262_144;

/** How a document was not had. `answered`: with another status than 200, a redirect among them. `invalid`: it is not what it must be. */
export type DocumentFailure = "unavailable" | "timeout" | "answered" | "invalid";

/** There is no such document. The message names the host, and nothing of the answer but its status. */
export class DocumentFault extends Error {
  override readonly name = "DocumentFault";
  readonly failure: DocumentFailure;
  constructor(failure: DocumentFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

/** Answers the body of a 200. Rejects with DocumentFault. */
export type GetDocument = (url: URL) => Promise<string>;

/** Gets documents over the pools that calls use, too. `timeoutMs`: for the whole call. */
export const getThrough =
  (pools: Pools, timeoutMs = documentMsMax): GetDocument =>
  (url) =>
    new Promise((resolve, reject) => {
      const handler = new DocumentHandler({ host: url.host, timeoutMs, resolve, reject });
      const headers = ["accept", "application/json, application/jwk-set+json", "accept-encoding", "identity"];
      const path = `${url.pathname}${url.search}`;
      try {
        const pool = pools.get(url.origin, connectMs);
        pool.dispatch({ path, method: "GET", headers, headersTimeout: 0, bodyTimeout: 0 }, handler);
      } catch (cause) {
        handler.fail(cause);
      }
    });

interface DocumentHandlerOptions {
  readonly host: string;
  readonly timeoutMs: number;
  readonly resolve: (body: string) => void;
  readonly reject: (fault: DocumentFault) => void;
}

class DocumentHandler implements Dispatcher.DispatchHandler {
  readonly #options: DocumentHandlerOptions;
  readonly #chunks: Buffer[] = [];
  readonly #timer: NodeJS.Timeout;
  #controller: Dispatcher.DispatchController | undefined;
  #bytes = 0;
  #isSent = false;
  #isDone = false;

  constructor(options: DocumentHandlerOptions) {
    this.#options = options;
    const late = (): void => this.#end("timeout", `did not answer within ${options.timeoutMs} ms`);
    this.#timer = setTimeout(late, options.timeoutMs).unref();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#isSent = true;
    if (this.#isDone) controller.abort(new Error("nobody waits for the answer"));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (status < 200) return;
    if (status === 200) {
      const { "content-encoding": coding = "identity" } = headers;
      if (coding !== "identity")
        this.#end("invalid", "answered compressed, which was not asked for (content-encoding)");
      return;
    }
    const isRedirect = status >= 300 && status < 400;
    this.#end("answered", `answered ${status}${isRedirect ? ", a redirect, which is never followed" : ""}`);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > documentBytesMax) this.#end("invalid", `answered more than ${documentBytesMax} bytes`);
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    if (this.#isDone) return;
    this.#settle();
    this.#options.resolve(Buffer.concat(this.#chunks).toString("utf8"));
  }

  onResponseError(_controller: Dispatcher.DispatchController, cause: Error): void {
    this.fail(cause);
  }

  /** The connection failed. */
  fail(cause: unknown): void {
    this.#end("unavailable", isUnsent(cause, this.#isSent) ? "cannot be reached" : "broke the connection off", cause);
  }

  #end(failure: DocumentFailure, how: string, cause?: unknown): void {
    if (this.#isDone) return;
    this.#settle();
    const fault = new DocumentFault(failure, `${this.#options.host} ${how}`, { cause });
    this.#options.reject(fault);
    this.#controller?.abort(fault);
  }

  #settle(): void {
    this.#isDone = true;
    clearTimeout(this.#timer);
  }
}
