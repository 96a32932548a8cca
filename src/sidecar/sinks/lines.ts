/** Audit records as JSON lines in a file or on stdout, written in groups: one write (and one flush) for all that wait. */

import { fdatasync, write } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { promisify } from "node:util";
import { type AuditSink, AuditUnavailable } from "../ports/audit-sink.ts";

const writeFd = promisify(write);
const flushFd = promisify(fdatasync);

/** Records that wait for the disk; beyond it a record is refused at once. About 6 MB. */
export const auditQueueRecordsMax = 10_000;
/** Longest that one write and flush may take, in ms; then what waits is refused, and the disk gets time to recover. */
export const auditWriteTimeoutMs = 5_000;

interface Waiting {
  readonly line: string;
  readonly resolve: () => void;
  readonly reject: (fault: AuditUnavailable) => void;
}

/** Where the lines go. */
interface Destination {
  /** Opens it anew after a failure. */
  open(): Promise<number>;
  readonly flushes: boolean;
  close(): Promise<void>;
}

class LineSink implements AuditSink {
  readonly #destination: Destination;
  #queue: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #fd: number | undefined;
  #closed = false;
  constructor(destination: Destination) {
    this.#destination = destination;
  }

  write(line: string): Promise<void> {
    if (this.#closed) return Promise.reject(new AuditUnavailable("the audit sink is closed"));
    if (this.#queue.length >= auditQueueRecordsMax)
      return Promise.reject(new AuditUnavailable("the audit queue is full"));
    return new Promise((resolve, reject) => {
      this.#queue.push({ line, resolve, reject });
      this.#writing ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    // records of the same tick go together; what comes while this group is written goes with the next
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const group = this.#queue;
      this.#queue = [];
      try {
        await withTimeout(this.#commit(group), auditWriteTimeoutMs);
        for (const waiting of group) waiting.resolve();
      } catch (cause) {
        const fault = new AuditUnavailable("the audit record could not be written", { cause });
        for (const waiting of group) waiting.reject(fault);
        await this.#reset();
      }
    }
    this.#writing = undefined;
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    this.#fd ??= await this.#destination.open();
    const bytes = Buffer.from(`${group.map((waiting) => waiting.line).join("\n")}\n`);
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await writeFd(this.#fd, bytes, at, bytes.length - at, null);
      at += bytesWritten;
    }
    if (this.#destination.flushes) await flushFd(this.#fd);
  }

  async #reset(): Promise<void> {
    this.#fd = undefined;
    await this.#destination.close().catch(() => undefined); // it failed already; the next group opens it anew
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    await this.#reset();
  }
}

function withTimeout(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

/** Lines appended to a file and flushed to disk (fdatasync); created with mode 0600. A torn last line is ended first. */
export function fileAuditSink(path: string): AuditSink {
  let handle: FileHandle | undefined;
  return new LineSink({
    flushes: true,
    async open() {
      handle = await open(path, "a+", 0o600);
      const { size } = await handle.stat();
      if (size > 0) {
        const last = Buffer.alloc(1);
        await handle.read(last, 0, 1, size - 1);
        if (last[0] !== 0x0a) await handle.write("\n");
      }
      return handle.fd;
    },
    async close() {
      const open = handle;
      handle = undefined;
      await open?.close();
    },
  });
}

/** Lines on a file descriptor that is open already: 1 is stdout. Durable in the sense that the kernel has taken them. */
export function descriptorAuditSink(fd: number): AuditSink {
  return new LineSink({ flushes: false, open: async () => fd, close: async () => undefined });
}

/** No records: the route has switched the audit off. */
export const noAuditSink: AuditSink = { write: async () => undefined, close: async () => undefined };
