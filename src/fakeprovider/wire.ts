import type { IncomingMessage, ServerResponse } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Compressor } from "./compressor.ts";
import type { Behaviour } from "./knobs.ts";
import type { OpenRecord } from "./recorder.ts";

/** Time for bytes to leave, and to be taken in, before the connection breaks; a reset throws away what is still queued. */
const breakSettleMs = 10;
/** A slow body is written this many times a second. */
const slowWritesPerSecond = 20;

/** One answer on its socket: pieces, pauses and violent ends. Every wait ends when the client goes away. */
export class Wire {
  readonly response: ServerResponse;
  readonly #request: IncomingMessage;
  readonly #record: OpenRecord;
  readonly #pieceBytesMax: number;
  readonly #pauseMsPerByte: number;
  readonly #compressor: Compressor | undefined;
  readonly #wakers = new Set<() => void>();
  #isGone = false;

  constructor(request: IncomingMessage, response: ServerResponse, record: OpenRecord, behaviour: Behaviour) {
    this.#request = request;
    this.response = response;
    this.#record = record;
    const split = behaviour.split === "byte" ? 1 : Number(behaviour.split ?? Number.POSITIVE_INFINITY);
    const slowPiece = behaviour.slow === undefined ? Number.POSITIVE_INFINITY : behaviour.slow / slowWritesPerSecond;
    this.#pieceBytesMax = Math.max(1, Math.floor(Math.min(split || 1, slowPiece)));
    this.#pauseMsPerByte = behaviour.slow === undefined ? 0 : 1000 / Math.max(1, behaviour.slow);
    const hasEncoding = behaviour.encoding !== undefined && behaviour.encoding !== "wrong";
    this.#compressor = hasEncoding ? new Compressor(behaviour.encoding.split(",")) : undefined;
    response.once("close", () => {
      this.#isGone = true;
      for (const wake of this.#wakers) wake();
    });
  }

  /** Waits; false when the client went away meanwhile. */
  sleep(ms: number): Promise<boolean> {
    return this.#until((wake) => {
      const timer = setTimeout(wake, ms);
      return () => clearTimeout(timer);
    });
  }

  /** Waits until the client goes away. */
  async untilGone(): Promise<void> {
    await this.#until(() => () => {});
  }

  /** Writes bytes as the behaviour wants them cut and paced; false when the client went away. */
  async send(bytes: string | Buffer): Promise<boolean> {
    const encoded = this.#compressor === undefined ? bytes : await this.#compressor.write(bytes);
    return this.#sendRaw(encoded);
  }

  /** Ends the answer in good order. */
  async end(): Promise<void> {
    if (this.#compressor !== undefined) await this.#sendRaw(await this.#compressor.end());
    if (this.#isGone) return;
    this.#record.ended = true;
    this.response.end();
  }

  /** Ends the connection with RST once the bytes written so far have left. */
  async reset(): Promise<void> {
    if (this.response.headersSent && !(await this.sleep(breakSettleMs))) return;
    this.#record.ended = true;
    this.#request.socket.resetAndDestroy();
  }

  /** Ends the connection with FIN inside a chunk that promised more, once the bytes written so far have left. */
  async fin(): Promise<void> {
    if (!this.response.headersSent) this.response.flushHeaders();
    if (!(await this.sleep(breakSettleMs))) return;
    this.#record.ended = true;
    const { socket } = this.#request;
    socket.write('ffff\r\ndata: {"id":"cut');
    socket.end();
  }

  async #sendRaw(bytes: string | Buffer): Promise<boolean> {
    if (this.#pieceBytesMax === Number.POSITIVE_INFINITY) return this.#write(bytes);
    const whole = Buffer.from(bytes);
    for (let from = 0; from < whole.length; from += this.#pieceBytesMax) {
      const piece = whole.subarray(from, from + this.#pieceBytesMax);
      if (!(await this.#write(piece))) return false;
      if (this.#pauseMsPerByte > 0) await this.sleep(piece.length * this.#pauseMsPerByte);
      else await nextTurn();
    }
    return !this.#isGone;
  }

  async #write(bytes: string | Buffer): Promise<boolean> {
    if (this.#isGone) return false;
    if (bytes.length === 0 || this.response.write(bytes)) return true;
    return this.#until((wake) => {
      this.response.once("drain", wake);
      return () => this.response.off("drain", wake);
    });
  }

  #until(start: (wake: () => void) => () => void): Promise<boolean> {
    if (this.#isGone) return Promise.resolve(false);
    return new Promise((resolve) => {
      const wake = () => {
        this.#wakers.delete(wake);
        stop();
        resolve(!this.#isGone);
      };
      const stop = start(wake);
      this.#wakers.add(wake);
    });
  }
}
