/** The records of several files in the order of their times, each file in its own order. */
import { type Line, linesOf } from "./lines.ts";
import { type Intent, type Outcome, parseRecord } from "./records.ts";

/** A line that could not be used. */
export interface BadLine {
  readonly file: string;
  readonly number: number;
  readonly why: string;
}

/** What was passed over. */
export interface PassedOver {
  /** The first of them. */
  readonly shown: BadLine[];
  badCount: number;
  /** Lines that are something else: logs between the records. */
  otherCount: number;
  lineCount: number;
}

/** Bad lines that are named. */
const shownMax = 20;

/** Nothing yet. */
export const nothingPassedOver = (): PassedOver => ({ shown: [], badCount: 0, otherCount: 0, lineCount: 0 });

/** Said where no line was a record: what the files may hold instead. */
export const otherLinesRemark = ({ lineCount, badCount, otherCount }: PassedOver): readonly string[] =>
  otherCount === 0 || otherCount + badCount < lineCount
    ? []
    : [
        `${otherCount} lines are no audit records: logs, or records that a collector has wrapped (jq -r .log takes them out)`,
      ];

type UsedRecord = Intent | Outcome;

/** Reads them, a line at a time of each. Throws QuotaCommandFault where one cannot be read. */
export async function* mergedRecords(files: readonly string[], passedOver: PassedOver): AsyncGenerator<UsedRecord> {
  const sources = files.map((file) => recordsOf(file, passedOver));
  const [only] = sources;
  if (only && sources.length === 1) {
    yield* only;
    return;
  }
  const heads: { source: AsyncGenerator<UsedRecord>; record: UsedRecord }[] = [];
  const advance = async (source: AsyncGenerator<UsedRecord>): Promise<void> => {
    const next = await source.next();
    if (!next.done) heads.push({ source, record: next.value });
  };
  for (const source of sources) await advance(source);
  for (;;) {
    let first = heads[0];
    if (!first) return;
    for (const head of heads) if (head.record.timeMs < first.record.timeMs) first = head;
    heads.splice(heads.indexOf(first), 1);
    yield first.record;
    await advance(first.source);
  }
}

async function* recordsOf(file: string, passedOver: PassedOver): AsyncGenerator<UsedRecord> {
  for await (const line of linesOf(file)) {
    passedOver.lineCount += 1;
    const record = read(line);
    if (record.kind === "bad") {
      passedOver.badCount += 1;
      if (passedOver.shown.length < shownMax) passedOver.shown.push({ file, number: line.number, why: record.why });
    } else if (record.kind === "other") passedOver.otherCount += 1;
    else yield record;
  }
}

const read = ({ text }: Line) =>
  text === undefined ? ({ kind: "bad", why: "is too long" } as const) : parseRecord(text);
