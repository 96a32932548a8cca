/**
 * The audit sink's port. Law: `write` resolves only when the line is durable in the sink's own sense (file: written and
 * flushed to disk; stdout: accepted by the kernel), lines keep their order, and a line is never torn or joined.
 */
export interface AuditSink {
  /** One record, without its line end. Rejects with AuditUnavailable when it could not be written. */
  write(line: string): Promise<void>;
  /** Writes what is queued and closes; write rejects afterwards. */
  close(): Promise<void>;
}

/** The record could not be made durable. */
export class AuditUnavailable extends Error {
  override readonly name = "AuditUnavailable";
}
