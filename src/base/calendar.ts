/** Starts of calendar windows in a time zone; the tz database that Node carries knows daylight saving. */

const shown = new Map<string, readonly number[]>();
const shownMax = 256;

/**
 * The starts of the windows around `nowMs`, ascending: the one before, the current one, the next two. The store picks by its
 * own clock, so a sidecar whose clock is off by less than a window still counts in the right one.
 * Weeks start on Monday (ISO 8601). Throws RangeError for an unknown time zone, which `compile` has refused before.
 */
export function calendarBoundaries(
  period: "Day" | "Week" | "Month",
  timeZone: string,
  nowMs: number,
): readonly number[] {
  const key = `${period} ${timeZone}`;
  const known = shown.get(key);
  if (known && nowMs >= (known[1] ?? 0) && nowMs < (known[2] ?? 0)) return known;
  const today = Temporal.Instant.fromEpochMilliseconds(nowMs).toZonedDateTimeISO(timeZone).toPlainDate();
  const start = startOf(period, today);
  const step = { Day: { days: 1 }, Week: { weeks: 1 }, Month: { months: 1 } }[period];
  const starts = [start.subtract(step), start, start.add(step), start.add(step).add(step)];
  const boundaries = starts.map((date) => date.toZonedDateTime(timeZone).epochMilliseconds);
  if (shown.size >= shownMax) shown.clear();
  shown.set(key, boundaries);
  return boundaries;
}

function startOf(period: "Day" | "Week" | "Month", date: Temporal.PlainDate): Temporal.PlainDate {
  if (period === "Month") return date.with({ day: 1 });
  return period === "Week" ? date.subtract({ days: date.dayOfWeek - 1 }) : date;
}

/** Whether `calendarBoundaries` can count in it. `Intl` alone knows names that `Temporal` does not, such as IST; `Temporal` alone takes whole times for zones. */
export function isTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone });
    zonedEpoch(timeZone);
    return true;
  } catch (fault) {
    if (fault instanceof RangeError) return false;
    throw fault;
  }
}

/** Whether two names mean one zone, such as Asia/Calcutta and Asia/Kolkata. Throws RangeError for an unknown one. */
export function isSameTimeZone(one: string, other: string): boolean {
  return zonedEpoch(one).equals(zonedEpoch(other));
}

function zonedEpoch(timeZone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(timeZone);
}
