/** HTTP/2 on connections that are handed over: streams become requests; sessions are bounded, and end without losing a stream. */
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { TLSSocket } from "node:tls";
import { errorBody, errorHeaders, type GatewayError, refuse } from "../errors.ts";
import type { ClientRequest, ClientResponse } from "../message.ts";
import { bodyTimeoutMs, clientKeepAliveMs, headBytesMax } from "../server.ts";
import { Http2Request } from "./http2-request.ts";
import { Http2Response } from "./http2-response.ts";

/** Requests that run on one connection at a time; more are refused with REFUSED_STREAM, which clients try again. */
export const streamsPerConnectionMax = 128;
/** Header fields that reach us, pseudo-headers included: above what accept allows, so that its clear refusal comes first. */
const headerPairsMax = 256;

/** Whose requests they are, and which connection they came on. */
export type TakeStream = (request: ClientRequest, response: ClientResponse, socket: TLSSocket) => void;

/** Speaks HTTP/2 on the connections that it is given. It listens to nothing itself. */
export class Http2Streams {
  readonly #server: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #take: TakeStream;

  constructor(take: TakeStream) {
    this.#take = take;
    this.#server = createServer({
      settings: { maxConcurrentStreams: streamsPerConnectionMax, maxHeaderListSize: headBytesMax, enablePush: false },
      maxHeaderListPairs: headerPairsMax,
      strictSingleValueFields: false, // of a provider's answer: passed on as it is, like over HTTP/1
    });
    this.#server.on("session", (session) => this.#watch(session));
    this.#server.on("sessionError", () => undefined); // the session closes, and its streams with it
  }

  /** Takes a connection that has agreed on `h2`. */
  take(socket: TLSSocket): void {
    this.#server.emit("connection", socket);
  }

  /** Streams that run go on, new ones are for another connection (GOAWAY); each session closes when it has none left. */
  closeGently(): void {
    for (const session of this.#sessions) session.close();
  }

  #watch(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.once("close", () => this.#sessions.delete(session));
    const { socket } = session;
    let streams = 0;
    session.on("stream", (stream, headers, _flags, rawHeaders) => {
      streams++;
      stream.once("close", () => streams--);
      stream.on("error", () => undefined); // told by `close`
      const request = new Http2Request(stream, headers, rawHeaders as unknown as string[]); // @types/node says string, Node gives a list
      // told to the client in the settings, but Node lets larger ones in
      if (headBytes(request.rawHeaders) > headBytesMax) {
        answerBare(stream, refuse("headers_too_large", `${headBytesMax} bytes`));
        return;
      }
      limitBody(stream, request);
      this.#take(request, new Http2Response(stream, request), socket as TLSSocket); // what `take` has been given
    });
    session.setTimeout(clientKeepAliveMs, () => {
      if (streams === 0) session.close();
    });
  }
}

/** A body must be there in time, as over HTTP/1; the time ends for one that nobody waits for any more. */
function limitBody(stream: ServerHttp2Stream, request: Http2Request): void {
  if (request.complete) return;
  const timer = setTimeout(() => {
    if (!request.complete) answerBare(stream, refuse("request_timeout"));
  }, bodyTimeoutMs).unref();
  stream.once("close", () => clearTimeout(timer));
}

/** Answers without the stages, and ends the stream, whatever the client still sends. */
function answerBare(stream: ServerHttp2Stream, error: GatewayError): void {
  if (!stream.headersSent && !stream.closed) {
    stream.respond([
      ":status",
      String(error.status),
      "content-type",
      "application/json",
      ...errorHeaders(error).flat(),
    ]);
    stream.end(errorBody(error));
  }
  stream.close();
}

/** As HTTP/2 counts them: 32 bytes for each field besides its text (RFC 9113 section 6.5.2). */
const headBytes = (raw: readonly string[]): number =>
  raw.reduce((sum, text) => sum + text.length, (raw.length / 2) * 32);
