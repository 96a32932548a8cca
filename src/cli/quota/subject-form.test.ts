import { expect, test } from "vitest";
import { type SubjectKind, subjectKinds } from "../../config/quota.ts";
import { subjectText } from "../../redis/subject-text.ts";
import { subjectsOf } from "../../sidecar/quota/subject.ts";
import { isWholeSubject, subjectForm } from "./subject-form.ts";

type Quota = Parameters<typeof subjectsOf>[0];
type Exchange = Parameters<typeof subjectsOf>[1];

test.each<{ subject: string; per: SubjectKind[]; is: boolean }>([
  { subject: "user=alice@example.com", per: ["User"], is: true },
  { subject: "tenant=acme", per: ["User"], is: false },
  { subject: "sa=team/bot:model=gpt-4o", per: ["ServiceAccount", "Model"], is: true },
  { subject: "model=gpt-4o:sa=team/bot", per: ["ServiceAccount", "Model"], is: false },
  { subject: "sa=team/bot", per: ["ServiceAccount", "Model"], is: false },
  { subject: "user=alice:user=bob", per: ["User"], is: false },
  { subject: "user=alice:bob", per: ["User"], is: false },
  { subject: "ip=2001:db8::/64:app=chat", per: ["SourceIP", "App"], is: true },
  { subject: "ip=::1", per: ["SourceIP"], is: true },
  { subject: "user==2d:key=-", per: ["User", "ClientKey"], is: true },
  { subject: `sha256=${"a".repeat(64)}`, per: ["User", "Model"], is: true },
  { subject: "alice", per: ["User"], is: false },
])("$subject of a quota by $per: $is", ({ subject, per, is }) => {
  expect(isWholeSubject(subject, per)).toBe(is);
});

test("every part has the name that sidecars write", () => {
  const quota = { namespace: "team", name: "q", mode: "Enforce", per: subjectKinds } as unknown;
  const exchange = {
    identity: { namespace: "team", serviceAccount: "bot", pod: "bot-0", user: "a:b@c", groups: ["dev"] },
    ...{ quotaTarget: { route: "r", backend: "b" }, model: "gpt-4o" },
    ...{ match: { endpoint: { name: "ChatCompletions" } }, arrival: { address: "2001:db8::1", port: "pod" } },
  } as unknown;
  const [subject = ""] = subjectsOf(quota as Quota, exchange as Exchange); // what a subject is made of
  expect(subject).toContain("user=a=3ab=40c");
  expect([subject, subjectText(subject)].map((each) => isWholeSubject(each, subjectKinds))).toEqual([true, true]);
  expect(subjectForm(["User", "Model"])).toBe("user=...:model=...");
});
