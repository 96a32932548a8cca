/** Resets and overrides of a quota: what people do about a budget between two edits of it. They stand in annotations, with name and reason. */
import { z } from "zod";
import type { AIQuota } from "./aiquota.ts";
import { amountSchema, type LimitSpec } from "./aiquota-limit.ts";
import { marks } from "./annotations.ts";
import { maxOf } from "./limit-max.ts";
import { entryName } from "./object.ts";
import { parseWith } from "./parse.ts";

/** Entries of one annotation; more are not read. */
export const adjustmentsMax = 32;
/** How far a reset may lie ahead of the clock that judges it, ms: clocks differ. */
export const resetAheadMsMax = 300_000;
/** Characters of who did it, and why. */
const byCharsMax = 256;
const reasonCharsMax = 512;
const subjectCharsMax = 1024;

const instant = () =>
  z
    .string()
    .max(40)
    .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/, {
      error: "must be a time such as 2026-01-31T09:00:00Z",
    })
    .refine((text) => Date.parse(text) >= 0, { error: "must be a time that exists, after 1970" });
const by = z.string().min(1).max(byCharsMax);
const reason = z.string().min(1).max(reasonCharsMax);

/** One reset: the counters that it names start at zero. */
const resetSchema = z.strictObject({
  /** When; it is also the name of the new counters, so a reset is a reset once. */
  at: instant(),
  /** Absent: every limit. */
  limit: entryName().optional(),
  /** As `status.usage[].subject` shows it. Absent: every subject. */
  subject: z.string().min(1).max(subjectCharsMax).optional(),
  by,
  reason,
});
/** One override: another limit for a while. */
const overrideSchema = z.strictObject({
  limit: entryName(),
  /** In place of `limit`; a burst is added to it as well, but to 0: that admits nothing. */
  to: amountSchema(),
  until: instant(),
  by,
  reason,
});

/** A reset, as written. */
export type QuotaReset = z.output<typeof resetSchema>;
/** An override, as written. */
export type QuotaOverride = z.output<typeof overrideSchema>;

/** What the annotations of a quota say. */
export interface QuotaAdjustments {
  readonly resets: readonly QuotaReset[];
  /** At most one for each limit: the last that was written. */
  readonly overrides: readonly QuotaOverride[];
  /** What could not be read, and so is not done; the quota stands as it is written. */
  readonly faults: readonly { readonly annotation: string; readonly message: string }[];
}

/** Keeps only the annotations that are read here; undefined: there are none. */
export const adjustmentAnnotations = (annotations: unknown): Record<string, string> | undefined => {
  if (typeof annotations !== "object" || annotations === null) return undefined;
  const kept = Object.entries(annotations).filter(
    (entry): entry is [string, string] =>
      (entry[0] === marks.reset || entry[0] === marks.override) && typeof entry[1] === "string",
  );
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
};

const none: QuotaAdjustments = { resets: [], overrides: [], faults: [] };

/**
 * Reads them. Never throws: an entry that cannot be read is a fault, and the others count. `nowMs`, since the epoch: so is a reset that lies
 * ahead of it by more than 5 minutes, as its time would name the counters until then, whatever is reset meanwhile; absent: not judged.
 */
export const quotaAdjustments = ({ metadata, spec }: AIQuota, nowMs?: number): QuotaAdjustments => {
  const { [marks.reset]: resetText, [marks.override]: overrideText } = metadata.annotations ?? {};
  if (resetText === undefined && overrideText === undefined) return none;
  const faults: { annotation: string; message: string }[] = [];
  const resets = entriesOf(marks.reset, resetText, resetSchema, faults).flatMap(({ index, entry }) => {
    const fault = resetFault(entry, spec.limits, nowMs);
    if (fault === undefined) return [entry];
    faults.push({ annotation: marks.reset, message: `entry ${index}: ${fault}` });
    return [];
  });
  const overrides = new Map<string, QuotaOverride>();
  for (const { index, entry: override } of entriesOf(marks.override, overrideText, overrideSchema, faults)) {
    const fault = overrideFault(override, spec.limits);
    if (fault === undefined) overrides.set(override.limit, override);
    else faults.push({ annotation: marks.override, message: `entry ${index}: ${fault}` });
  }
  return { resets, overrides: [...overrides.values()], faults };
};

const entriesOf = <Entry>(
  annotation: string,
  text: string | undefined,
  schema: z.ZodType<Entry>,
  faults: { annotation: string; message: string }[],
): { readonly index: number; readonly entry: Entry }[] => {
  if (text === undefined || text.trim() === "") return [];
  const list = listIn(text);
  if (typeof list === "string") {
    faults.push({ annotation, message: list });
    return [];
  }
  return list.flatMap((value, index) => {
    const parsed = parseWith(schema, value);
    if ("value" in parsed) return [{ index, entry: parsed.value }];
    const [first] = parsed.faults;
    faults.push({ annotation, message: `entry ${index}: ${first?.path.join(".") ?? ""}: ${first?.message ?? ""}` });
    return [];
  });
};

