import fc from "fast-check";
import { expect, test } from "vitest";
import { nameInKey } from "../sidecar/quota/subject.ts";
import { subjectText } from "./subject-text.ts";

test.each([
  ["all", "all"],
  ["sa=team/bot:model=gpt-4o", "sa=team/bot:model=gpt-4o"],
  ["user=alice=40example.com:model=gpt-4o", "user=alice@example.com:model=gpt-4o"],
  ["user=abba", "user=abba"],
  ["user=Zo=c3ab", "user=Zoë"],
  ["user==f09f9890", "user=😐"],
  ["tenant=-", "tenant=-"],
  ["user==2d", "user=-"],
  ["ip=2001=3adb8=3a1=3a2=3a=3a=2f64", "ip=2001:db8:1:2::/64"],
  ["user=a=3amodel=3db", "user=a=3amodel=3db"],
  ["user=a=0ab", "user=a=0ab"],
  ["user==e280ae", "user==e280ae"],
  ["user=sha256=40400000", "user=sha256=40400000"],
  ["sha256=40400000", "sha256=40400000"],
])("%s reads %s", (subject, text) => {
  expect(subjectText(subject)).toBe(text);
});

test("two names never read the same", () => {
  const name = fc.string({ unit: fc.constantFrom("a", "4", "0", "=", ":", "@", "é", "\u202e", " "), maxLength: 6 });
  fc.assert(
    fc.property(name, name, (one, other) => {
      const [text, otherText] = [one, other].map((each) => subjectText(`user=${nameInKey(each)}`));
      expect(text === otherText).toBe(one === other);
    }),
  );
});

test("the text of a name holds nothing that a terminal obeys, and no end of a part", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 40 }), (name) => {
      const text = subjectText(`user=${nameInKey(name)}`);
      expect(text.startsWith("user=")).toBe(true);
      expect(text.slice("user=".length)).not.toMatch(/[:\p{C}\p{Z}]/u);
    }),
  );
});
