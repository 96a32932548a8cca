/** Why a form is refused. */
export type MultipartFaultCode =
  | "not_multipart"
  | "missing_boundary"
  | "bad_boundary"
  | "preamble"
  | "epilogue"
  | "bad_delimiter"
  | "no_end"
  | "too_many_parts"
  | "header_too_big"
  | "bad_header"
  | "bad_disposition"
  | "duplicate_name"
  | "not_a_field";

/** A form that is refused. `message` is a clause without a full stop, fit for a client; `offset` counts bytes from the start of the body, 0 for the header. */
export class MultipartFault extends Error {
  override readonly name = "MultipartFault";
  readonly code: MultipartFaultCode;
  readonly offset: number;

  constructor(code: MultipartFaultCode, message: string, offset: number) {
    super(message);
    this.code = code;
    this.offset = offset;
  }
}