/** The list, or what is wrong with it. */
const listIn = (text: string): unknown[] | string => {
  try {
    const list: unknown = JSON.parse(text);
    if (!Array.isArray(list)) return "must be a list in JSON; write it with `sidegate quota reset` or `override`";
    return list.length <= adjustmentsMax ? list : `has ${list.length} entries, at most ${adjustmentsMax} are read`;
  } catch {
    return "is no JSON; write it with `sidegate quota reset` or `override`";
  }
};

const resetFault = (
  { at, limit }: QuotaReset,
  limits: readonly LimitSpec[],
  nowMs: number | undefined,
): string | undefined => {
  if (limit !== undefined && limits.every(({ name }) => name !== limit)) return `there is no limit ${limit}`;
  if (nowMs === undefined || Date.parse(at) <= nowMs + resetAheadMsMax) return undefined;
  const minutes = resetAheadMsMax / 60_000;
  return `at: ${at} lies more than ${minutes} minutes ahead; write the time of now, as \`sidegate quota reset\` does`;
};

/** When the first of the resets counts that lie ahead of `nowMs`, ms since the epoch; undefined: there is none. */
export const nextResetMs = (quota: AIQuota, nowMs: number): number | undefined => {
  const startsMs = quotaAdjustments(quota)
    .resets.map(({ at }) => Date.parse(at) - resetAheadMsMax)
    .filter((startMs) => startMs > nowMs);
  return startsMs.length === 0 ? undefined : Math.min(...startsMs);
};

const overrideFault = ({ limit: name, to }: QuotaOverride, limits: readonly LimitSpec[]): string | undefined => {
  const limit = limits.find((candidate) => candidate.name === name);
  if (!limit) return `there is no limit ${name}`;
  if (limit.resource === "Cost") return Number(to) < 9_000_000 ? undefined : "to: must be below 9000000 for Cost";
  return String(to).includes(".") ? "to: must be a whole number; only Cost can have decimals" : undefined;
};

/** When the counters of a limit began anew, ms since the epoch; the newest of several. As the contract has it. */
export interface LimitResets {
  readonly all?: number;
  readonly subjects?: Record<string, number>;
}

/** The resets that concern one limit; undefined: none. */
export const resetsOfLimit = (resets: readonly QuotaReset[], limit: string): LimitResets | undefined => {
  let all: number | undefined;
  const subjects = new Map<string, number>();
  for (const reset of resets) {
    if (reset.limit !== undefined && reset.limit !== limit) continue;
    const atMs = Date.parse(reset.at);
    if (reset.subject === undefined) all = Math.max(all ?? 0, atMs);
    else subjects.set(reset.subject, Math.max(subjects.get(reset.subject) ?? 0, atMs));
  }
  if (all === undefined && subjects.size === 0) return undefined;
  return { ...(all !== undefined && { all }), ...(subjects.size > 0 && { subjects: Object.fromEntries(subjects) }) };
};

/** The override of a limit that counts now; undefined: it stands as written. */
export const overrideNow = (
  { overrides }: Pick<QuotaAdjustments, "overrides">,
  limit: string,
  nowMs: number,
): QuotaOverride | undefined => overrides.find((entry) => entry.limit === limit && nowMs < Date.parse(entry.until));

/** The quota with the limits that count now: what the operator reckons with. While one is overridden to 0 nothing goes to another model. */
export const effectiveQuota = (quota: AIQuota, adjustments: QuotaAdjustments, nowMs: number): AIQuota => {
  if (adjustments.overrides.length === 0) return quota;
  const limits = quota.spec.limits.map((limit) => {
    const override = overrideNow(adjustments, limit.name, nowMs);
    if (!override) return limit;
    const { onExceeded, ...rest } = limit;
    return { ...rest, limit: override.to, ...(onExceeded && maxOf(limit, override.to) > 0 && { onExceeded }) };
  });
  return { ...quota, spec: { ...quota.spec, limits } };
};

/**
 * The reset annotation with one more entry: older resets of the same counters go, as the new one takes their place. Throws RangeError when
 * there is no room: then reset without limit or subject. Entries that could not be read, or lie ahead of the new one, are left out.
 */
export const withReset = (quota: AIQuota, reset: QuotaReset): string => {
  const kept = quotaAdjustments(quota, Date.parse(reset.at)).resets.filter(
    ({ limit, subject }) =>
      !(
        (reset.limit === undefined || reset.limit === limit) &&
        (reset.subject === undefined || reset.subject === subject)
      ),
  );
  return textOf([...kept, resetSchema.parse(reset)]);
};

/** The override annotation with one more entry, in place of one of the same limit; those that are over go. Throws RangeError. */
export const withOverride = (quota: AIQuota, override: QuotaOverride, nowMs: number): string => {
  const kept = quotaAdjustments(quota).overrides.filter(
    ({ limit, until }) => limit !== override.limit && Date.parse(until) > nowMs,
  );
  return textOf([...kept, overrideSchema.parse(override)]);
};

const textOf = (entries: readonly object[]): string => {
  if (entries.length > adjustmentsMax)
    throw new RangeError(`${entries.length} entries; at most ${adjustmentsMax} fit, so name no subject, or no limit`);
  return JSON.stringify(entries);
};
