import type { Frame } from "./frame.ts";
import type { JsonObject } from "./json-values.ts";
import type { Behaviour } from "./knobs.ts";
import type { FormPart } from "./multipart.ts";
import type { ProviderState } from "./state.ts";

/** Whose habits an answer has: OpenAI's, or Azure's on the same shapes. */
export type Dialect = "openai" | "azure";

/** One request, understood as far as every endpoint needs it. */
export interface Call {
  readonly method: string;
  /** Path behind the dialect's prefix, e.g. `/chat/completions`. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  readonly dialect: Dialect;
  /** Azure: the deployment in the path. Absent elsewhere. */
  readonly deployment?: string;
  /** Azure: `api-version` of a dated path. Absent on `/openai/v1` without it. */
  readonly apiVersion?: string;
  /** Values of the route's `{…}` parts. */
  readonly params: Readonly<Record<string, string>>;
  /** The JSON body, or the plain fields of a form as text; an empty object when there is neither. */
  readonly json: JsonObject;
  /** Parts of a multipart body; empty otherwise. */
  readonly form: readonly FormPart[];
  readonly body: Buffer;
  readonly behaviour: Behaviour;
  /** 1 for the first request after the start; with the seed it decides every made-up value. */
  readonly ordinal: number;
  /** Unix seconds that answers carry as their creation time; made up from the ordinal. */
  readonly createdSeconds: number;
  readonly state: ProviderState;
  /** A new id with this prefix, unique in one provider. */
  readonly newId: (prefix: string) => string;
  /** Answers another request inside this one (batches). */
  readonly dispatch: (method: string, path: string, json: JsonObject) => Reply;
}

/** An answer whose body is JSON. */
export interface JsonReply {
  readonly kind: "json";
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer of other bytes. */
export interface BytesReply {
  readonly kind: "bytes";
  readonly status: number;
  readonly contentType: string;
  readonly bytes: Buffer | string;
  /** Sent in chunked encoding, as the provider does where it does not know the length. */
  readonly isChunked?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer as server-sent events, made while they are sent. */
export interface StreamReply {
  readonly kind: "stream";
  readonly frames: Iterable<Frame>;
  /** The event with which this endpoint reports a failure after `sent` events. */
  readonly errorFrame: (sent: number) => Frame;
  /** Responses: `response.failed` after `sent` events. */
  readonly failedFrame?: (sent: number) => Frame;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What an endpoint answers. */
export type Reply = JsonReply | BytesReply | StreamReply;

/** Answers a call. @throws ApiFault for an answer with an error status. */
export type Handler = (call: Call) => Reply;

/** A JSON answer, 200 unless said otherwise. */
export const jsonReply = (body: unknown, status = 200): JsonReply => ({ kind: "json", status, body });
