/** Why a credential has nothing to send. */

/**
 * What became of an exchange. refused: the endpoint says no (400, 401, 403). unavailable: it cannot be reached, or fails.
 * timeout: no answer in time. invalid: an answer that is none. no_token: the pod has no token to exchange.
 */
export type ExchangeFailure = "refused" | "unavailable" | "timeout" | "invalid" | "no_token";

/** A credential that cannot be sent. The message is ours and holds no secret: clients are told it. */
export class CredentialFault extends Error {
  override readonly name = "CredentialFault";
  readonly failure: ExchangeFailure;
  /** Status of the token endpoint, where it answered. */
  readonly status: number | undefined;
  /** How long to wait before another try, in ms; the endpoint's own wish where it had one. */
  readonly retryAfterMs: number | undefined;
  constructor(
    failure: ExchangeFailure,
    message: string,
    options: { status?: number | undefined; retryAfterMs?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.failure = failure;
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
  }
  /** Whether it may pass by itself; a refusal needs somebody who mends the set-up. */
  get mayPass(): boolean {
    return this.failure === "unavailable" || this.failure === "timeout";
  }
}
