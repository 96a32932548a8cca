/** Audit records as JSON lines in a file or on stdout, written in groups: one write (and one flush) for all that wait. */

import { constants, fstatSync, writeSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Socket } from "node:net";
import { type AuditSink, AuditUnavailable } from "../ports/audit-sink.ts";

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
  /** Resolves when the bytes are durable in its own sense; rejects when they could not be written. */
  write(bytes: Buffer): Promise<void>;
  /** Lets go of what a failed write may have broken; the next write opens it anew. */
  close(): Promise<void>;
}

class LineSink implements AuditSink {
  readonly #destination: Destination;
  #queue: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Called when the group that is being written takes too long; once that has ended it changes nothing. */
  #late: (() => void) | undefined;
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
        await this.#bounded(this.#commit(group));
        for (const waiting of group) waiting.resolve();
      } catch (cause) {
        const fault = new AuditUnavailable("the audit record could not be written", { cause });
        for (const waiting of group) waiting.reject(fault);
        await this.#reset();
      }
    }
    this.#writing = undefined;
  }

  /** One timer for all groups, as one is written at a time: a timer for each would cost as much as the write. */
  #bounded(work: Promise<void>): Promise<void> {
    this.#timer ??= setTimeout(() => this.#late?.(), auditWriteTimeoutMs).unref();
    this.#timer.refresh();
    return new Promise((resolve, reject) => {
      this.#late = () => reject(new Error(`no answer within ${auditWriteTimeoutMs} ms`));
      work.then(resolve, reject);
    });
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    await this.#destination.write(Buffer.from(`${group.map((waiting) => waiting.line).join("\n")}\n`));
  }

  async #reset(): Promise<void> {
    await this.#destination.close().catch(() => undefined); // it failed already; the next group opens it anew
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    clearTimeout(this.#timer);
    await this.#reset();
  }
}

/** Appends, creates with mode 0600, and returns from each write when the data is on the disk: one system call for both. */
const appendDurably = constants.O_APPEND | constants.O_CREAT | constants.O_RDWR | constants.O_DSYNC;

/** Lines appended to a file and flushed to disk (O_DSYNC). A last line that was torn by a crash is ended first. */
export function fileAuditSink(path: string): AuditSink {
  let handle: FileHandle | undefined;
  return new LineSink({
    async write(bytes) {
      handle ??= await openToAppend(path);
      for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
    },
    async close() {
      const open = handle;
      handle = undefined;
      await open?.close();
    },
  });
}

async function openToAppend(path: string): Promise<FileHandle> {
  const handle = await open(path, appendDurably, 0o600);
  const { size } = await handle.stat();
  const last = Buffer.alloc(1);
  if (size > 0) await handle.read(last, 0, 1, size - 1);
  if (size > 0 && last[0] !== 0x0a) await handle.write("\n");
  return handle;
}

/**
 * Lines on a file descriptor that is open already: 1 is stdout. Durable in the sense that the kernel has taken them. A pipe or
 * socket is written without blocking, so that a reader who has stopped cannot stop the sidecar; a file or terminal at once.
 */
export function descriptorAuditSink(fd: number): AuditSink {
  const stat = fstatSync(fd);
  if (!stat.isFIFO() && !stat.isSocket()) {
    return new LineSink({
      async write(bytes) {
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      },
      close: async () => undefined,
    });
  }
  const socket = new Socket({ fd, readable: false, writable: true });
  let broken: Error | undefined;
  socket.on("error", (fault) => {
    broken = fault;
  });
  return new LineSink({
    write: (bytes) =>
      new Promise((resolve, reject) => {
        if (broken) reject(broken);
        else socket.write(bytes, (fault) => (fault ? reject(fault) : resolve()));
      }),
    close: async () => undefined,
  });
}

/** No records: the route has switched the audit off. */
export const noAuditSink: AuditSink = { write: async () => undefined, close: async () => undefined };
