/** What the subject of a quota looks like, by what the quota counts by. */
import type { SubjectKind } from "../../config/quota.ts";
import { subjectPartNames } from "../../config/quota-subject.ts";

/** `sa=...:model=...`, for people. */
export const subjectForm = (per: readonly SubjectKind[]): string =>
  per.map((kind) => `${subjectPartNames[kind]}=...`).join(":");

/** Whether it has every part, in the order of the quota. A long subject is a digest alone. */
export const isWholeSubject = (subject: string, per: readonly SubjectKind[]): boolean => {
  if (subject.startsWith("sha256=")) return true;
  const names: string[] = [];
  for (const part of subject.split(":")) {
    const name = /^([a-z]+)=/.exec(part)?.[1];
    if (name !== undefined) names.push(name);
    else if (names.at(-1) !== subjectPartNames.SourceIP) return false; // the colons of an IPv6 address part nothing
  }
  return names.join() === per.map((kind) => subjectPartNames[kind]).join();
};
