/** Rows of the error catalogue, by whose fault it is. */
/** What stands in the catalogue for one code. */
export interface ErrorRow {
  readonly status: number;
  readonly type: string;
  readonly param: string | null;
  /** Becomes `x-should-retry`; 429 and 503 that may be retried also carry `retry-after(-ms)`. */
  readonly retry: boolean;
  /** What the sentence is made of: the words that the thrower passes in. */
  readonly text: (...words: string[]) => string;
}

/** A fault of the request. */
export const bad = (param: string | null, text: ErrorRow["text"], status = 400): ErrorRow => ({
  status,
  type: "invalid_request_error",
  param,
  retry: false,
  text,
});
/** A fault of the provider. */
export const upstream = (status: number, retry: boolean, text: ErrorRow["text"]): ErrorRow => ({
  status,
  type: "upstream_error",
  param: null,
  retry,
  text,
});
/** A fault of ours, or of how we were set up. */
export const ours = (status: number, retry: boolean, text: ErrorRow["text"]): ErrorRow => ({
  status,
  type: "sidegate_error",
  param: null,
  retry,
  text,
});
