/** When a counter began anew: a reset gives it another name, so nobody has to be able to write it but those who charge it. */
import { subjectText } from "./subject-text.ts";

/** Resets of one limit, ms since the epoch: of all its counters, and of single subjects, as keys or as people write them. */
export interface CounterResets {
  readonly all?: number | undefined;
  readonly subjects?: Readonly<Record<string, number>> | undefined;
}

/** Characters that a reset adds to the name of a counter at most: `=` and ms in base 36, until the year 5188. */
export const epochCharsMax = 10;

/** The newest reset that concerns the counter of a subject; undefined: it was never reset. */
export const epochOf = (resets: CounterResets | undefined, subject: string): number | undefined => {
  if (resets === undefined) return undefined;
  const { all, subjects } = resets;
  if (subjects === undefined) return all;
  const own = ownMs(subjects, subject) ?? ownMs(subjects, subjectText(subject));
  if (own === undefined) return all;
  return Math.max(all ?? 0, own);
};

/** Only what was written: a subject may be called like a member that every object has. */
const ownMs = (subjects: Readonly<Record<string, number>>, subject: string): number | undefined =>
  Object.hasOwn(subjects, subject) ? subjects[subject] : undefined;
