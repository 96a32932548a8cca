/** Moments as the command line takes them: a time from now, or a date with its time. */
import { UsageFault } from "../usage.ts";

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
/** RFC 3339 section 5.6, upper case. */
const datePattern = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
/** The last year that four digits can tell. */
const momentMsMax = Date.UTC(9999, 11, 31);

/** `90d`, `12h`, `1d12h`: digits and s, m, h, d or w, in ms; 0 and more. Throws UsageFault naming the option. */
export const parseSpan = (option: string, text: string): number => {
  if (!/^(\d{1,6}[smhdw]){1,5}$/.test(text))
    throw new UsageFault(`${option} ${text}: must be a time such as 90d, 12h or 1d12h`);
  let totalMs = 0;
  for (const [, digits, unit] of text.matchAll(/(\d+)([smhdw])/g))
    totalMs += Number(digits) * (unitMs[unit ?? ""] ?? 0);
  return totalMs;
};

/** A time from `nowMs`, or RFC 3339, in ms since the epoch. Throws UsageFault naming the option. */
export const parseMoment = (option: string, text: string, nowMs: number): number => {
  const momentMs = /^\d+[smhdw]/.test(text) ? nowMs + parseSpan(option, text) : dateMs(text);
  if (!Number.isFinite(momentMs) || momentMs > momentMsMax)
    throw new UsageFault(`${option} ${text}: must be a time such as 90d, or a date such as 2027-01-31T12:00:00Z`);
  return momentMs;
};

/** NaN for what is no date; JavaScript alone would take February 30 for March 2. */
const dateMs = (text: string): number => {
  const [, year, month, day] = datePattern.exec(text) ?? [];
  const daysInMonth = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  return Number(day) <= daysInMonth ? Date.parse(text) : Number.NaN;
};

/** RFC 3339 in UTC, whole seconds, rounded down. */
export const momentText = (momentMs: number): string => `${new Date(momentMs).toISOString().slice(0, 19)}Z`;

/** A length of time as people say it, in its two greatest units: `29d 23h`, `4m 10s`. Below a second: `0s`. */
export const spanText = (spanMs: number): string => {
  const units = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1_000],
  ] as const;
  const first = units.findIndex(([, ms]) => spanMs >= ms);
  if (first < 0) return "0s";
  let rest = spanMs;
  return units
    .slice(first, first + 2)
    .flatMap(([unit, ms]) => {
      const count = Math.floor(rest / ms);
      rest -= count * ms;
      return count > 0 ? [`${count}${unit}`] : [];
    })
    .join(" ");
};
