/** The command was understood and cannot be carried out: the message says why and what to do. */
export class QuotaCommandFault extends Error {
  override readonly name = "QuotaCommandFault";
}
