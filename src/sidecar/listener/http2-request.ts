/** A request of HTTP/2 in the form that the stages know. */
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { Readable } from "node:stream";
import type { ClientRequest } from "../message.ts";

/** What `:authority` and `host` become: one field where they agree, else both, which accept refuses (RFC 9113 section 8.3.1). */
function plainHeaders(raw: readonly string[]): string[] {
  const plain: string[] = [];
  let authority: string | undefined;
  let hasSame = false;
  for (let i = 0; i < raw.length; i += 2) {
    const [name = "", value = ""] = [raw[i], raw[i + 1]];
    if (name === ":authority") authority = value;
    if (name.startsWith(":")) continue;
    if (name === "host" && value === authority) hasSame = true;
    plain.push(name, value);
  }
  if (authority !== undefined && !hasSame) plain.push("host", authority);
  return plain;
}

/** A stream's request. Its body is read from the stream no faster than it is taken; destroying it leaves the answer alone. */
export class Http2Request extends Readable implements ClientRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly isStream = true;
  readonly httpVersion = "2.0";
  readonly httpVersionMajor = 2;
  readonly httpVersionMinor = 0;
  complete = false;
  readonly #stream: ServerHttp2Stream;
  #isReading = false;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]) {
    super();
    this.#stream = stream;
    this.method = headers[":method"] ?? "";
    this.url = headers[":path"] ?? "";
    this.headers = headers;
    this.rawHeaders = plainHeaders(rawHeaders);
    this.on("error", () => undefined); // the request may be answered already, with nobody left to listen
    if (stream.endAfterHeaders) this.complete = true;
    stream.once("close", () => this.#closed());
  }

  override _read(): void {
    const stream = this.#stream;
    if (this.#isReading) {
      stream.resume();
      return;
    }
    this.#isReading = true;
    stream.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) stream.pause();
    });
    stream.once("end", () => {
      if (stream.aborted && !stream.endAfterHeaders) return; // Node ends what was cut off, too
      this.complete = true;
      this.push(null);
    });
  }

  #closed(): void {
    if (!this.complete) this.destroy(new Error("the stream was reset"));
    else if (!this.#isReading) this.destroy();
  }
}
