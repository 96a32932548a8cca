/** The shared store did not answer in time, refused, or its breaker is open. `maybeDone`: the command may have run all the same. */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";
  readonly maybeDone: boolean;
  constructor(message: string, options: { cause?: unknown; maybeDone: boolean }) {
    super(message, { cause: options.cause });
    this.maybeDone = options.maybeDone;
  }
}
