/** Lines of a file of any size: one chunk and one line are in memory at a time. */
import { createReadStream } from "node:fs";
import { QuotaCommandFault } from "../fault.ts";

/** Longest line, in bytes; a longer one is told, and not read. A record has about one KiB. */
export const lineBytesMax = 1024 * 1024;
const newline = 0x0a;

/** A line with its number, from 1; `text` undefined: it is too long. */
export interface Line {
  readonly number: number;
  readonly text: string | undefined;
  /** Bytes that it takes in the file, its end of line included. */
  readonly bytes: number;
  /** The last one, without an end of line: it may be being written. */
  readonly isTorn: boolean;
}

/** The lines of a file, from a byte on; `-` is stdin, from where it stands. Throws QuotaCommandFault where it cannot be read. */
export async function* linesOf(path: string, startByte = 0): AsyncGenerator<Line> {
  let number = 0;
  for await (const piece of piecesOf(path, startByte)) {
    number += 1;
    yield { number, ...piece };
  }
}

async function* piecesOf(path: string, startByte: number): AsyncGenerator<Omit<Line, "number">> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let isFirst = startByte === 0;
  const take = (end: Buffer, isTorn: boolean): Omit<Line, "number"> => {
    const bytes = heldBytes + end.length;
    const text = bytes > lineBytesMax ? undefined : Buffer.concat([...held, end]).toString("utf8");
    held = [];
    heldBytes = 0;
    return { text, bytes: bytes + (isTorn ? 0 : 1), isTorn };
  };
  for await (const chunk of chunksOf(path, startByte)) {
    if (isFirst && chunk[0] === 0x1f && chunk[1] === 0x8b)
      throw new QuotaCommandFault(`--from ${path}: is gzip: zcat it, and read that with --from -`);
    isFirst = false;
    let from = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
      yield take(chunk.subarray(from, at), false);
      from = at + 1;
    }
    heldBytes += chunk.length - from;
    if (heldBytes <= lineBytesMax) held.push(Buffer.from(chunk.subarray(from)));
    else held = []; // the rest of it is passed over
  }
  if (heldBytes > 0) yield take(Buffer.alloc(0), true);
}

async function* chunksOf(path: string, start: number): AsyncGenerator<Buffer> {
  try {
    yield* path === "-" ? process.stdin : createReadStream(path, { highWaterMark: 256 * 1024, start });
  } catch (fault) {
    if (!(fault instanceof Error && "code" in fault)) throw fault;
    throw new QuotaCommandFault(`--from ${path}: cannot be read (${String(fault.code)})`);
  }
}

/** What a line holds as JSON; `other`: it is empty. Never throws. */
export const jsonOf = (
  line: string,
):
  | { readonly kind: "json"; readonly value: unknown }
  | { readonly kind: "other" }
  | { readonly kind: "bad"; readonly why: string } => {
  const text = line.trim();
  if (text === "") return { kind: "other" };
  try {
    return { kind: "json", value: JSON.parse(text) };
  } catch {
    return { kind: "bad", why: "is no JSON" };
  }
};
