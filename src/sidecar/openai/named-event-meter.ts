/** Meters streams of named events. */
import { type JsonRecord, parseRecord, recordOf, textOf } from "./json-record.ts";
import { Meter } from "./meter.ts";
import {
  errorCodeOf,
  recordNames,
  recordUsage,
  refuseUnreadable,
  type Terminal,
  unreadableEventCode,
} from "./tally.ts";

const letterOpenBrace = 0x7b;

/** Events with a `type`: Responses, images, transcription, speech. */
export class NamedEventMeter extends Meter {
  event(bytes: Buffer, start: number, end: number): boolean {
    const { fields, scan, tally } = this;
    fields.read(bytes, start, end);
    const { dataBytes, dataStart, dataEnd } = fields;
    if (!fields.hasData || dataBytes[dataStart] !== letterOpenBrace) return true;
    const typeEnd = leadingTypeEnd(dataBytes, dataStart);
    let type: string | undefined;
    let isScanned = false;
    if (typeEnd > 0) {
      type = dataBytes.toString("latin1", dataStart + leadingType.length, typeEnd);
    } else {
      scan.scan(dataBytes, dataStart, dataEnd);
      isScanned = true;
      type = scan.typeEnd > 0 ? dataBytes.toString("latin1", scan.typeStart, scan.typeEnd) : fields.name;
    }
    tally.nextSequenceNumber = 1 + leadingSequence(dataBytes, typeEnd, tally.nextSequenceNumber);
    if (type !== undefined && (type.endsWith(".delta") || type.endsWith(".partial_image"))) {
      if (!isScanned) scan.scan(dataBytes, dataStart, dataEnd);
      isScanned = true;
      this.#addDelta(type);
    }
    const terminal = type === undefined ? undefined : terminals[type];
    if (terminal !== undefined || type === "response.created" || (isScanned && scan.hasError)) this.#read(terminal);
    return true;
  }

  #addDelta(type: string): void {
    if (type === "response.audio.delta") {
      this.scan.mediaBytes += this.scan.outputBytes;
      this.scan.outputBytes = 0;
    }
    this.addOutput();
  }

  /** Reads the few events whose content matters. */
  #read(terminal: Terminal | undefined): void {
    const event = parseRecord(this.fields.data);
    if (event === undefined) {
      // an unreadable terminal is the end all the same: the client's SDK throws on it, and its usage is unknown
      if (terminal === undefined) return;
      refuseUnreadable(this.tally);
      this.fail({ code: unreadableEventCode });
      return;
    }
    const response = recordOf(event.response);
    if (response !== undefined) recordNames(this.tally, response);
    // the SDKs raise on an `error` member, whatever the type says
    if (textOf(event.type) === "error" && !event.error) {
      this.tally.bareError = { message: textOf(event.message) ?? "The provider failed.", code: errorCodeOf(event) };
    }
    if (terminal === "failed" || event.error) {
      recordUsage(this.tally, response?.usage);
      this.fail(event.error ?? response?.error ?? event);
    } else if (terminal !== undefined) this.#finish(terminal, event, response);
  }

  #finish(terminal: Terminal, event: JsonRecord, response: JsonRecord | undefined): void {
    const { tally } = this;
    recordUsage(tally, (response ?? event).usage);
    if (typeof event.b64_json === "string") {
      tally.images += 1;
      tally.mediaBytes += event.b64_json.length;
      if (tally.usage !== undefined) tally.usage.images = tally.images;
    }
    const reason = textOf(recordOf(response?.incomplete_details)?.reason) ?? textOf(response?.status);
    if (reason !== undefined) tally.finishReasons = [reason];
    this.end(terminal);
  }
}

const terminals: Readonly<Record<string, Terminal | undefined>> = Object.assign(Object.create(null), {
  "response.completed": "completed",
  "response.incomplete": "incomplete",
  "response.failed": "failed",
  error: "failed",
  "transcript.text.done": "completed",
  "speech.audio.done": "completed",
  "image_generation.completed": "completed",
  "image_edit.completed": "completed",
});

const leadingType = Buffer.from('{"type":"');
/** Where the type ends when it leads the object, as OpenAI writes it; 0: it does not. */
function leadingTypeEnd(bytes: Buffer, start: number): number {
  for (let i = 0; i < leadingType.length; i += 1) if (bytes[start + i] !== leadingType[i]) return 0;
  return Math.max(bytes.indexOf(0x22, start + leadingType.length), 0);
}

const leadingNumber = Buffer.from('","sequence_number":');
/** The sequence number where it follows the leading type; else `expected`. */
function leadingSequence(bytes: Buffer, typeEnd: number, expected: number): number {
  if (typeEnd === 0) return expected;
  for (let i = 0; i < leadingNumber.length; i += 1) if (bytes[typeEnd + i] !== leadingNumber[i]) return expected;
  let number = 0;
  // 9 digits at most: a number, not an attack
  for (let at = typeEnd + leadingNumber.length, digits = 0; digits < 9; at += 1, digits += 1) {
    const digit = (bytes[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) return digits === 0 ? expected : number;
    number = number * 10 + digit;
  }
  return expected;
}
