/** Our own mistakes: a broken invariant ends the request (or the start) with this, never the caller's bad input. */
export class AssertionFault extends Error {
  override readonly name = "AssertionFault";
}

/** Throws AssertionFault with `message` when `condition` does not hold. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFault(message);
}
