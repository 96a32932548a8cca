/** What an attempt hands a provider's answer to: bytes are pushed, one call for each read, straight on to the client. */
import type { GatewayError } from "../errors.ts";

/** The flow of the answer, held and let go by who cannot keep up. */
export interface Flow {
  pause(): void;
  resume(): void;
  /** Ends the provider's call. */
  abort(): void;
}

/** Takes one answer. After `end` or `fail` nothing more comes. */
export interface AnswerSink {
  data(chunk: Buffer): void;
  end(): void;
  /** The answer broke off. */
  fail(error: GatewayError): void;
}

/** The head of a provider's answer. */
export interface AnswerHead {
  readonly status: number;
  /** Headers that travel back. */
  readonly headers: readonly (readonly [string, string])[];
  /** Lower case, without parameters; "" where there is none. */
  readonly mediaType: string;
}
