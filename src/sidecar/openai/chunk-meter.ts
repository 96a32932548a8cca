/** Meters chat and completion streams. */
import { type JsonRecord, listOf, parseRecord, recordOf, textOf } from "./json-record.ts";
import { Meter } from "./meter.ts";
import { recordNames, recordUsage, refuseUnreadable } from "./tally.ts";

/** Choices of one answer that are told apart; the API allows 128. */
const choicesMax = 128;
/** Events in which the model's name is looked for: Azure's first frame has an empty one. */
const nameEventsMax = 8;

/** Chat and completions: unnamed chunks, then `[DONE]`. */
export class ChunkMeter extends Meter {
  readonly #stripUsage: boolean;
  readonly #finishes: (string | undefined)[] = [];
  #nameEvents = 0;

  constructor(stripUsage: boolean) {
    super();
    this.#stripUsage = stripUsage;
  }

  event(bytes: Buffer, start: number, end: number): boolean {
    const { fields, scan, tally } = this;
    fields.read(bytes, start, end);
    const { dataBytes, dataStart, dataEnd } = fields;
    if (!fields.hasData || dataEnd === dataStart || tally.terminal !== undefined) return true;
    if (isDone(dataBytes, dataStart, dataEnd)) {
      this.end("completed");
      return true;
    }
    scan.scan(dataBytes, dataStart, dataEnd);
    this.addOutput();
    const needsName = tally.model === undefined && this.#nameEvents < nameEventsMax;
    if (!scan.hasUsage && !scan.hasFinish && !scan.hasError && !needsName) return true;
    if (needsName) this.#nameEvents += 1;
    const chunk = parseRecord(fields.data);
    if (chunk === undefined) {
      if (scan.hasUsage) refuseUnreadable(tally);
      return true;
    }
    return this.#read(chunk);
  }

  #read(chunk: JsonRecord): boolean {
    recordNames(this.tally, chunk);
    recordUsage(this.tally, chunk.usage);
    for (const choice of listOf(chunk.choices)) this.#readFinish(recordOf(choice));
    if (chunk.error) this.fail(chunk.error);
    return !(this.#stripUsage && isUsageFrame(chunk));
  }

  #readFinish(choice: JsonRecord | undefined): void {
    const reason = textOf(choice?.finish_reason);
    const index = choice?.index ?? 0;
    if (reason === undefined || typeof index !== "number" || !(index >= 0 && index < choicesMax)) return;
    this.#finishes[Math.trunc(index)] = reason;
    this.tally.finishReasons = this.#finishes.filter((finish) => finish !== undefined);
  }
}

/** Members that every chunk has: nothing that the client would miss in a frame without choices. */
const chunkEnvelope = new Set(
  "id object created model service_tier system_fingerprint choices usage obfuscation".split(" "),
);

/** Is this the extra frame of `stream_options.include_usage`? Azure's filter results and anything unknown make it more than that. */
function isUsageFrame(chunk: JsonRecord): boolean {
  if (!Array.isArray(chunk.choices) || chunk.choices.length > 0 || recordOf(chunk.usage) === undefined) return false;
  return Object.entries(chunk).every(([key, value]) => chunkEnvelope.has(key) || isNothing(value));
}

const isNothing = (value: unknown): boolean =>
  value === null || value === "" || (Array.isArray(value) && value.length === 0);

const done = Buffer.from("[DONE]");
/** The Python SDK takes whatever starts so as the end, the Node SDK the bare word. */
function isDone(bytes: Buffer, start: number, end: number): boolean {
  return (
    bytes[start] === done[0] && end - start >= done.length && done.compare(bytes, start, start + done.length) === 0
  );
}
