/** What can be wrong with a JSON text. `wrong_type` comes from an edit whose path leads into something else than an object or a list. */
export type JsonFaultCode =
  | "invalid_json"
  | "invalid_utf8"
  | "byte_order_mark"
  | "duplicate_key"
  | "too_deep"
  | "too_many_keys"
  | "too_many_values"
  | "key_too_long"
  | "number_too_long"
  | "wrong_type";

/**
 * A JSON text that is refused. `message` is a clause without a full stop, fit for a client; `offset` counts bytes from the start of the text;
 * `path` (`messages[3].content`, "" at the top) is a best effort that never holds a value, and the sender's keys in it are shortened.
 */
export class JsonFault extends Error {
  override readonly name = "JsonFault";
  readonly code: JsonFaultCode;
  readonly offset: number;
  readonly path: string;

  constructor(code: JsonFaultCode, message: string, where: { offset: number; path: string }) {
    super(message);
    this.code = code;
    this.offset = where.offset;
    this.path = where.path;
  }
}
