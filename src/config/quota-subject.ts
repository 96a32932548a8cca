/** How the key of a counter names whom it counts: `sa=team/bot:model=gpt-4o`, a part for each word of `per`, in its order. */
import type { SubjectKind } from "./quota.ts";

/** Name of the part. */
export const subjectPartNames: Readonly<Record<SubjectKind, string>> = {
  ServiceAccount: "sa",
  Namespace: "ns",
  Pod: "pod",
  Model: "model",
  Endpoint: "endpoint",
  User: "user",
  Tenant: "tenant",
  Group: "group",
  ClientKey: "key",
  SourceIP: "ip",
  App: "app",
  Backend: "backend",
};

/** What stands for a subject that is too long for a key; it tells no parts. */
const digestHead = "sha256=";

/**
 * Whether a quota that counts by `per` has such a subject: a counter of another one is left from before `per` was changed. Of one that is
 * a digest nobody can tell: true.
 */
export const isSubjectBy = (per: readonly SubjectKind[], subject: string): boolean => {
  if (subject.startsWith(digestHead)) return per.length > 0;
  const parts = subject.split(":");
  return parts.length === per.length && per.every((kind, i) => parts[i]?.startsWith(`${subjectPartNames[kind]}=`));
};
