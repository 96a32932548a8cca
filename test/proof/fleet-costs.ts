/** Redis' CPU for one call, in us, script and input and output together; measured by slice-cost.test.ts on one core. */
export const callUs = {
  /** Admits one request on one counter, Exact. */
  reserve: 21,
  /** Fetches a slice. */
  slice: 21,
  settle: 11,
  /** One hold; several in a call cost less each. */
  trim: 11,
} as const;
