/** The answer of an HTTP/2 stream in the form that the stages know. */
import { constants, type ServerHttp2Stream } from "node:http2";
import type { ClientResponse } from "../message.ts";

/** Fields of one HTTP/1 connection; HTTP/2 forbids them (RFC 9113 section 8.2.2). */
const connectionFields: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "te",
]);

/** Statuses that have no body (RFC 9110 section 6.4.1); Node closes their streams with the head. */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304]);

/** Answers one stream. When the answer has left and the client still sends, the stream is ended without an error (RFC 9113 section 8.1). */
export class Http2Response implements ClientResponse {
  readonly #stream: ServerHttp2Stream;

  readonly #isHead: boolean;

  /** `request`: the one that it answers. */
  constructor(stream: ServerHttp2Stream, request: { readonly complete: boolean; readonly method: string }) {
    this.#stream = stream;
    this.#isHead = request.method === "HEAD";
    // Only now is the end of the stream told: Node's `close` ends a stream before it resets it, and half an answer would look whole.
    stream.once("wantTrailers", () => {
      if (!stream.closed) stream.sendTrailers({});
    });
    stream.once("finish", () => {
      if (!stream.aborted && !request.complete) stream.close(constants.NGHTTP2_NO_ERROR);
    });
  }

  get headersSent(): boolean {
    return this.#stream.headersSent;
  }
  get destroyed(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }
  get writableEnded(): boolean {
    return this.#stream.writableEnded;
  }
  get writableFinished(): boolean {
    return this.#stream.writableFinished && !this.#stream.aborted;
  }

  writeContinue(): void {
    if (!this.destroyed && !this.headersSent) this.#stream.additionalHeaders({ ":status": 100 });
  }
  writeHead(status: number, headers: string[]): void {
    if (this.destroyed) return;
    const fields: (string | number)[] = [":status", status];
    for (let i = 0; i < headers.length; i += 2) {
      const [name = "", value = ""] = [headers[i], headers[i + 1]];
      if (!connectionFields.has(name)) fields.push(name, value);
    }
    const waitForTrailers = !this.#isHead && !bodiless.has(status);
    this.#stream.respond(fields as string[], { waitForTrailers }); // Node takes numbers in the list, too
  }
  /** The head has left already. */
  flushHeaders(): void {}
  write(chunk: Buffer | string): boolean {
    return this.#isClosed || this.#stream.write(chunk);
  }
  end(body?: Buffer | string): void {
    if (this.#isClosed) return;
    if (body === undefined || body.length === 0) this.#stream.end();
    else this.#stream.end(body);
  }
  destroy(): void {
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }
  once(event: "drain" | "close", listener: () => void): void {
    this.#stream.once(event, listener);
  }

  /** Answers to HEAD, and those of statuses without a body, are closed by their head. */
  get #isClosed(): boolean {
    return this.destroyed || this.#stream.writableEnded;
  }
}
