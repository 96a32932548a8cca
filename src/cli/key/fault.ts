/** The command was understood and cannot be carried out: the message says why and what to do. Exit code 1. */
export class KeyFault extends Error {
  override readonly name = "KeyFault";
}
