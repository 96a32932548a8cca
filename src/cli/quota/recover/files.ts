/** Files of audit records that may still be written to: read to their end, and on from there. */
import { linesOf } from "../simulate/lines.ts";
import type { PassedOver } from "../simulate/merged.ts";
import { type ChargeRecord, parseCharge } from "./records.ts";

/** Bad lines that are named. */
const shownMax = 20;

/** Remembers how far each was read. A last line without its end is left for the next reading. */
export class GrowingFiles {
  readonly #paths: readonly string[];
  readonly #read = new Map<string, { bytes: number; lines: number }>();
  readonly #passedOver: PassedOver;

  constructor(paths: readonly string[], passedOver: PassedOver) {
    this.#paths = paths;
    this.#passedOver = passedOver;
  }

  /** What has come since the last reading, file after file. Throws QuotaCommandFault where one cannot be read. */
  async *news(): AsyncGenerator<ChargeRecord> {
    for (const path of this.#paths) {
      const before = this.#read.get(path) ?? { bytes: 0, lines: 0 };
      if (path === "-" && this.#read.has(path)) continue; // it has ended
      const at = { ...before };
      this.#read.set(path, at);
      for await (const { number, text, bytes, isTorn } of linesOf(path, before.bytes)) {
        if (isTorn && path !== "-" && !isWhole(text)) break;
        at.bytes += bytes;
        at.lines += 1;
        const record = this.#recordOf(path, before.lines + number, text);
        if (record) yield record;
      }
    }
  }

  #recordOf(file: string, number: number, text: string | undefined): ChargeRecord | undefined {
    const passedOver = this.#passedOver;
    passedOver.lineCount += 1;
    const parsed = text === undefined ? ({ kind: "bad", why: "is too long" } as const) : parseCharge(text);
    if (parsed.kind === "other") passedOver.otherCount += 1;
    else if (parsed.kind === "bad") {
      passedOver.badCount += 1;
      if (passedOver.shown.length < shownMax) passedOver.shown.push({ file, number, why: parsed.why });
    } else return parsed;
    return undefined;
  }
}

/** A last line that nobody has ended, and that is whole all the same. */
const isWhole = (text: string | undefined): boolean => {
  const { kind } = parseCharge(text ?? "");
  return kind === "intent" || kind === "outcome";
};
