/** A watch's body: one JSON event a line. Lines are split on bytes, so that a character cut by a chunk's end is whole again. */
import { statusFault } from "./fault.ts";
import { KubeFault, type KubeObject, type WatchEvent } from "./port.ts";

const lineBytesMax = 32 * 1_048_576; // an object has at most a few MiB
const newline = 0x0a;
const eventTypes = new Set(["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]);

/** What the lines belong to; only for messages. */
export interface WatchedResource {
  readonly what: string;
  readonly isSecret: boolean;
}

/** Takes chunks, hands on events. */
export class WatchStream {
  readonly #about: WatchedResource;
  readonly #onEvent: (event: WatchEvent) => void;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(about: WatchedResource, onEvent: (event: WatchEvent) => void) {
    this.#about = about;
    this.#onEvent = onEvent;
  }

  /** Takes the next bytes. Throws KubeFault for a line that is no event (status 0) and for an ERROR event (its code: 410 for "too old"). */
  push(chunk: Buffer): void {
    let from = 0;
    for (let to = chunk.indexOf(newline); to >= 0; to = chunk.indexOf(newline, from)) {
      this.#keep(chunk.subarray(from, to));
      this.#endLine();
      from = to + 1;
    }
    this.#keep(chunk.subarray(from));
  }

  /** The body is over. Throws KubeFault when it ended inside a line. */
  end(): void {
    if (this.#bytes > 0) throw this.#fault(`the stream ended inside an event, after ${this.#bytes} bytes of it`);
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return;
    this.#bytes += part.length;
    if (this.#bytes > lineBytesMax) throw this.#fault(`an event has more than ${lineBytesMax} bytes`);
    this.#parts.push(part);
  }

  #endLine(): void {
    const text = Buffer.concat(this.#parts).toString("utf8");
    this.#parts = [];
    this.#bytes = 0;
    if (text.trim() !== "") this.#onEvent(this.#eventOf(text));
  }

  #eventOf(text: string): WatchEvent {
    let event: { type?: unknown; object?: unknown } | null;
    try {
      event = JSON.parse(text);
    } catch {
      throw this.#fault("an event is not JSON"); // without the parser's message, which quotes the text
    }
    const { type, object } = event ?? {};
    if (type === "ERROR") throw this.#refusal(object);
    if (typeof type !== "string" || !eventTypes.has(type) || !isObject(object))
      throw this.#fault("an event has no object");
    return { type: type as WatchEvent["type"], object }; // one of the set above
  }

  #refusal(object: unknown): KubeFault {
    const code = typeof object === "object" && object !== null && "code" in object ? Number(object.code) : 0;
    return statusFault(object, { ...this.#about, status: Number.isInteger(code) ? code : 0 });
  }

  #fault(message: string): KubeFault {
    return new KubeFault(`${this.#about.what}: ${message}`, { status: 0 });
  }
}

const isObject = (value: unknown): value is KubeObject =>
  typeof value === "object" &&
  value !== null &&
  "metadata" in value &&
  typeof value.metadata === "object" &&
  value.metadata !== null;
