/** One request that arrived. The flags are live. */
export interface RecordedRequest {
  readonly method: string;
  /** With the query, as it came. */
  readonly path: string;
  /** Lower-case names; repeated ones joined as Node does. */
  readonly headers: Readonly<Record<string, string>>;
  /** Names and values as they came, alternating. */
  readonly rawHeaders: readonly string[];
  /** Empty until the whole body is here. */
  readonly body: Buffer;
  /** Body bytes received so far. */
  readonly bodyBytes: number;
  /** Milliseconds since the epoch, by this process's clock. */
  readonly atMs: number;
  /** The client went away before the answer was ended. */
  readonly aborted: boolean;
  readonly abortedAtMs: number | undefined;
  /** The provider is done with the answer, in good order or by a scripted break. */
  readonly ended: boolean;
  /** Status answered; 0 before the headers. */
  readonly status: number;
  /** Counts connections from 1, so reuse can be seen. */
  readonly connection: number;
}

/** A recorded request as the provider fills it in. */
export type OpenRecord = { -readonly [K in keyof RecordedRequest]: RecordedRequest[K] };

/** Requests remembered at most; the oldest is forgotten first. */
const requestsMax = 10_000;
/** Body bytes remembered at most over all requests. */
const bodyBytesMax = 512 * 1024 * 1024;

/** Remembers the requests that arrived, bounded in number and in bytes. */
export class Recorder {
  readonly requests: OpenRecord[] = [];
  #bodyBytes = 0;

  open(record: OpenRecord): void {
    this.requests.push(record);
    if (this.requests.length > requestsMax) this.#forgetOldest();
  }

  /** Keeps the whole body of a request. */
  keepBody(record: OpenRecord, body: Buffer): void {
    record.body = body;
    this.#bodyBytes += body.length;
    while (this.#bodyBytes > bodyBytesMax && this.requests.length > 1) this.#forgetOldest();
  }

  clear(): void {
    this.requests.length = 0;
    this.#bodyBytes = 0;
  }

  #forgetOldest(): void {
    this.#bodyBytes -= this.requests.shift()?.body.length ?? 0;
  }
}
