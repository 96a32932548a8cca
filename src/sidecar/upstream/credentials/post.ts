/** One POST whose whole answer is wanted: bounded in time and size, never redirected. For token endpoints. */
import type { Dispatcher } from "undici";
import { isUnsent } from "../faults.ts";
import type { Pools } from "../pools.ts";
import { retryAfterMs } from "../retry-after.ts";
import { CredentialFault } from "./fault.ts";

/** How long connecting may take, in ms. */
const connectMs = 5_000;
/** How long the whole call may take, in ms. */
export const exchangeMsMax = 10_000;
/** Longest answer that is taken, in bytes. */
const answerBytesMax = 65_536;

/** What is sent. `body` holds the token: it is never logged. */
export interface Post {
  readonly url: URL;
  readonly contentType: string;
  readonly body: string;
}

/** What came back. */
export interface PostAnswer {
  readonly status: number;
  readonly body: string;
  readonly retryAfterMs: number | undefined;
}

/** Sends it. Rejects with CredentialFault of kind `unavailable`, `timeout` or `invalid`. */
export type PostTokens = (post: Post) => Promise<PostAnswer>;

/** Posts over the pools that calls use, too. `timeoutMs`: for the whole call. */
export const postThrough =
  (pools: Pools, nowMs: () => number, timeoutMs = exchangeMsMax): PostTokens =>
  ({ url, contentType, body }) =>
    new Promise((resolve, reject) => {
      const handler = new PostHandler({ host: url.host, nowMs, timeoutMs, resolve, reject });
      try {
        pools.get(url.origin, connectMs).dispatch(
          {
            path: `${url.pathname}${url.search}`,
            method: "POST",
            headers: ["content-type", contentType, "accept", "application/json", "accept-encoding", "identity"],
            body,
            headersTimeout: 0,
            bodyTimeout: 0,
          },
          handler,
        );
      } catch (cause) {
        handler.fail(cause);
      }
    });

interface PostHandlerOptions {
  readonly host: string;
  readonly nowMs: () => number;
  readonly timeoutMs: number;
  readonly resolve: (answer: PostAnswer) => void;
  readonly reject: (fault: CredentialFault) => void;
}

class PostHandler implements Dispatcher.DispatchHandler {
  readonly #options: PostHandlerOptions;
  readonly #chunks: Buffer[] = [];
  readonly #timer: NodeJS.Timeout;
  #controller: Dispatcher.DispatchController | undefined;
  #bytes = 0;
  #status = 0;
  #retryAfterMs: number | undefined;
  #sent = false;
  #isDone = false;

  constructor(options: PostHandlerOptions) {
    this.#options = options;
    const { host, timeoutMs } = options;
    const late = (): void =>
      this.#reject(new CredentialFault("timeout", `${host} did not answer within ${timeoutMs} ms`));
    this.#timer = setTimeout(late, timeoutMs).unref();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#sent = true;
    if (this.#isDone) controller.abort(new Error("nobody waits for the answer"));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return;
    this.#status = status;
    const list = Object.entries(headers).map(([name, value]): [string, string] => [name, String(value ?? "")]);
    this.#retryAfterMs = retryAfterMs(list, this.#options.nowMs());
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > answerBytesMax)
      this.#reject(new CredentialFault("invalid", `${this.#options.host} answered more than ${answerBytesMax} bytes`));
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    if (this.#isDone) return;
    this.#settle();
    const body = Buffer.concat(this.#chunks).toString("utf8");
    this.#options.resolve({ status: this.#status, body, retryAfterMs: this.#retryAfterMs });
  }

  onResponseError(_controller: Dispatcher.DispatchController, cause: Error): void {
    this.fail(cause);
  }

  /** The connection failed. */
  fail(cause: unknown): void {
    const how = isUnsent(cause, this.#sent) ? "cannot be reached" : "broke the connection off";
    this.#reject(new CredentialFault("unavailable", `${this.#options.host} ${how}`, { cause }));
  }

  #reject(fault: CredentialFault): void {
    if (this.#isDone) return;
    this.#settle();
    this.#options.reject(fault);
    this.#controller?.abort(fault);
  }

  #settle(): void {
    this.#isDone = true;
    clearTimeout(this.#timer);
  }
}
